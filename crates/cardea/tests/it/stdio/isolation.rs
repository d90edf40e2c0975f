//! What one caller says and keeps, and what the gateway knows, stays apart.

use super::*;

#[tokio::test]
async fn a_server_sees_nothing_of_the_gateways_environment() {
    let shop = Workshop::with(&[], json!({}), |setup| {
        let own = json!({
            "tenants": [TENANT],
            "stdio": {
                "command": python(),
                "args": [program()],
                "env": {"GREETING": "hello", "API_TOKEN": {"env": "GATEWAY_SECRET_TOKEN"}},
                "cwd": "/tmp",
            },
        });
        setup
            .upstream(UPSTREAM, own)
            .env("GATEWAY_SECRET_TOKEN", "for one server")
            .env("GATEWAY_OTHER_SECRET", "for nobody")
            .env("LD_PRELOAD_X", "x")
    })
    .await;

    let told = told(&shop.call("environment", json!({})).await);

    let environment = told["environment"].as_object().unwrap();
    let mut names: Vec<&str> = environment.keys().map(String::as_str).collect();
    // What the interpreter sets for itself.
    names.retain(|name| *name != "LC_CTYPE");
    assert_eq!(names, ["API_TOKEN", "GREETING", "PATH"]);
    assert_eq!(environment["API_TOKEN"], "for one server");
    assert_eq!(told["cwd"], "/tmp");
}

#[tokio::test]
async fn two_principals_never_share_a_process() {
    let shop = Workshop::open("modern").await;
    let tokens = [
        shop.token.clone(),
        token(&shop.gateway, "bob", "bot").await,
        token(&shop.gateway, "ada", "bot2").await,
    ];
    for (n, token) in tokens.iter().enumerate() {
        let kept = ask(&call(1, "remember", json!({"value": n}))).bearer(token);
        shop.send(kept).await;
    }
    let mut pids = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        let told = told(
            &shop
                .send(ask(&call(1, "recall", json!({}))).bearer(token))
                .await,
        );
        assert_eq!(told["values"], json!([n]));
        pids.push(told["pid"].as_u64().unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 3);
    let renewed = token(&shop.gateway, "ada", "bot").await;
    let told = told(
        &shop
            .send(ask(&call(1, "recall", json!({}))).bearer(&renewed))
            .await,
    );
    assert_eq!(
        told["values"],
        json!([0]),
        "a renewed token of one principal finds its process"
    );
}

#[tokio::test]
async fn two_tenants_never_share_a_process() {
    let shop = Workshop::with(&[], json!({}), |setup| {
        let both = json!({"tenants": [TENANT, "globex"], "stdio": {"command": python(), "args": [program()]}});
        setup.tenant("globex").upstream(UPSTREAM, both)
    })
    .await;
    let theirs = token_of(&shop.gateway, "globex", "ada", "bot").await;

    shop.call("remember", json!({"value": "ours"})).await;

    let told = told(
        &shop
            .send(ask(&call(1, "recall", json!({}))).bearer(&theirs))
            .await,
    );
    assert_eq!(told["values"], json!([]));
}

#[tokio::test]
async fn two_legacy_sessions_never_share_a_process() {
    let shop = Workshop::open("legacy").await;
    let (first, second) = (shop.initialize().await, shop.initialize().await);

    shop.call_in(&first, "remember", json!({"value": 1})).await;

    assert_eq!(
        told(&shop.call_in(&first, "recall", json!({})).await)["values"],
        json!([1])
    );
    assert_eq!(
        told(&shop.call_in(&second, "recall", json!({})).await)["values"],
        json!([])
    );
}

#[tokio::test]
async fn a_session_of_another_principal_is_unknown() {
    let shop = Workshop::open("legacy").await;
    let session = shop.initialize().await;
    let bob = token(&shop.gateway, "bob", "bot").await;
    for ask in [
        shop.ask_in(&session, "recall", json!({})).bearer(&bob),
        Ask::new("DELETE", PATH)
            .set("mcp-session-id", &session)
            .bearer(&bob),
    ] {
        let answer = shop.send(ask).await;
        assert_eq!(
            (answer.status, code_of(&answer).as_str()),
            (404, "E_SESSION_UNKNOWN")
        );
    }
    assert_eq!(
        told(&shop.call_in(&session, "echo", json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test]
async fn a_session_of_a_stdio_server_does_not_survive_a_restart_and_says_so() {
    let mut shop = Workshop::open("legacy").await;
    let session = shop.initialize().await;
    shop.gateway.signal("TERM").unwrap();
    shop.gateway.ended(DEADLINE).await.unwrap();
    shop.gateway.start_again().await.unwrap();

    let answer = shop.call_in(&session, "echo", json!({})).await;

    // The client then sends `initialize` again by itself.
    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (404, "E_SESSION_UNKNOWN")
    );
}

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
