//! Clients that leave at any moment: every intent gets its outcome.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::support::*;

/// Clients that leave at the same time.
const CLIENTS: u64 = 8;
/// Rounds after which there must have been one that left while its intent was being written.
const ROUNDS_MAX: u64 = 200;

#[tokio::test]
async fn a_call_whose_client_leaves_at_any_moment_has_an_outcome() {
    let stage = Stage::start().await;
    let mut hits = 0;
    for round in 0..ROUNDS_MAX {
        let leaving = (0..CLIENTS).map(|client| {
            let n = round * CLIENTS + client;
            // From at once to later than the whole call takes, in steps that do not repeat.
            leave_after(&stage, n, Duration::from_micros((n * 37) % 3000))
        });
        futures_util::future::join_all(leaving).await;
        if round % 10 == 9 {
            hits = settled(&stage).await;
            if hits >= 3 {
                break;
            }
        }
    }
    assert!(
        hits > 0,
        "no client left while its intent was being written"
    );
    until("no call is counted as under way", async || {
        (metric(&stage.gateway, "cardea_open_calls", &[]).await == 0.0).then_some(())
    })
    .await;
}

/// Sends a call and closes the connection after `moment`.
async fn leave_after(stage: &Stage, n: u64, moment: Duration) {
    let body = tool_call(n, json!({ "n": n })).to_string();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMcp-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: echo\r\nContent-Length: {}\r\n\r\n{body}",
        stage.gateway.address(),
        stage.token,
        body.len()
    );
    let mut connection = TcpStream::connect(stage.gateway.address()).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(moment).await;
}

/// Waits until every intent has its outcome; tells how many calls were abandoned before they were sent.
async fn settled(stage: &Stage) -> usize {
    until("an outcome of every intent", async || {
        let mut intents = HashSet::new();
        let mut outcomes = HashMap::new();
        for record in stage.records() {
            let call = record["call"].as_str().unwrap_or_default().to_owned();
            match record["kind"].as_str() {
                Some("intent") => drop(intents.insert(call)),
                Some("outcome") => drop(outcomes.insert(call, record)),
                _ => {}
            }
        }
        let sent: HashSet<u64> = stage
            .echo
            .seen_of("tools/call")
            .iter()
            .filter_map(|seen| seen.message()["id"].as_u64())
            .collect();
        let unsent = outcomes.values().filter(|outcome| {
            outcome["response"]["outcome"] == "abandoned"
                && !sent.contains(&outcome["id"].as_u64().unwrap())
        });
        let hits = unsent.count();
        intents
            .iter()
            .all(|call| outcomes.contains_key(call))
            .then_some(hits)
    })
    .await
}
