//! What servers ask of a client: forms for secrets, and the folders that they may see.

use super::*;

/// A server that asks on the stream of a call, and ends it once it was answered.
async fn asking(upstream: Value, method: &'static str, params: Value) -> Stage {
    let stage = held(
        upstream,
        json!([{ "name": "echo", "inputSchema": { "type": "object" } }]),
    )
    .await;
    let told = Gate::closed();
    let answered = told.clone();
    stage.echo.on("tools/call", move |seen| {
        let (parts, reply) = Reply::channel();
        let asked = json!({ "jsonrpc": "2.0", "id": "ask-1", "method": method, "params": params });
        let done =
            json!({ "jsonrpc": "2.0", "id": seen.message()["id"], "result": { "content": [] } });
        let told = told.clone();
        tokio::spawn(async move {
            let event = |message: &Value| format!("data: {message}\n\n").into();
            let _ = parts.send(Ok(event(&asked)));
            told.passed().await;
            let _ = parts.send(Ok(event(&done)));
        });
        reply
    });
    stage.echo.on("response", move |_| {
        answered.open();
        Reply::empty(202)
    });
    stage
}

#[tokio::test]
async fn a_form_that_says_it_is_an_address_asks_for_no_secret() {
    let params = json!({
        "mode": "url", "url": "https://x.example", "elicitationId": "1", "message": "Sign in",
        "requestedSchema": { "type": "object", "properties": { "password": { "type": "string" } } },
    });
    let stage = asking(checked(), "elicitation/create", params).await;
    let answer = stage
        .ask(&legacy(
            1,
            "tools/call",
            json!({ "name": "echo", "arguments": {} }),
        ))
        .set("mcp-protocol-version", "2025-06-18")
        .send(stage.gateway.address())
        .await;
    assert!(!answer.text().contains("password"), "{}", answer.text());
    // The server is told no in the client's place.
    let told = stage.echo.wait_for("response", 1).await;
    assert_eq!(told[0].message()["error"]["code"], -31403);
}

const ROOTS: [&str; 4] = [
    "file:///srv/work",
    "file:///srv/work/a",
    "file:///srv/work/../secret",
    "file:///home/ada/.ssh",
];

fn roots() -> Value {
    ROOTS
        .iter()
        .map(|uri| json!({ "uri": uri, "name": "x" }))
        .collect()
}

#[tokio::test]
async fn a_server_sees_the_folders_that_it_may_and_no_others() {
    let mut config = checked();
    config["roots"] = json!(["file:///srv/work"]);
    // The legacy era: a response.
    let stage = asking(config, "roots/list", json!({})).await;
    let call = legacy(1, "tools/call", json!({ "name": "echo", "arguments": {} }));
    let mut open = stage.ask(&call).open(stage.gateway.address()).await;
    let asked = open.message().await.unwrap().unwrap();
    let response =
        json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": roots(), "x": 1.0 } });
    assert_eq!(stage.call(&response).await.status, 202);
    let seen = stage.echo.wait_for("response", 1).await[0].message();
    let kept: Value = ROOTS[..2]
        .iter()
        .map(|uri| json!({ "uri": uri, "name": "x" }))
        .collect();
    assert_eq!(seen["result"], json!({ "roots": kept, "x": 1.0 }));
    assert!(open.message().await.unwrap().is_some());

    // The modern era: beside the call that is tried again.
    stage.echo.on("tools/call", |seen| {
        Reply::result(seen, &json!({ "content": [], "resultType": "complete" }))
    });
    stage.echo.forget();
    let answers = json!({ "a": { "roots": roots() }, "b": { "action": "decline" } });
    let again = modern(
        2,
        "tools/call",
        json!({ "name": "echo", "arguments": {}, "inputResponses": answers }),
    );
    let answer = stage.call(&again).await;
    assert!(answer.json()["error"].is_null(), "{}", answer.text());
    let seen = stage.echo.seen_of("tools/call")[0].message();
    assert_eq!(
        seen["params"]["inputResponses"],
        json!({ "a": { "roots": kept }, "b": { "action": "decline" } })
    );
}

#[tokio::test]
async fn without_a_list_a_server_sees_all_that_the_client_shows() {
    let stage = asking(checked(), "roots/list", json!({})).await;
    let call = legacy(1, "tools/call", json!({ "name": "echo", "arguments": {} }));
    let mut open = stage.ask(&call).open(stage.gateway.address()).await;
    let asked = open.message().await.unwrap().unwrap();
    let response = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": roots() } });
    assert_eq!(stage.call(&response).await.status, 202);
    let seen = stage.echo.wait_for("response", 1).await[0].message();
    assert_eq!(seen["result"]["roots"], roots());
}
