//! What passes between a host and a gateway, and what becomes of it when something is wrong.

use super::*;

/// A gateway that permits everything, and a login for it.
async fn stage() -> (Stage, Home, String) {
    let stage = Stage::start().await;
    let url = stage.gateway.url(UPSTREAM);
    let home = Home::new();
    home.keep(&url, &stage.token);
    (stage, home, url)
}

#[tokio::test]
async fn a_modern_message_reaches_the_server_byte_for_byte() {
    let (stage, home, url) = stage().await;
    let mut host = home.launch(&url);
    let line = r#"{ "params":{"name":"echo", "arguments":{"n":1.0,"s":"é\u00e9"},"x-new":[1 ,2],"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}},"jsonrpc":"2.0","method":"tools/call","id":"a\u0062" }"#;
    host.send_line(line).await;
    let answer = host.next().await;
    assert_eq!(answer["id"], "ab", "{answer}");
    assert!(answer["result"].is_object(), "{answer}");
    let seen = stage.echo.seen();
    let call = seen.iter().find(|seen| seen.method() == "tools/call");
    let call = call.unwrap_or_else(|| panic!("{seen:?}"));
    assert_eq!(as_sent(&call.body, r#""a\u0062""#), line);
    assert_eq!(call.headers["mcp-name"], "echo");
    host.close().await;
}

#[tokio::test]
async fn a_legacy_session_begins_listens_and_ends() {
    let (stage, home, url) = stage().await;
    let mut host = home.launch(&url);
    let opened = host.handshake().await;
    assert_eq!(opened["result"]["protocolVersion"], LEGACY, "{opened}");
    let listed = host.ask(&legacy(1, "tools/list", json!({}))).await;
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    until("the session's own stream", async || {
        stage
            .echo
            .seen()
            .into_iter()
            .find(|seen| seen.http == "GET")
    })
    .await;
    host.close().await;
    let ended = until("the end of the session", async || {
        stage
            .echo
            .seen()
            .into_iter()
            .find(|seen| seen.http == "DELETE")
    })
    .await;
    assert!(ended.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_next_one_works() {
    let (_stage, home, url) = stage().await;
    let mut host = home.launch(&url);
    for (line, code) in [
        ("nonsense", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32700),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
    ] {
        host.send_line(line).await;
        let answer = host.next().await;
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
    }
    let answer = host.ask(&tool_call(7, json!({}))).await;
    assert!(answer["result"].is_object(), "{answer}");
    host.close().await;
}

#[tokio::test]
async fn a_refusal_of_the_gateway_is_the_answer_to_its_call() {
    let stage = Stage::with(|setup| setup).await;
    let url = stage.gateway.url(UPSTREAM);
    let home = Home::new();
    home.keep(&url, &stage.token);
    let mut host = home.launch(&url);
    let answer = host.ask(&tool_call(1, json!({}))).await;
    assert_eq!(answer["error"]["code"], -31403, "{answer}");
    assert_eq!(
        answer["error"]["data"]["code"], "E_POLICY_DENIED",
        "{answer}"
    );
    host.close().await;
}

#[tokio::test]
async fn without_a_login_the_answer_says_what_to_run() {
    let (_stage, _, url) = stage().await;
    let mut host = Home::new().launch(&url);
    let answer = host.ask(&tool_call("x", json!({}))).await;
    assert_eq!(answer["error"]["code"], -31403, "{answer}");
    assert_eq!(answer["error"]["data"]["code"], "E_CONNECT_LOGIN_NEEDED");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("cardea login --url {url}")),
        "{message}"
    );
    host.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_not_an_end() {
    let mut host = Home::new().launch("http://127.0.0.1:9/mcp");
    for id in 1..3 {
        let answer = host.ask(&tool_call(id, json!({}))).await;
        assert_eq!(
            answer["error"]["data"]["code"], "E_CONNECT_UNREACHABLE",
            "{answer}"
        );
        assert_eq!(answer["error"]["data"]["retryable"], true);
    }
    host.close().await;
}

#[tokio::test]
async fn cancelling_a_modern_call_closes_its_stream() {
    let (stage, home, url) = stage().await;
    let gate = Gate::closed();
    let closed = gate.clone();
    stage.echo.on("tools/call", move |seen| {
        Reply::result(seen, &json!({"content": []})).after(&closed)
    });
    let mut host = home.launch(&url);
    host.send(&tool_call(1, json!({}))).await;
    stage.echo.wait_for("tools/call", 1).await;
    host.send(
        &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    )
    .await;
    let outcome = stage.record_by_id("outcome", &json!(1)).await;
    assert_eq!(outcome["response"]["outcome"], "abandoned", "{outcome}");
    gate.open();
    // The cancelled call has no answer; the next one has.
    let listed = host.ask(&modern(2, "tools/list", json!({}))).await;
    assert_eq!(listed["id"], 2, "{listed}");
    host.close().await;
}

#[tokio::test]
async fn a_signal_ends_it_at_once_and_well() {
    let (_stage, home, url) = stage().await;
    let mut host = home.launch(&url);
    host.handshake().await;
    let pid = host.child.id().unwrap().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(killed.unwrap().success());
    host.end().await;
}

#[tokio::test]
async fn the_token_is_never_in_what_it_writes() {
    let (stage, home, url) = stage().await;
    let mut host = home.launch(&url);
    let answer = host.ask(&tool_call(1, json!({}))).await;
    assert!(!answer.to_string().contains(&stage.token));
    let complaints = host.close().await;
    assert!(!complaints.contains(&stage.token), "{complaints}");
}
