//! What servers and their callers may use: processes, memory, each other's time.

use super::*;
use crate::hostile::resident_bytes;

#[tokio::test]
async fn a_line_without_end_stops_the_server() {
    let shop = Workshop::with(&[], json!({"answer_bytes_max": "64KiB"}), |setup| setup).await;
    assert_eq!(
        text_of(&shop.call("huge", json!({"bytes": 60_000})).await).len(),
        60_000
    );
    let pid = u64::from(shop.started()[0]);

    let answer = shop.call("huge", json!({"bytes": 50_000_000})).await;

    assert_eq!(answer.json()["error"]["code"], -31502, "{}", answer.text());
    wait_until_ended(pid).await;
    until("the server again", async || {
        let answer = shop.call("echo", json!({"b": 2})).await;
        (code_of(&answer).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_more_processes_than_the_limit_are_started() {
    let shop = Workshop::with(
        &["--era", "legacy"],
        json!({"sessions_stdio_max": 2}),
        |setup| setup,
    )
    .await;
    let first = shop.initialize().await;
    let _second = shop.initialize().await;

    let third = shop.send(ask(&initialize(0)).bearer(&shop.token)).await;
    assert_eq!(
        (third.status, code_of(&third).as_str()),
        (503, "E_OVERLOADED"),
        "{}",
        third.text()
    );
    assert_eq!(shop.started().len(), 2);

    let ended = Ask::new("DELETE", PATH)
        .set("mcp-session-id", &first)
        .bearer(&shop.token);
    assert_eq!(shop.send(ended).await.status, 200);
    // A process counts until it has really ended.
    until("room for another session", async || {
        let answer = shop.send(ask(&initialize(0)).bearer(&shop.token)).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_principal_does_not_use_up_the_processes_of_all() {
    let shop = Workshop::with(
        &["--era", "legacy"],
        json!({"sessions_stdio_max": 5, "sessions_stdio_per_principal_max": 2}),
        |setup| setup,
    )
    .await;
    let open = async |token: &str| shop.send(ask(&initialize(0)).bearer(token)).await;
    let first = shop.initialize().await;
    let second = shop.initialize().await;

    // Another run of the same agent for the same person is the same principal here.
    let another_run = token(&shop.gateway, "ada", "bot").await;
    for token in [&shop.token, &another_run] {
        let refused = open(token).await;
        assert_eq!(
            (refused.status, code_of(&refused).as_str()),
            (503, "E_OVERLOADED"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(shop.started().len(), 2, "none was started for a refusal");
    let other_agent = token(&shop.gateway, "ada", "bot2").await;
    let other_person = token(&shop.gateway, "bob", "bot").await;
    for token in [&other_agent, &other_person] {
        assert_eq!(open(token).await.status, 200);
    }

    let ended = Ask::new("DELETE", PATH)
        .set("mcp-session-id", &first)
        .bearer(&shop.token);
    assert_eq!(shop.send(ended).await.status, 200);
    until("room for another session", async || {
        (open(&shop.token).await.status == 200).then_some(())
    })
    .await;
    let kept = shop.call_in(&second, "echo", json!({"n": 1})).await;
    assert_eq!(code_of(&kept), "", "{}", kept.text());
}

#[tokio::test]
async fn many_handshakes_at_once_do_not_start_more_processes_than_a_principal_may_have() {
    let shop = Workshop::with(
        &["--era", "legacy"],
        json!({"sessions_stdio_per_principal_max": 3}),
        |setup| setup,
    )
    .await;
    let handshake = || shop.send(ask(&initialize(0)).bearer(&shop.token));

    let answers = futures_util::future::join_all((0..12).map(|_| handshake())).await;

    let opened = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((opened, shop.started().len()), (3, 3));
}

#[tokio::test]
async fn many_first_calls_at_once_do_not_start_more_processes_than_the_limit() {
    let shop = Workshop::with(&[], json!({"sessions_stdio_max": 3}), |setup| setup).await;
    let calls = (0..20).map(|n| shop.call("echo", json!({"n": n})));

    let answers = futures_util::future::join_all(calls).await;

    let starts = shop.started().len();
    assert!(starts <= 3, "{starts} processes were started");
    assert!(answers.iter().any(|answer| code_of(answer).is_empty()));
}

#[tokio::test]
async fn a_handshake_that_fails_leaves_no_process_behind() {
    let silent = json!({
        "tenants": [TENANT],
        "stdio": {"command": "sleep", "args": ["1000"]},
        "limits": {"call_timeout": "1s", "sessions_stdio_max": 2},
    });
    let shop = Workshop::with(&[], json!({}), |setup| setup.upstream(UPSTREAM, silent)).await;
    for _ in 0..4 {
        // Nobody has the id of such a session; what counts against the limit for a moment is a process on its end.
        until("another try", async || {
            let answer = shop.send(ask(&initialize(0)).bearer(&shop.token)).await;
            assert_eq!(answer.header("mcp-session-id"), None);
            (code_of(&answer) == "E_UPSTREAM_TIMEOUT").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_does_not_use_up_the_memory() {
    let shop = Workshop::with(&[], json!({"call_timeout": "4s"}), |setup| setup).await;
    until("a process", async || {
        code_of(&shop.call("echo", json!({})).await)
            .is_empty()
            .then_some(())
    })
    .await;
    let deaf = tokio::spawn(shop.ask("deaf", json!({})).try_send(shop.gateway.address()));
    shop.note("call deaf").await;
    // Few at once, so that what they hold while they wait is little; many in all.
    let padding = "x".repeat(3 << 20);
    for _ in 0..8 {
        let calls = (0..20).map(|_| shop.call("echo", json!({"padding": padding})));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| !code_of(answer).is_empty()));
    }
    let resident = resident_bytes(&shop.gateway);
    assert!(resident < 300 << 20, "the gateway uses {resident} bytes");
    shop.good_answers().await;
    deaf.abort();
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_other_calls_no_longer_than_its_own() {
    let shop = Workshop::with(&[], json!({"call_timeout": "10s"}), |setup| setup).await;
    shop.call("echo", json!({})).await;
    let mut message = call("flood", "flood", json!({}));
    message["params"]["_meta"]["progressToken"] = 1.into();
    let unread = ask(&message)
        .bearer(&shop.token)
        .open(shop.gateway.address())
        .await;

    until(
        "an answer to another call of the same process",
        async || {
            let answer = shop.call("echo", json!({"a": 1})).await;
            code_of(&answer).is_empty().then_some(())
        },
    )
    .await;
    drop(unread);
}

#[tokio::test]
async fn a_server_that_shouts_on_stderr_is_heard_and_not_kept() {
    let shop = Workshop::open("modern").await;
    let answer = shop.call("shout", json!({"lines": 200_000})).await;
    assert_eq!(text_of(&answer), "after the shouting", "{}", answer.text());
    let resident = resident_bytes(&shop.gateway);
    assert!(resident < 200 << 20, "the gateway uses {resident} bytes");
}
