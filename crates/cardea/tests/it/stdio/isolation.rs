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
