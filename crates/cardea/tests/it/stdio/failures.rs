//! Servers that crash, loop, babble or say nothing.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use super::*;

#[tokio::test]
async fn a_server_that_crashes_in_a_call_fails_that_call_and_the_next_one_finds_it_again() {
    let shop = Workshop::open("modern").await;
    assert_eq!(
        told(&shop.call("echo", json!({"a": 1})).await),
        json!({"a": 1})
    );

    let answer = shop.call("crash", json!({})).await;

    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (200, "E_UPSTREAM_CLOSED"),
        "{}",
        answer.text()
    );
    assert!(
        !answer.text().contains("dying words"),
        "what the server says on stderr is for the record"
    );
    let record = shop.record("outcome", &call_id(&answer)).await;
    assert!(
        record["denial"]["detail"]
            .as_str()
            .unwrap()
            .contains("dying words"),
        "{record:#}"
    );
    let again = until("the server again", async || {
        let answer = shop.call("echo", json!({"b": 2})).await;
        (code_of(&answer).is_empty()).then_some(answer)
    })
    .await;
    assert_eq!(told(&again), json!({"b": 2}));
    assert_eq!(shop.started().len(), 2);
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_fails_its_call_at_once() {
    for era in ["modern", "legacy"] {
        let shop = Workshop::open(era).await;
        let began = lived();
        let answer = match era {
            "legacy" => {
                let session = shop.initialize().await;
                shop.call_in(&session, "broken", json!({})).await
            }
            _ => shop.call("broken", json!({})).await,
        };
        assert_eq!(
            code_of(&answer),
            "E_UPSTREAM_MALFORMED",
            "{}",
            answer.text()
        );
        let took = lived() - began;
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}

#[tokio::test]
async fn a_crash_ends_the_other_calls_of_its_process_and_its_legacy_session() {
    let shop = Workshop::open("legacy").await;
    let session = shop.initialize().await;
    let waiting = tokio::spawn(
        shop.ask_in(&session, "wait", json!({}))
            .try_send(shop.gateway.address()),
    );
    shop.note("call wait").await;

    let crashed = shop.call_in(&session, "crash", json!({})).await;

    assert_eq!(code_of(&crashed), "E_UPSTREAM_CLOSED", "{}", crashed.text());
    let other = bounded("the other call's end", waiting)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(code_of(&other), "E_UPSTREAM_CLOSED", "{}", other.text());
    // A client of the legacy era begins anew when its session is gone.
    let after = shop.call_in(&session, "echo", json!({})).await;
    assert_eq!(
        (after.status, code_of(&after).as_str()),
        (404, "E_SESSION_UNKNOWN"),
        "{}",
        after.text()
    );
    let session = until("a new session", async || {
        let answer = shop.send(ask(&initialize(0)).bearer(&shop.token)).await;
        answer.header("mcp-session-id")
    })
    .await;
    assert_eq!(
        told(&shop.call_in(&session, "echo", json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test]
async fn a_server_that_always_crashes_is_not_started_over_and_over() {
    let shop = Workshop::with(&["--crash-at-start"], json!({}), |setup| setup).await;
    let mut calls = 0;
    until("a call that is answered between two starts", async || {
        let answer = shop.call("echo", json!({})).await;
        let code = code_of(&answer);
        assert!(
            ["E_UPSTREAM_CLOSED", "E_UPSTREAM_UNREACHABLE"].contains(&code.as_str()),
            "{}",
            answer.text()
        );
        calls += 1;
        (calls > shop.started().len()).then_some(())
    })
    .await;
    // 100 ms, 200 ms, 400 ms, 800 ms are waited for; what comes then is longer than a call waits.
    let starts = shop.started().len();
    assert!(starts <= 7, "{starts} starts");
    shop.good_answers().await;
}

#[tokio::test]
async fn a_legacy_server_that_always_crashes_is_not_started_over_and_over() {
    let shop = Workshop::with(
        &["--era", "legacy", "--crash-at-start"],
        json!({}),
        |setup| setup,
    )
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        let answer = shop.send(ask(&initialize(0)).bearer(&shop.token)).await;
        assert!(!code_of(&answer).is_empty(), "{}", answer.text());
        assert_eq!(answer.header("mcp-session-id"), None);
    }
    let starts = shop.started().len();
    assert!(starts <= 7, "{starts} starts in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_crashed_at_its_first_start_is_still_of_the_modern_era() {
    // The first start fails for a reason of its own, such as a file that is not there yet.
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("ready");
    let command = format!(
        "test -e {flag:?} && exec {} {:?} --era modern",
        python(),
        program()
    );
    let late = json!({"tenants": [TENANT], "stdio": {"command": "sh", "args": ["-c", command]}});
    let shop = Workshop::with(&[], json!({}), |setup| setup.upstream(UPSTREAM, late)).await;
    let first = shop.call("echo", json!({})).await;
    assert_eq!(first.json()["error"]["code"], -31502, "{}", first.text());

    fs::write(&flag, "").unwrap();

    let answer = until("the server", async || {
        let answer = shop.call("echo", json!({"a": 1})).await;
        (!["E_UPSTREAM_CLOSED", "E_UPSTREAM_UNREACHABLE"].contains(&code_of(&answer).as_str()))
            .then_some(answer)
    })
    .await;
    assert_eq!(told(&answer), json!({"a": 1}));
}

#[tokio::test]
async fn many_callers_of_a_server_that_always_crashes_do_not_start_it_many_times() {
    let shop = Workshop::with(&["--crash-at-start"], json!({}), |setup| setup).await;
    for _ in 0..3 {
        let calls = (0..20).map(|_| shop.call("echo", json!({})));
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|answer| !code_of(answer).is_empty()));
    }
    let starts = shop.started().len();
    assert!(starts <= 8, "{starts} starts");
}

#[tokio::test]
async fn who_crashes_a_server_again_and_again_holds_up_nobody_else() {
    let shop = Workshop::open("modern").await;
    until("a pause that is told", async || {
        let answer = shop.call("crash", json!({})).await;
        (code_of(&answer) == "E_UPSTREAM_UNREACHABLE").then_some(())
    })
    .await;
    let bob = token(&shop.gateway, "bob", "bot").await;
    let echo = ask(&call(1, "echo", json!({"b": 1}))).bearer(&bob);
    assert_eq!(told(&shop.send(echo).await), json!({"b": 1}));
}

#[tokio::test]
async fn a_command_that_is_not_there_fails_its_calls_only() {
    // A configuration must name a command that is there; it can go away later.
    let folder = tempfile::tempdir().unwrap();
    let command = folder.path().join("server");
    fs::write(&command, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&command, Permissions::from_mode(0o755)).unwrap();
    let absent = json!({"tenants": [TENANT], "stdio": {"command": command}});
    let shop = Workshop::with(&[], json!({}), |setup| setup.upstream(UPSTREAM, absent)).await;

    let answer = shop.call("echo", json!({})).await;

    assert_eq!(
        code_of(&answer),
        "E_UPSTREAM_UNREACHABLE",
        "{}",
        answer.text()
    );
    assert!(
        !answer.text().contains(command.to_str().unwrap()),
        "{}",
        answer.text()
    );
    shop.good_answers().await;
}

#[tokio::test]
async fn lines_that_are_no_messages_are_passed_over() {
    let shop = Workshop::open("modern").await;
    let answer = shop.call("junk", json!({})).await;
    assert_eq!(text_of(&answer), "after the junk", "{}", answer.text());
    assert_eq!(shop.started().len(), 1);
}

#[tokio::test]
async fn answers_to_nothing_that_was_asked_are_dropped() {
    let shop = Workshop::open("modern").await;
    assert_eq!(
        text_of(&shop.call("answer_other", json!({})).await),
        "for you"
    );
    assert_eq!(text_of(&shop.call("twice", json!({})).await), "first");
    assert_eq!(
        told(&shop.call("echo", json!({"a": 1})).await),
        json!({"a": 1})
    );
}

#[tokio::test]
async fn a_server_that_never_answers_times_out_and_serves_others_meanwhile() {
    let shop = Workshop::with(&[], json!({"call_timeout": "10s"}), |setup| setup).await;
    shop.call("echo", json!({})).await;
    let hanging = tokio::spawn(shop.ask("hang", json!({})).try_send(shop.gateway.address()));

    let others = shop.call("echo", json!({"a": 1})).await;

    assert_eq!(told(&others), json!({"a": 1}));
    assert!(!hanging.is_finished());
    let answer = bounded("the timeout", hanging).await.unwrap().unwrap();
    assert_eq!(code_of(&answer), "E_UPSTREAM_TIMEOUT", "{}", answer.text());
    until("a cancellation", async || {
        (shop.cancellations() == 1).then_some(())
    })
    .await;
    assert_eq!(
        shop.started().len(),
        1,
        "a call that times out costs its process nothing"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_the_probe_fails_its_calls_only() {
    let silent = json!({"tenants": [TENANT], "stdio": {"command": "sleep", "args": ["1000"]}, "limits": {"call_timeout": "2s"}});
    let shop = Workshop::with(&[], json!({}), |setup| setup.upstream(UPSTREAM, silent)).await;

    let answer = shop.call("echo", json!({})).await;

    assert_eq!(code_of(&answer), "E_UPSTREAM_TIMEOUT", "{}", answer.text());
    shop.good_answers().await;
}

#[tokio::test]
async fn a_call_that_ends_before_the_probe_is_answered_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let script = format!("echo $$ >> '{}'; exec sleep 1000", started.display());
    let silent = json!({
        "tenants": [TENANT],
        "stdio": {"command": "/bin/sh", "args": ["-c", script]},
        "limits": {"call_timeout": "3s", "sessions_stdio_per_principal_max": 1},
    });
    let shop = Workshop::with(&[], json!({}), |setup| setup.upstream(UPSTREAM, silent)).await;
    // With one left behind there would be no place for the next.
    until("a second process", async || {
        shop.call("echo", json!({})).await;
        let starts = fs::read_to_string(&started).unwrap_or_default();
        (starts.lines().count() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_closes_its_output_is_over() {
    let shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;
    let pid = u64::from(shop.started()[0]);

    let answer = shop.call("close", json!({})).await;

    assert_eq!(code_of(&answer), "E_UPSTREAM_CLOSED", "{}", answer.text());
    wait_until_ended(pid).await;
}
