//! One call that people approved happens once: of a thousand that try at once, and across kills of the gateway.

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use super::{
    deciding::{approve, decided_by_ada, request_of},
    *,
};

/// Tries at a time.
const AT_ONCE: u64 = 1000;

/// How many kills; `make eval-model` makes more.
fn kills() -> u64 {
    let given = std::env::var("CARDEA_KILLS").ok();
    let kills: u64 = given.and_then(|kills| kills.parse().ok()).unwrap_or(2);
    kills.min(8)
}

/// A connection that the kill met before it was made may never hear of its end.
const ANSWERED_WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Whether the call was answered by the server; `None` when the gateway was gone.
async fn tried(ask: Ask, address: std::net::SocketAddr) -> Option<bool> {
    tokio::time::timeout(ANSWERED_WITHIN, answered(ask, address))
        .await
        .ok()?
}

async fn answered(ask: Ask, address: std::net::SocketAddr) -> Option<bool> {
    let mut open = ask.try_open(address).await.ok()?;
    let mut text = String::new();
    while let Some(chunk) = open.chunk().await.ok()? {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let answer: Value = serde_json::from_str(&text).ok()?;
    Some(answer["result"]["content"].is_array() && answer["result"]["isError"] != true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_tries_at_once_one_is_made_also_across_a_kill() {
    let (mut stage, mut browser) = decided_by_ada(json!({})).await;
    for round in 0..kills() {
        listed(&stage).await;
        stage.echo.forget();
        let call = |id: u64| delete(id, json!({ "round": round }));
        let refused = stage.call(&call(0)).await.json();
        approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
        let address = stage.gateway.address();
        let tries = || -> FuturesUnordered<_> {
            (1..=AT_ONCE)
                .map(|id| tried(stage.ask(&call(id)), address))
                .collect()
        };
        // Killed before the server has heard of it, or once somebody has an answer.
        let mut made = 0;
        let mut under_way = tries();
        if round % 2 == 0 {
            while let Some(answer) = under_way.next().await {
                made += usize::from(answer == Some(true));
                if made > 0 {
                    break;
                }
            }
        } else {
            let _ = tokio::time::timeout(std::time::Duration::ZERO, under_way.next()).await;
        }
        stage.gateway.kill().unwrap();
        while let Some(answer) = under_way.next().await {
            made += usize::from(answer == Some(true));
        }
        drop(under_way);
        stage.gateway.start_again().await.unwrap();
        listed(&stage).await;
        let address = stage.gateway.address();
        let mut again: FuturesUnordered<_> = (1..=AT_ONCE)
            .map(|id| tried(stage.ask(&call(id)), address))
            .collect();
        while let Some(answer) = again.next().await {
            made += usize::from(answer == Some(true));
        }
        drop(again);
        let happened = stage.echo.seen_of("tools/call").len();
        assert!(happened <= 1, "round {round}: it happened {happened} times");
        assert!(
            made <= happened,
            "round {round}: {made} answers of {happened}"
        );
        if round % 2 == 0 {
            assert_eq!((made, happened), (1, 1), "round {round}");
        }
    }
    sound_records(&stage.gateway);
}
