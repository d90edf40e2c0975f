//! Who may end a stream: the client, the token's end, the limits.

use std::time::{Duration, Instant};

use super::*;

/// A stream that says one thing and then nothing more.
fn silent_stream(_: &Received) -> Script {
    Script::stream()
        .event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"hello"}}"#)
        .hang()
}

async fn short_token(scene: &Scene, ttl: &str) -> String {
    let request = TokenFor {
        tenant: TENANT,
        subject: "ada",
        actor: "bot",
        ttl: Some(ttl),
        ..TokenFor::default()
    };
    scene.gateway.token(request).await.unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_cancels_the_call_at_the_upstream() {
    let scene = Scene::start(silent_stream).await;
    let mut open = scene.open(scene.ask(&tool_call("leaves", json!({})))).await;
    let first = open.message().await.unwrap().unwrap();
    assert_eq!(first["params"]["data"], "hello");
    assert_eq!(scene.upstream.seen().gone, 0);

    drop(open);

    scene.wait_until_gone().await;
    let record = scene.record_by_id("outcome", &json!("leaves")).await;
    assert_eq!(record["response"]["outcome"], "abandoned", "{record:#}");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_begins_cancels_the_call_at_the_upstream() {
    let scene = Scene::start(|_| Script::new().hang()).await;
    let ask = scene.ask(&tool_call("leaves", json!({})));
    let sent = tokio::spawn(ask.try_open(scene.gateway.address()));
    scene
        .upstream
        .wait("the call", DEADLINE, |seen| !seen.requests.is_empty())
        .await
        .unwrap();

    sent.abort();

    scene.wait_until_gone().await;
    let record = scene.record_by_id("outcome", &json!("leaves")).await;
    assert_eq!(record["response"]["outcome"], "abandoned", "{record:#}");
}

#[tokio::test]
async fn the_end_of_the_token_cuts_a_long_stream() {
    let scene = Scene::start(silent_stream).await;
    for ask in [
        scene.bare("GET"),
        ask(&modern(
            "listens",
            "subscriptions/listen",
            json!({"notifications": {}}),
        )),
    ] {
        let token = short_token(&scene, "8s").await;
        let mut open = scene.open(ask.bearer(&token)).await;
        assert_eq!(open.status, 200);
        assert!(open.message().await.unwrap().is_some());
        while open.message().await.unwrap().is_some() {}
    }
    let record = scene.record_by_id("outcome", &json!("listens")).await;
    assert_eq!(record["denial"]["code"], "E_TOKEN_EXPIRED", "{record:#}");
}

#[tokio::test]
async fn the_end_of_the_token_cuts_a_call_under_way_and_says_so() {
    let scene = Scene::start(silent_stream).await;
    let token = short_token(&scene, "8s").await;

    let answer = scene
        .send(ask(&tool_call("cut", json!({}))).bearer(&token))
        .await;

    let last = answer.json();
    assert_eq!(last["id"], "cut");
    assert_eq!(
        last["error"]["data"]["code"],
        "E_TOKEN_EXPIRED",
        "{}",
        answer.text()
    );
    scene.wait_until_gone().await;
}

#[tokio::test]
async fn the_call_timeout_holds_whatever_progress_is_reported() {
    let chatty = |_: &Received| {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
        Script::stream()
            .drip(
                format!("data: {progress}\n\n").repeat(1000),
                Duration::from_millis(1),
            )
            .close()
    };
    let limits = json!({"call_timeout": "2s"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        chatty,
    )
    .await;
    let started = Instant::now();

    let answer = scene.call(&tool_call(1, json!({}))).await;

    assert_eq!(code_of(&answer), "E_UPSTREAM_TIMEOUT", "{}", answer.text());
    assert!(answer.events().len() > 1, "progress came before");
    assert!(started.elapsed() >= Duration::from_secs(2));
    scene.wait_until_gone().await;
}

#[tokio::test]
async fn a_principal_has_no_more_streams_than_the_limit_and_others_have_their_own() {
    let limits = json!({"streams_per_principal_max": 2});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        silent_stream,
    )
    .await;
    let bob = token(&scene.gateway, "bob", "bot").await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let open = scene.open(scene.bare("GET")).await;
        assert_eq!(open.status, 200);
        kept.push(open);
    }

    let third = scene.send(scene.bare("GET")).await;
    assert_eq!(
        (third.status, code_of(&third).as_str()),
        (503, "E_OVERLOADED"),
        "{}",
        third.text()
    );
    let theirs = scene.open(scene.bare("GET").bearer(&bob)).await;
    assert_eq!(theirs.status, 200, "another principal is not concerned");

    kept.pop();
    until("a stream in place of the one that was closed", async || {
        let open = scene.open(scene.bare("GET")).await;
        (open.status == 200).then_some(open)
    })
    .await;
}

#[tokio::test]
async fn streams_asked_for_at_once_are_no_more_than_the_limit_either() {
    let limits = json!({"streams_per_principal_max": 2});
    let gate = Gate::closed();
    let late = gate.clone();
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        move |_| {
            Script::new()
                .until(&late)
                .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n")
                .hang()
        },
    )
    .await;
    let opening =
        (0..20).map(|_| tokio::spawn(scene.bare("GET").try_open(scene.gateway.address())));
    let opening: Vec<_> = opening.collect();
    // Whatever is let through waits at the upstream until all have come.
    until("two streams at the upstream", async || {
        (scene.upstream.seen().requests.len() >= 2).then_some(())
    })
    .await;
    let refused = until("an end of the others' beginning", async || {
        let finished = opening.iter().filter(|one| one.is_finished()).count();
        let waiting = scene.upstream.seen().requests.len();
        (finished + waiting == 20).then_some(finished)
    })
    .await;
    gate.open();

    assert_eq!(refused, 18, "of 20 streams at once two may be open");
    for one in opening {
        let open = bounded("a reply", one).await.unwrap().unwrap();
        assert!([200, 503].contains(&open.status));
    }
}

#[tokio::test]
async fn a_call_over_the_stream_limit_has_no_effect() {
    let limits = json!({"streams_per_principal_max": 1});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        silent_stream,
    )
    .await;
    let _open = scene.open(scene.bare("GET")).await;

    let answer = scene.call(&tool_call("over", json!({}))).await;

    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (503, "E_OVERLOADED"),
        "{}",
        answer.text()
    );
    // A client that is told to try again must be able to: the tool has not run.
    assert!(
        scene.seen("tools/call").is_empty(),
        "the upstream carried out a call that was refused"
    );
}

#[tokio::test]
async fn a_stream_on_which_the_upstream_is_silent_too_long_is_closed() {
    // Idle streams are looked at with each keep-alive.
    let limits = json!({"stream_idle_timeout": "1s"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        silent_stream,
    )
    .await;
    let mut open = scene.open(scene.bare("GET")).await;
    assert!(open.message().await.unwrap().is_some());

    while open.event_text().await.unwrap().is_some() {}

    scene.wait_until_gone().await;
}
