//! Adding, changing and removing one tenant neither drops nor changes another's calls.

use std::fs;

use super::house::{ACME, GLOBEX};
use crate::{
    protocol::text_of,
    stdio::{program, python},
    support::*,
};

/// The configuration is written anew and in place before this returns.
async fn put(gateway: &Gateway, config: &Value) {
    let accepted = [r#"result="accepted""#];
    let count = async || metric(gateway, "cardea_reloads_total", &accepted).await;
    let before = count().await;
    fs::write(gateway.config(), config.to_string()).unwrap();
    until("the new configuration", async || {
        (count().await > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_that_comes_changes_and_goes_is_nothing_to_another() {
    let echo = Echo::start().await.unwrap();
    let shared = json!({"tenants": [ACME], "http": {"url": echo.url()}});
    let notes = json!({"tenants": [ACME], "stdio": {"command": python(), "args": [program()]}});
    let gateway = setup()
        .set("tenants", json!({ACME: {}}))
        .upstream(UPSTREAM, shared)
        .upstream("notes", notes)
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let address = gateway.address();
    let token = token_of(&gateway, ACME, "ada", "bot").await;
    let note = async |tool: &str, value: &str| {
        let params = json!({"name": tool, "arguments": {"value": value}});
        let ask = Ask::modern("/mcp/notes", &modern(1, "tools/call", params)).bearer(&token);
        text_of(&ask.send(address).await)
    };
    note("remember", "mine").await;
    let process = note("recall", "").await;
    let gate = Gate::closed();
    let held = gate.clone();
    echo.on("prompts/get", move |seen| {
        Reply::result(seen, &json!({"messages": [], "resultType": "complete"})).after(&held)
    });
    let get = modern(1, "prompts/get", json!({"name": "p"}));
    let under_way = tokio::spawn(ask(&get).bearer(&token).try_send(address));
    echo.wait_for("prompts/get", 1).await;

    let first: Value = serde_json::from_slice(&fs::read(gateway.config()).unwrap()).unwrap();
    let mut added = first.clone();
    added["tenants"][GLOBEX] = json!({"upstreams": {"own": {"http": {"url": echo.url()}}}});
    added["upstreams"]["notes"]["tenants"] = json!([ACME, GLOBEX]);
    let mut changed = added.clone();
    changed["tenants"][GLOBEX]["limits"] = json!({"calls_max": 1, "call_timeout": "1s"});
    put(&gateway, &added).await;
    let other = token_of(&gateway, GLOBEX, "ada", "bot").await;
    let own = |token: &str| Ask::modern("/mcp/own", &tool_call(1, json!({}))).bearer(token);
    assert_eq!(own(&other).send(address).await.status, 200);
    put(&gateway, &changed).await;
    assert_eq!(own(&other).send(address).await.status, 200);
    put(&gateway, &first).await;
    // The tenant is gone, and with it everything that its token was good for.
    assert_eq!(own(&other).send(address).await.status, 401);
    // What it had recorded is still there, closed, and goes on when it comes back.
    put(&gateway, &added).await;
    assert_eq!(own(&other).send(address).await.status, 200);

    assert_eq!(
        note("recall", "").await,
        process,
        "the same process, with its memory"
    );
    gate.open();
    let answer = bounded("the call under way", under_way)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let epochs: Vec<_> = records_in(&gateway, Some(ACME))
        .iter()
        .filter_map(|record| record["decision"]["epoch"].as_u64())
        .collect();
    assert!(epochs.iter().all(|epoch| *epoch == 1), "{epochs:?}");
    sound_records(&gateway);
}
