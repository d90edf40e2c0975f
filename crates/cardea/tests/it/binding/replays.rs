//! A proof counts once.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn a_proof_that_was_used_is_refused_by_every_worker_and_after_a_reload() {
    let bound = Bound::with(|setup| setup.set("workers", json!(4))).await;
    let token = bound.bound_token();
    let nonce = bound.nonce().await;
    let proof = bound
        .prover
        .proof("POST", &bound.url(), &token, Some(&nonce));
    assert!(is_served(&bound.send(call_with(&token, &[&proof])).await));
    for _ in 0..20 {
        // Each on a connection of its own, which the kernel gives to any of the workers.
        bound
            .refuses("used before", call_with(&token, &[&proof]), PROOF)
            .await;
    }
    let before = metric(&bound.gateway, "cardea_reloads_total", &["accepted"]).await;
    bound.gateway.signal("HUP").unwrap();
    until("a reload", async || {
        let now = metric(&bound.gateway, "cardea_reloads_total", &["accepted"]).await;
        (now > before).then_some(())
    })
    .await;
    bound
        .refuses(
            "used before the reload",
            call_with(&token, &[&proof]),
            PROOF,
        )
        .await;
}

#[tokio::test]
async fn of_one_proof_sent_many_times_at_once_one_is_served() {
    let bound = Bound::with(|setup| setup.set("workers", json!(4))).await;
    let token = bound.bound_token();
    let nonce = bound.nonce().await;
    let proof = bound
        .prover
        .proof("POST", &bound.url(), &token, Some(&nonce));
    let burst = (0..40).map(|_| bound.send(call_with(&token, &[&proof])));
    let answers = join_all(burst).await;
    let served = answers.iter().filter(|answer| is_served(answer)).count();
    assert_eq!(served, 1);
    assert_eq!(bound.echo.seen().len(), 1);
}

#[tokio::test]
async fn a_restart_forgets_no_proof() {
    let mut bound = Bound::start().await;
    let token = bound.bound_token();
    let nonce = bound.nonce().await;
    let with_nonce = bound
        .prover
        .proof("POST", &bound.url(), &token, Some(&nonce));
    assert!(is_served(
        &bound.send(call_with(&token, &[&with_nonce])).await
    ));
    bound.gateway.kill().unwrap();
    bound.gateway.start_again().await.unwrap();
    bound
        .refuses(
            "used before the restart",
            call_with(&token, &[&with_nonce]),
            NONCE,
        )
        .await;
    let without = bound.prover.proof("POST", &bound.url(), &token, None);
    let answer = bound.send(call_with(&token, &[&without])).await;
    let offered = answer.header("dpop-nonce").expect("a nonce");
    let again = bound
        .prover
        .proof("POST", &bound.url(), &token, Some(&offered));
    assert!(is_served(&bound.send(call_with(&token, &[&again])).await));
}
