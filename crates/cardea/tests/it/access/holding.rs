//! Calls that are held until people decide, and what their clients hear meanwhile.

use super::{
    deciding::{act, approve, decided_by_ada},
    *,
};

/// A call that asks for progress.
fn with_progress(mut call: Value, token: impl Into<Value>) -> Value {
    call["params"]["_meta"]["progressToken"] = token.into();
    call
}

/// The request that a notification tells of.
fn request_of(told: &Value) -> String {
    assert_eq!(told["method"], "notifications/progress", "{told}");
    let words = told["params"]["message"].as_str().unwrap();
    let (_, request) = words.rsplit_once("/console/requests/").unwrap();
    request.to_owned()
}

fn is_stream(open: &Open) -> bool {
    open.header("content-type").as_deref() == Some("text/event-stream")
}

#[tokio::test]
async fn a_client_hears_that_its_call_waits_and_the_answer_follows_on_the_same_stream() {
    let (stage, mut browser) = decided_by_ada(json!({ "hold": "30s" })).await;
    listed(&stage).await;
    let hello = json!({ "protocolVersion": LEGACY, "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" } });
    let opened = stage.call(&legacy(1, "initialize", hello)).await;
    let session = opened.header("mcp-session-id").unwrap();
    for era in ["modern", "legacy"] {
        stage.echo.forget();
        let call = match era {
            "modern" => delete("waits", json!({ "era": era })),
            _ => legacy(
                "waits",
                "tools/call",
                json!({ "name": "delete", "arguments": { "era": era } }),
            ),
        };
        let ask = stage.ask(&with_progress(call, era));
        let ask = match era {
            "modern" => ask,
            _ => ask.set("mcp-session-id", &session),
        };
        let mut open = ask.open(stage.gateway.address()).await;
        assert!(is_stream(&open), "{era}: {:?}", open.headers);
        let told = open.message().await.unwrap().unwrap();
        assert_eq!(told["params"]["progressToken"], era, "{told}");
        assert!(stage.echo.seen_of("tools/call").is_empty());
        approve(&mut browser, &stage.gateway, &request_of(&told)).await;
        let mut last = Value::Null;
        while let Some(message) = open.message().await.unwrap() {
            last = message;
        }
        assert_eq!(last["id"], "waits", "{era}: {last}");
        assert!(
            last["result"].is_object() && last["result"]["isError"] != true,
            "{era}: {last}"
        );
        assert_eq!(stage.echo.seen_of("tools/call").len(), 1, "{era}");
    }
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn a_call_that_nobody_decides_in_time_is_refused_on_its_stream() {
    let (stage, _browser) = decided_by_ada(json!({ "hold": "1s" })).await;
    listed(&stage).await;
    let call = with_progress(delete("late", json!({})), 7);
    let answer = stage.call(&call).await;
    let messages = answer.events();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["params"]["progressToken"], 7);
    assert_eq!(messages[1]["id"], "late");
    assert_eq!(
        messages[1]["result"]["_meta"][ACCESS]["state"], "pending",
        "{messages:?}"
    );
    let denial = stage.record_by_id("denial", &json!("late")).await;
    assert_eq!(denial["denial"]["code"], "E_ACCESS_REQUIRED");
}

#[tokio::test]
async fn whoever_hangs_up_waits_no_more_and_nothing_is_called() {
    let (stage, mut browser) = decided_by_ada(json!({ "hold": "5m" })).await;
    listed(&stage).await;
    let call = |n: u64| with_progress(delete(n, json!({ "n": n })), n);
    let mut held = Vec::new();
    let mut request = String::new();
    for n in 0..4 {
        let mut open = stage.ask(&call(n)).open(stage.gateway.address()).await;
        assert!(is_stream(&open));
        request = request_of(&open.message().await.unwrap().unwrap());
        held.push(open);
    }
    let fifth = stage.ask(&call(5)).open(stage.gateway.address()).await;
    assert!(!is_stream(&fifth), "more wait than may");
    drop(held);
    until("a place for another call that waits", async || {
        let open = stage.ask(&call(5)).open(stage.gateway.address()).await;
        is_stream(&open).then_some(())
    })
    .await;
    until("no call is under way", async || {
        (metric(&stage.gateway, "cardea_open_calls", &[]).await == 0.0).then_some(())
    })
    .await;
    approve(&mut browser, &stage.gateway, &request).await;
    listed(&stage).await;
    assert!(
        stage.echo.seen_of("tools/call").is_empty(),
        "nobody waits for it any more"
    );
}

#[tokio::test]
async fn a_lock_ends_the_wait() {
    let (stage, mut browser) = decided_by_ada(json!({ "hold": "5m" })).await;
    listed(&stage).await;
    let call = with_progress(delete("waits", json!({})), 1);
    let mut open = stage.ask(&call).open(stage.gateway.address()).await;
    assert!(open.message().await.unwrap().is_some());
    let lock = json!({ "kind": "tenant", "reason": "stop" });
    act(&mut browser, &stage.gateway, "/api/v1/locks", lock).await;
    // It says again that it waits, until then.
    let mut last = Value::Null;
    while last["error"].is_null() {
        last = bounded("the end", open.message()).await.unwrap().unwrap();
    }
    assert_eq!(last["error"]["data"]["code"], "E_ACCESS_LOCKED", "{last}");
}
