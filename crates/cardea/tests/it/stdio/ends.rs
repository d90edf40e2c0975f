//! When a process is no longer wanted, nothing of it is left, and nothing of what it started.

use super::*;

/// Lets the server start a process that ignores polite signals; gives both ids.
async fn with_grandchild(answer: Answer) -> [u64; 2] {
    let told = told(&answer);
    let pids = [told["own"].as_u64().unwrap(), told["pid"].as_u64().unwrap()];
    assert!(pids.iter().all(|pid| is_running(*pid)), "{told}");
    pids
}

async fn all_end(pids: [u64; 2]) {
    for pid in pids {
        wait_until_ended(pid).await;
    }
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_process_and_what_it_started() {
    for stubborn in [&[][..], &["--stubborn"]] {
        let args: Vec<&str> = ["--era", "legacy"]
            .iter()
            .chain(stubborn)
            .copied()
            .collect();
        let shop = Workshop::with(&args, json!({}), |setup| setup).await;
        let session = shop.initialize().await;
        let pids = with_grandchild(shop.call_in(&session, "spawn", json!({})).await).await;

        let ended = Ask::new("DELETE", PATH)
            .set("mcp-session-id", &session)
            .bearer(&shop.token);
        assert_eq!(shop.send(ended).await.status, 200);

        all_end(pids).await;
        let after = shop.call_in(&session, "echo", json!({})).await;
        assert_eq!(after.status, 404, "{}", after.text());
    }
}

#[tokio::test]
async fn the_end_of_the_gateway_ends_every_process_and_what_they_started() {
    for stubborn in [&[][..], &["--stubborn"]] {
        let mut shop = Workshop::with(stubborn, json!({}), |setup| setup).await;
        let pids = with_grandchild(shop.call("spawn", json!({})).await).await;

        shop.gateway.signal("TERM").unwrap();

        let status = shop.gateway.ended(DEADLINE).await.unwrap();
        assert!(status.success(), "{status}: {}", shop.gateway.log());
        all_end(pids).await;
    }
}

#[tokio::test]
async fn a_polite_server_is_asked_by_the_end_of_its_input() {
    let mut shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;

    shop.gateway.signal("TERM").unwrap();

    shop.gateway.ended(DEADLINE).await.unwrap();
    assert_eq!(shop.notes().last().map(String::as_str), Some("end"));
}

#[tokio::test]
async fn a_crash_of_the_server_ends_what_it_started() {
    let shop = Workshop::open("modern").await;
    let pids = with_grandchild(shop.call("spawn", json!({})).await).await;

    shop.call("crash", json!({})).await;

    all_end(pids).await;
}

#[tokio::test]
async fn an_idle_process_is_ended_with_what_it_started_and_started_again_when_needed() {
    let shop = Workshop::with(&[], json!({"session_idle_timeout": "1s"}), |setup| setup).await;
    let pids = with_grandchild(shop.call("spawn", json!({})).await).await;

    all_end(pids).await;

    assert_eq!(
        told(&shop.call("echo", json!({"a": 1})).await),
        json!({"a": 1})
    );
    assert_eq!(shop.started().len(), 2);
}

#[tokio::test]
async fn a_process_with_a_call_under_way_is_not_idle() {
    let limits = json!({"session_idle_timeout": "1s", "call_timeout": "8s"});
    let shop = Workshop::with(&[], limits, |setup| setup).await;

    let answer = shop.call("hang", json!({})).await;

    assert_eq!(code_of(&answer), "E_UPSTREAM_TIMEOUT", "{}", answer.text());
}

#[tokio::test]
async fn a_kill_of_the_gateway_ends_its_processes() {
    // They see the end of their input; nobody is left to send signals.
    let mut shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;
    let pid = u64::from(shop.started()[0]);

    shop.gateway.kill().unwrap();

    wait_until_ended(pid).await;
}

#[tokio::test]
async fn calls_under_way_finish_before_the_gateway_ends() {
    let mut shop = Workshop::open("modern").await;
    shop.call("echo", json!({})).await;
    let pair = |n| ask(&call(n, "pair", json!({"n": n}))).bearer(&shop.token);
    let first = tokio::spawn(pair(1).try_send(shop.gateway.address()));
    shop.note(r#"call pair {"n": 1}"#).await;
    let second = tokio::spawn(pair(2).try_send(shop.gateway.address()));
    shop.note(r#"call pair {"n": 2}"#).await;

    shop.gateway.signal("TERM").unwrap();

    for call in [first, second] {
        let answer = bounded("the answer", call).await.unwrap().unwrap();
        assert!(told(&answer)["label"].is_object(), "{}", answer.text());
    }
    shop.gateway.ended(DEADLINE).await.unwrap();
}
