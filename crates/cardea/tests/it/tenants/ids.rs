//! A server that knows its clients by their request ids alone (CVE-2026-25536): what one asks must not be answered to another.

use std::sync::{Arc, Mutex};

use crate::support::*;

/// Answers every call that waits with the arguments of the last one that came under its id.
fn confused(echo: &Echo, gate: &Gate) {
    let last: Arc<Mutex<std::collections::HashMap<String, Value>>> = Arc::default();
    let gate = gate.clone();
    echo.on("tools/call", move |seen| {
        let message = seen.message();
        let mut last = last.lock().unwrap();
        let id = message["id"].to_string();
        // Whoever came first under this id is given what was asked second, and the other way round.
        let said = last.insert(id, message["params"]["arguments"].clone());
        let said = said.unwrap_or_else(|| message["params"]["arguments"].clone());
        let result = json!({ "resultType": "complete", "content": [{ "type": "text", "text": said.to_string() }] });
        Reply::result(seen, &result).after(&gate)
    });
}

#[tokio::test]
async fn two_requests_of_one_id_are_two_for_the_server_and_each_is_answered_its_own() {
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL)).await;
    let gate = Gate::closed();
    confused(&stage.echo, &gate);
    let eve = token(&stage.gateway, "eve", "bot").await;
    let call = |token: &str, secret: &str| {
        let message = tool_call(1, json!({ "secret": secret }));
        let ask = ask(&message).bearer(token);
        let address = stage.gateway.address();
        tokio::spawn(async move { ask.send(address).await.json() })
    };
    let first = call(&stage.token, "of ada");
    stage.echo.wait_for("tools/call", 1).await;
    let second = call(&eve, "of eve");
    let seen = stage.echo.wait_for("tools/call", 2).await;
    gate.open();
    for (answer, secret) in [(first, "of ada"), (second, "of eve")] {
        let answer = answer.await.unwrap();
        assert_eq!(answer["id"], 1, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(secret), "{answer}");
    }
    let ids: Vec<_> = seen
        .iter()
        .map(|seen| seen.message()["id"].clone())
        .collect();
    assert!(ids[0] != ids[1] && !ids.contains(&json!(1)), "{ids:?}");
}

#[tokio::test]
async fn a_cancellation_ends_nobody_elses_request() {
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL)).await;
    let gate = Gate::closed();
    confused(&stage.echo, &gate);
    let eve = token(&stage.gateway, "eve", "bot").await;
    let waiting = {
        let ask = ask(&tool_call(1, json!({ "secret": "of ada" }))).bearer(&stage.token);
        let address = stage.gateway.address();
        tokio::spawn(async move { ask.send(address).await.json() })
    };
    let seen = stage.echo.wait_for("tools/call", 1).await;
    let cancel = |id: u64| {
        let mut cancel = modern(0, "notifications/cancelled", json!({ "requestId": id }));
        cancel.as_object_mut().unwrap().remove("id");
        cancel
    };
    for (token, id) in [(&eve, 1), (&stage.token, 2), (&stage.token, 1)] {
        let sent = ask(&cancel(id))
            .bearer(token)
            .send(stage.gateway.address())
            .await;
        assert_eq!(sent.status, 202, "{}", sent.text());
    }
    let cancelled = stage.echo.wait_for("notifications/cancelled", 1).await;
    assert_eq!(
        cancelled.len(),
        1,
        "those of nothing under way are not sent"
    );
    assert_eq!(
        cancelled[0].message()["params"]["requestId"],
        seen[0].message()["id"]
    );
    gate.open();
    waiting.await.unwrap();
}
