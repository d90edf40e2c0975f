//! When the store of requests, grants and locks cannot be written.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    deciding::{approve, decided_by_ada_with, request_of},
    *,
};
use crate::authorization::Browser;

/// The least that can be configured.
const STALENESS_MAX: Duration = Duration::from_secs(2);

/// A grant for `delete`, and a policy for `echo`.
async fn granted() -> (Stage, Browser) {
    let (stage, mut browser) = decided_by_ada_with(json!({ "kinds": ["time"] }), |setup| {
        setup
            .policy(r#"permit(principal, action, resource == Cardea::Tool::"echo/echo");"#)
            .set("limits", json!({ "max_staleness": "2s" }))
    })
    .await;
    listed(&stage).await;
    let refused = stage.call(&delete(1, json!({}))).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    until("a call by the grant", async || {
        is_made(&stage.call(&delete(2, json!({}))).await).then_some(())
    })
    .await;
    (stage, browser)
}

fn is_made(answer: &Answer) -> bool {
    answer.status == 200 && answer.json()["result"].is_object()
}

/// Waits until the grant holds no more; it must not take longer than it may.
async fn until_stale(stage: &Stage, since: Instant) {
    let mut ids = 100..;
    let refused = until("a refusal", async || {
        let call = delete(ids.next().unwrap(), json!({}));
        let sent_after = since.elapsed();
        let answer = stage.call(&call).await;
        if !is_made(&answer) {
            return Some(answer);
        }
        // A second between two writes of the gateway.
        assert!(
            sent_after < STALENESS_MAX + Duration::from_secs(1),
            "the grant held for {sent_after:?}"
        );
        None
    })
    .await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(
        refused.json()["error"]["data"]["code"],
        "E_ACCESS_STALE",
        "{}",
        refused.text()
    );
}

async fn until_fresh(stage: &Stage) {
    let mut ids = 1000..;
    until("the grant again", async || {
        let call = delete(ids.next().unwrap(), json!({}));
        is_made(&stage.call(&call).await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_the_store_locked_by_another_no_grant_outlives_its_staleness_and_policies_go_on() {
    let (stage, _browser) = granted().await;
    let (events, reply) = Reply::channel();
    let reply = std::sync::Mutex::new(Some(reply));
    stage.echo.on("tools/call", move |seen| {
        let streamed = seen.message()["params"]["arguments"]["streams"] == true;
        let mut reply = reply.lock().unwrap();
        let reply = if streamed { reply.take() } else { None };
        reply.unwrap_or_else(|| Reply::result(seen, &json!({ "content": [] })))
    });
    // A disk that stalls makes grants stale by itself, for a while.
    let mut open = until("the stream", async || {
        let call = delete("streams", json!({ "streams": true }));
        let open = stage.ask(&call).open(stage.gateway.address()).await;
        (open.status == 200).then_some(open)
    })
    .await;

    let path = stage.gateway.folder().join("state/cardea.db");
    let options = SqliteConnectOptions::new().filename(&path);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let since = Instant::now();
    until_stale(&stage, since).await;
    let last = bounded("the end of the stream", open.message())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last["error"]["data"]["code"], "E_ACCESS_STALE", "{last}");
    let before = stage.echo.seen_of("tools/call").len();
    let refused = stage.call(&delete("still", json!({}))).await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        stage.echo.seen_of("tools/call").len(),
        before,
        "nothing reached the server"
    );
    assert!(is_made(&stage.call(&tool_call(3, json!({}))).await));

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    until_fresh(&stage).await;
    drop(events);
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn with_the_stores_file_taken_away_no_grant_outlives_its_staleness() {
    let (stage, _browser) = granted().await;
    let path = stage.gateway.folder().join("state/cardea.db");
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    until_stale(&stage, Instant::now()).await;
    std::fs::rename(&aside, &path).unwrap();
    until_fresh(&stage).await;
}
