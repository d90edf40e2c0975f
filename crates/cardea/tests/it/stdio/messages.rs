//! Many calls on the one channel of a process: each message reaches the one that it is for.

use super::*;

#[tokio::test]
async fn equal_ids_and_progress_tokens_of_two_calls_do_not_mix() {
    let shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;
    let asks = ["first", "second"].map(|label| {
        let mut message = call("same", "pair", json!({"label": label}));
        message["params"]["_meta"]["progressToken"] = "same".into();
        let sent = shop.send(ask(&message).bearer(&shop.token));
        async move { (label, sent.await) }
    });

    let answers = bounded("both answers", futures_util::future::join_all(asks)).await;

    let mut inner = Vec::new();
    for (label, answer) in answers {
        let events = answer.events();
        let last = answer.json();
        assert_eq!(last["id"], "same");
        let told = told(&answer);
        assert_eq!(told["label"]["label"], label, "{}", answer.text());
        inner.push(told["id"].clone());
        let progress: Vec<&Value> = events
            .iter()
            .filter(|e| e["method"] == "notifications/progress")
            .collect();
        assert_eq!(progress.len(), 2, "{}", answer.text());
        for event in progress {
            assert_eq!(event["params"]["progressToken"], "same");
            assert!(
                event["params"]["message"].as_str().unwrap().contains(label),
                "{event}"
            );
        }
    }
    assert_ne!(inner[0], inner[1], "the server saw two ids");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_own_call_only() {
    let shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;
    let address = shop.gateway.address();
    let wait =
        |label: &str| ask(&call("same", "wait", json!({"label": label}))).bearer(&shop.token);
    let leaves = tokio::spawn(wait("leaves").try_send(address));
    let stays = tokio::spawn(wait("stays").try_send(address));
    until("both calls at the server", async || {
        let waiting = shop
            .notes()
            .iter()
            .filter(|note| note.starts_with("call wait"))
            .count();
        (waiting == 2).then_some(())
    })
    .await;

    leaves.abort();

    assert_eq!(
        shop.note("cancelled").await,
        r#"cancelled {"label": "leaves"}"#
    );
    assert!(!stays.is_finished());
    stays.abort();
    shop.note(r#"cancelled {"label": "stays"}"#).await;
}

#[tokio::test]
async fn a_legacy_cancellation_reaches_the_call_that_it_names() {
    let shop = Workshop::open("legacy").await;
    let session = shop.initialize().await;
    let message = legacy(
        "mine",
        "tools/call",
        json!({"name": "wait", "arguments": {"label": "cancelled"}}),
    );
    let ask_it = ask(&message)
        .set("mcp-session-id", &session)
        .bearer(&shop.token);
    let _waiting = tokio::spawn(ask_it.try_send(shop.gateway.address()));
    shop.note("call wait").await;
    for id in [json!("other"), json!("mine")] {
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        let ask = ask(&cancelled)
            .set("mcp-session-id", &session)
            .bearer(&shop.token);
        assert_eq!(shop.send(ask).await.status, 202);
    }
    shop.note(r#"cancelled {"label": "cancelled"}"#).await;
    assert_eq!(
        shop.cancellations(),
        1,
        "what names no call of the session is not passed on"
    );
}

#[tokio::test]
async fn mirrored_headers_are_checked_in_the_servers_place() {
    let shop = Workshop::open("modern").await;
    // Nothing was listed before: over stdio the gateway finds the annotation by itself.
    let region = |value: &str| shop.ask("region", json!({"name": value}));
    for (ask, good) in [
        (region("eu"), false),
        (region("eu").set("mcp-param-region", "us"), false),
        (region("eu").set("mcp-param-region", "eu"), true),
    ] {
        let answer = shop.send(ask).await;
        if good {
            assert_eq!(told(&answer), json!({"name": "eu"}));
        } else {
            assert_eq!(
                (answer.status, code_of(&answer).as_str()),
                (400, "E_HEADER_MISMATCH"),
                "{}",
                answer.text()
            );
        }
    }
    let calls = shop
        .notes()
        .iter()
        .filter(|note| note.starts_with("call region"))
        .count();
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn messages_reach_a_server_byte_for_byte_but_for_ids_and_line_ends() {
    let shop = Workshop::open("modern").await;
    let text = "{ \"x\" :[1.0 , 1e3],\"params\"\t: {\"_meta\": {\"io.modelcontextprotocol/clientCapabilities\":{},\r\n\
        \"progressT\\u006fken\" : \"p\",\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"},\n\
        \"arguments\" : {\"z\":1.0,\"\\u0061b\":\"\\u00e9\u{e9}\\n\"},\"name\":\"echo\"},\"method\":\"tools\\/call\",\"jsonrpc\":\"2.0\",\"id\" : \"a\"}";
    let ask = shop.ask("echo", json!({})).body(text);

    let answer = shop.send(ask).await;

    assert_eq!(answer.json()["id"], "a", "{}", answer.text());
    let arrived = shop
        .notes()
        .into_iter()
        .find(|note| note.contains("1e3"))
        .unwrap();
    let number = arrived
        .rsplit_once("\"id\" : ")
        .unwrap()
        .1
        .trim_end_matches('}')
        .to_owned();
    let expected = text
        .replace(['\r', '\n'], " ")
        .replace(
            "\"progressT\\u006fken\" : \"p\"",
            &format!("\"progressT\\u006fken\" : {number}"),
        )
        .replace("\"id\" : \"a\"", &format!("\"id\" : {number}"));
    assert_eq!(arrived, format!("line {expected}"));
}

#[tokio::test]
async fn what_a_legacy_server_asks_is_refused_in_the_clients_place_or_passed_on() {
    const CALLS: &str = r#"
        permit(principal, action == Cardea::Action::"connect", resource);
        permit(principal, action == Cardea::Action::"tools/call", resource);
        permit(principal, action == Cardea::Action::"roots/list", resource);
    "#;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("server.log");
    let server = json!({"tenants": [TENANT], "stdio": {"command": python(), "args": [program(), "--era", "legacy", "--log", log]}});
    let gateway = setup()
        .upstream(UPSTREAM, server)
        .policy(CALLS)
        .start()
        .await
        .unwrap();
    let ada = token(&gateway, "ada", "bot").await;
    let shop = Workshop {
        gateway,
        good: Echo::start().await.unwrap(),
        token: ada,
        folder,
    };
    let session = shop.initialize().await;

    let refused = shop
        .call_in(&session, "ask", json!({"method": "sampling/createMessage"}))
        .await;
    assert_eq!(
        told(&refused)["error"]["code"],
        -31403,
        "{}",
        refused.text()
    );
    assert_eq!(
        refused.events().len(),
        1,
        "the client sees nothing of it: {}",
        refused.text()
    );

    // As many as a server may have open at a time: one that is refused is not open.
    for _ in 0..256 {
        shop.call_in(&session, "ask", json!({"method": "sampling/createMessage"}))
            .await;
    }
    let mut open = shop
        .ask_in(&session, "ask", json!({"method": "roots/list"}))
        .open(shop.gateway.address())
        .await;
    let asked = open.message().await.unwrap().unwrap();
    assert_eq!(asked["method"], "roots/list");
    let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"roots": []}});
    let reply = ask(&reply)
        .set("mcp-session-id", &session)
        .bearer(&shop.token);
    assert_eq!(shop.send(reply).await.status, 202);
    let last = open.message().await.unwrap().unwrap();
    assert!(
        last["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("roots"),
        "{last}"
    );
}
