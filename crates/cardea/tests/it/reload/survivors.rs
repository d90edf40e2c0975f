//! Calls in flight and open streams do not notice.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A reload that changes what the calls under way were decided by.
async fn forbid_everything(stage: &Stage) {
    put_policy(
        &stage.gateway,
        "none.cedar",
        "forbid(principal, action, resource);",
    );
    until_call(
        stage,
        "everything is forbidden",
        &tool_call(1, json!({})),
        is_denied,
    )
    .await;
}

/// A reload after which the upstream is gone.
async fn remove_upstream(stage: &Stage) {
    reconfigure(&stage.gateway, |config| config["upstreams"] = json!({}));
    until_call(
        stage,
        "the upstream is gone",
        &tool_call(1, json!({})),
        is_denied,
    )
    .await;
}

/// A call that waits at the upstream until the gate opens.
async fn in_flight(stage: &Stage, gate: &Gate) -> tokio::task::JoinHandle<Answer> {
    let script = gate.clone();
    stage.echo.on("prompts/get", move |seen| {
        Reply::result(seen, &json!({ "messages": [], "resultType": "complete" })).after(&script)
    });
    let ask = stage.ask(&modern("held", "prompts/get", json!({ "name": "greet" })));
    let call = tokio::spawn(ask.send(stage.gateway.address()));
    stage.echo.wait_for("prompts/get", 1).await;
    call
}

#[tokio::test]
async fn a_call_in_flight_ends_by_the_policies_it_began_with() {
    let stage = Stage::start().await;
    let gate = Gate::closed();
    let call = in_flight(&stage, &gate).await;
    forbid_everything(&stage).await;
    gate.open();
    let answer = bounded("the held call", call).await.unwrap();
    assert!(is_permitted(&answer), "{}", answer.text());
    let (intent, outcome) = (
        stage.record_by_id("intent", &json!("held")).await,
        stage.record_by_id("outcome", &json!("held")).await,
    );
    assert_eq!(intent["decision"]["epoch"], outcome["decision"]["epoch"]);
    assert_eq!(outcome["response"]["outcome"], "result");
}

#[tokio::test]
async fn a_call_in_flight_to_an_upstream_that_is_removed_is_answered() {
    let stage = Stage::start().await;
    let gate = Gate::closed();
    let call = in_flight(&stage, &gate).await;
    remove_upstream(&stage).await;
    gate.open();
    let answer = bounded("the held call", call).await.unwrap();
    assert!(is_permitted(&answer), "{}", answer.text());
}

#[tokio::test]
async fn an_open_stream_survives_a_reload() {
    let stage = Stage::start().await;
    let (events, reply) = Reply::channel();
    let reply = std::sync::Mutex::new(Some(reply));
    stage.echo.on("GET", move |_| {
        let reply = reply.lock().unwrap().take();
        reply.unwrap_or_else(|| Reply::empty(405))
    });
    let ask = Ask::get(PATH)
        .set("accept", "text/event-stream")
        .set("mcp-protocol-version", LEGACY)
        .bearer(&stage.token);
    let mut stream = ask.open(stage.gateway.address()).await;
    assert_eq!(stream.status, 200);
    let note = |n: u32| {
        let note =
            json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "n": n } });
        events.send(Ok(format!("data: {note}\n\n").into())).unwrap();
        note
    };
    let sent = note(1);
    assert_eq!(stream.message().await.unwrap().unwrap(), sent);

    put_policy(
        &stage.gateway,
        "more.cedar",
        "@id(\"again\") permit(principal, action, resource);",
    );
    until("the new policy decides", async || {
        stage.call(&tool_call("probe", json!({}))).await;
        let probes = stage.records().into_iter().filter(|r| r["id"] == "probe");
        let policies: Vec<Value> = probes.map(|r| r["decision"]["policies"].clone()).collect();
        policies
            .contains(&json!(["again", "permit-all"]))
            .then_some(())
    })
    .await;
    let sent = note(2);
    assert_eq!(stream.message().await.unwrap().unwrap(), sent);
    drop(events);
    assert_eq!(stream.message().await.unwrap(), None);
}

#[tokio::test]
async fn no_call_fails_while_the_configuration_is_changed_again_and_again() {
    let stage = Stage::start().await;
    let has_reloaded = AtomicBool::new(false);
    let calls = async {
        for n in 0.. {
            let answer = stage.call(&tool_call(n, json!({}))).await;
            assert!(is_permitted(&answer), "call {n}: {}", answer.text());
            if n >= 200 && has_reloaded.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let changes = async {
        for n in 0_u32.. {
            let before = reloads(&stage.gateway, "accepted").await;
            reconfigure(&stage.gateway, |config| {
                config["limits"] = json!({ "body_bytes_max": 1_000_000 + n });
            });
            until("the next reload", async || {
                (reloads(&stage.gateway, "accepted").await > before).then_some(())
            })
            .await;
            has_reloaded.store(true, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = calls => {}
        () = changes => unreachable!("changes have no end"),
    }
    assert_eq!(reloads(&stage.gateway, "refused").await, 0.0);
}
