//! The 403 that says what is missing in the words of OAuth, for clients that know it, and for nobody else.

use super::{
    deciding::{approve, decided_by_ada},
    *,
};

/// What a 403 has to say; gives its request.
fn check_forbidden(answer: &Answer, kind: &str, identifier: &str) -> String {
    assert_eq!(answer.status, 403, "{}", answer.text());
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    let bearer = challenges[0].to_str().unwrap();
    assert!(
        bearer.starts_with("Bearer error=\"insufficient_scope\", "),
        "{bearer}"
    );
    assert!(bearer.contains("resource_metadata=\"http"), "{bearer}");
    let body = answer.json();
    assert_eq!(body["error"]["data"]["code"], "E_ACCESS_REQUIRED", "{body}");
    let details = &body["error"]["data"]["authorization_details"];
    assert_eq!(details[0]["type"], kind, "{body}");
    assert_eq!(details[0]["identifier"], identifier, "{body}");
    let location = details[0]["locations"][0].as_str().unwrap();
    assert!(location.ends_with(PATH), "{body}");
    let asked = &body["error"]["data"][ACCESS];
    assert!(
        asked["url"]
            .as_str()
            .unwrap()
            .contains("/console/requests/"),
        "{body}"
    );
    asked["request"].as_str().unwrap().to_owned()
}

fn reading_details(mut message: Value) -> Value {
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "dev.cardea/authorization-details": {} } });
    message
}

#[tokio::test]
async fn a_client_that_reads_details_is_told_by_http_and_calls_once_it_is_approved() {
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    listed(&stage).await;
    let call = reading_details(delete("a", json!({ "id": 7 })));
    let first = stage.call(&call).await;
    let request = check_forbidden(&first, "mcp_tool", "delete");
    // The challenge is the same each time: clients that log in again for it know by that when to stop.
    let other = stage
        .call(&reading_details(delete("b", json!({ "id": 8 }))))
        .await;
    assert_eq!(
        first.header("www-authenticate"),
        other.header("www-authenticate")
    );
    approve(&mut browser, &stage.gateway, &request).await;
    let made = stage.call(&call).await;
    assert_eq!(
        (made.status, made.json()["result"].is_object()),
        (200, true)
    );
    let denial = stage.record_by_id("denial", &json!("a")).await;
    assert_eq!(denial["access"]["request"], json!(request));
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn an_agent_that_is_configured_so_is_told_by_http_whatever_it_asks_for_and_others_are_not() {
    let entitlement = json!({
        "resources": [{ "upstream": UPSTREAM, "tools": ["delete"], "resources": ["*"], "prompts": ["*"] }],
        "approval": [{ "groups": ["leads"] }],
    });
    let stage = Stage::with(|setup| {
        let agents = json!({ "demo": { "agents": { "b*t": { "ask_by": "http" } } } });
        setup
            .set("authorization_server", json!({}))
            .set("tenants", agents)
            .set("entitlements", json!({ "some": entitlement }))
    })
    .await;
    listed(&stage).await;
    // Also where the client opens addresses: it was said of the agent what it can do.
    let tool = opening_urls(delete(1, json!({})));
    let resource = modern(2, "resources/read", json!({ "uri": "file:///a" }));
    let prompt = modern(3, "prompts/get", json!({ "name": "greet" }));
    for (call, kind, name) in [
        (&tool, "mcp_tool", "delete"),
        (&resource, "mcp_resource", "file:///a"),
        (&prompt, "mcp_prompt", "greet"),
    ] {
        check_forbidden(&stage.call(call).await, kind, name);
    }
    let other = token(&stage.gateway, "ada", "other").await;
    for call in [&tool, &resource, &prompt] {
        let answer = ask(call).bearer(&other).send(stage.gateway.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn a_legacy_client_that_declares_it_is_told_by_http() {
    let stage = stage(json!({})).await;
    let hello = json!({
        "protocolVersion": LEGACY,
        "capabilities": { "experimental": { "dev.cardea/authorization-details": {} } },
        "clientInfo": { "name": "t", "version": "1" },
    });
    let opened = stage.call(&legacy(1, "initialize", hello)).await;
    let session = opened.header("mcp-session-id").unwrap();
    let send = async |message: Value| {
        let ask = stage.ask(&message).set("mcp-session-id", &session);
        ask.send(stage.gateway.address()).await
    };
    send(legacy(2, "tools/list", json!({}))).await;
    let answer = send(legacy(
        3,
        "tools/call",
        json!({ "name": "delete", "arguments": {} }),
    ))
    .await;
    check_forbidden(&answer, "mcp_tool", "delete");
}

/// The TypeScript SDKs answer such a 403 by looking for another token, which is no better. They must come to an end.
#[tokio::test]
async fn real_clients_that_look_for_another_token_come_to_an_end() {
    let entitlement = entitlement(&json!({}));
    let stage = Stage::with(|setup| {
        let agents = json!({ "demo": { "agents": { "bot": { "ask_by": "http" } } } });
        setup
            .set("authorization_server", json!({}))
            .set("tenants", agents)
            .set("entitlements", json!({ "delete-things": entitlement }))
    })
    .await;
    for sdk in ["1", "2"] {
        let run = tokio::process::Command::new("node")
            .arg(crate::clients::installed().join("stepup.mjs"))
            .args([
                "--url",
                &stage.gateway.url(UPSTREAM),
                "--token",
                &stage.token,
            ])
            .args(["--call", "delete", "--sdk", sdk])
            .kill_on_drop(true)
            .output();
        let output = until_ended(run).await;
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let calls = report["calls"].as_array().unwrap();
        assert!(calls.iter().all(|status| *status == 403), "{report}");
        // Three calls; each is tried once more at most.
        assert!((3..=6).contains(&calls.len()), "{report}");
        // SDK 1 refreshes its token for each challenge that it has not seen, SDK 2 has its person log in for each call.
        let count = |what: &str| report[what].as_u64().unwrap();
        let (refreshes, logins) = (count("refreshes"), count("logins"));
        assert!(refreshes + logins <= 3, "{report}");
        assert!(sdk == "2" || logins == 0, "{report}");
        assert_eq!(report["errors"].as_array().unwrap().len(), 3, "{report}");
    }
}

/// A process of an interpreter, on a busy machine.
async fn until_ended(
    run: impl Future<Output = std::io::Result<std::process::Output>>,
) -> std::process::Output {
    let within = std::time::Duration::from_secs(120);
    let ended = tokio::time::timeout(within, run).await;
    ended.expect("the client comes to an end").unwrap()
}
