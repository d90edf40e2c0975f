//! `kill -9` under load, again and again, on one state folder: nothing that had an effect is
//! unrecorded, and no answer left before its record.

#![allow(
    clippy::print_stdout,
    reason = "the seed is what makes a failure happen again"
)]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::support::*;

/// How many kills; the whole run (`make eval-kill`) makes 1,000.
fn kills() -> u64 {
    std::env::var("CARDEA_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(12)
}

/// Clients that call at the same time, so that commits are groups.
const CLIENTS: u64 = 8;

/// A small generator of pseudo-random numbers (SplitMix64), so that a seed gives the run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_effect_has_its_intent_and_every_answer_its_outcome_after_any_kill() {
    let seed = std::env::var("CARDEA_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20);
    println!("CARDEA_SEED={seed} CARDEA_KILLS={}", kills());
    let mut random = Random(seed);
    let mut stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .set("audit", json!({"rotate_bytes": "1MiB"}))
    })
    .await;
    let token = stage.gateway.token(TokenFor {
        tenant: TENANT,
        subject: "ada",
        actor: "bot",
        ttl: Some("12h"),
        ..TokenFor::default()
    });
    let token = token.await.unwrap();
    let answered = Arc::new(Mutex::new(HashSet::new()));
    let mut effects = HashSet::new();
    let number = Arc::new(AtomicU64::new(0));
    for kill in 0..kills() {
        let stop = Arc::new(AtomicBool::new(false));
        let load = load(&stage, &token, &number, &answered, &stop);
        // At least one call of this life arrives; then the axe falls at a moment of its own.
        until("a call reaches the upstream", async || {
            (!stage.echo.seen_of("tools/call").is_empty()).then_some(())
        })
        .await;
        if kill == 0 {
            // On a slow disk a life may end before any of its calls is answered; not all of them.
            until("an answer", async || {
                (!answered.lock().unwrap().is_empty()).then_some(())
            })
            .await;
        }
        tokio::time::sleep(Duration::from_micros(random.next() % 30_000)).await;
        stage.gateway.kill().unwrap();
        stop.store(true, Ordering::SeqCst);
        for client in load {
            client.await.unwrap();
        }
        effects.extend(stage.echo.seen_of("tools/call").iter().map(token_of_call));
        stage.echo.forget();
        stage
            .gateway
            .start_again()
            .await
            .unwrap_or_else(|e| panic!("after kill {kill}: {e:#}"));
    }
    check(&stage, &effects, &answered.lock().unwrap());
}

/// Clients that call until they are told to stop, each call with a number of its own.
fn load(
    stage: &Stage,
    token: &str,
    number: &Arc<AtomicU64>,
    answered: &Arc<Mutex<HashSet<u64>>>,
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let address = stage.gateway.address();
    (0..CLIENTS)
        .map(|_| {
            let (token, number) = (token.to_owned(), Arc::clone(number));
            let (answered, stop) = (Arc::clone(answered), Arc::clone(stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let n = number.fetch_add(1, Ordering::SeqCst);
                    let call = tool_call(n, json!({ "n": n }));
                    let Ok(answer) = ask(&call).bearer(&token).try_send(address).await else {
                        continue;
                    };
                    if answer.status == 200 && answer.json()["result"].is_object() {
                        answered.lock().unwrap().insert(n);
                    }
                }
            })
        })
        .collect()
}

fn token_of_call(seen: &Seen) -> u64 {
    seen.message()["params"]["arguments"]["n"].as_u64().unwrap()
}

fn check(stage: &Stage, effects: &HashSet<u64>, answered: &HashSet<u64>) {
    let recorded = sound_records(&stage.gateway);
    let (mut intents, mut outcomes) = (HashSet::new(), HashSet::new());
    for record in stage.records() {
        let (kind, id) = (record["kind"].as_str(), record["id"].as_u64());
        match (kind, id, record["method"].as_str()) {
            (Some("intent"), Some(id), Some("tools/call")) => drop(intents.insert(id)),
            (Some("outcome"), Some(id), Some("tools/call"))
                if record["response"]["outcome"] == "result" =>
            {
                outcomes.insert(id);
            }
            _ => {}
        }
    }
    let unrecorded: Vec<_> = effects.difference(&intents).collect();
    assert!(
        unrecorded.is_empty(),
        "the upstream saw calls without an intent: {unrecorded:?}"
    );
    let unrecorded: Vec<_> = answered.difference(&outcomes).collect();
    assert!(
        unrecorded.is_empty(),
        "answers left without a record: {unrecorded:?}"
    );
    println!(
        "{} records sound; {} calls reached the upstream, each with its intent; {} answers, each with its outcome",
        recorded,
        effects.len(),
        answered.len(),
    );
    assert!(!effects.is_empty() && !answered.is_empty());
}
