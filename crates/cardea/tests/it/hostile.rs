//! Broken, slow and malicious upstreams: each costs its own call, and nobody else's.
//!
//! | module | what the upstream does |
//! |---|---|
//! | `silence` | answers late, never, or breaks off |
//! | `floods` | answers more than anybody can hold |
//! | `answers` | answers what nobody asked, or what is no answer |
//! | `statuses` | answers by status, redirects, cookies |
//! | `lists` | poisons its lists |
//!
//! In every test a second upstream behind the same worker is called all the while, and must answer within a bound.

mod answers;
mod floods;
mod lists;
mod silence;
mod statuses;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cardea_testkit::hostile::{Hostile, Received, Script};

use crate::{
    protocol::{Scene, code_of, text_of, tool_result},
    support::*,
};

/// The id of the upstream that does what it should.
const GOOD: &str = "good";

/// The hostile upstream's calls end after this at the latest.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Calls of the good upstream are answered within this. Below [`CALL_TIMEOUT`]: who waits for the hostile one fails.
const GOOD_WITHIN: Duration = Duration::from_secs(3);

/// What the gateway may use, whatever happens: far above what it needs, far below what the floods would take.
const RESIDENT_BYTES_MAX: u64 = 400 << 20;

/// One answer of the hostile upstream.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A gateway with one worker, a hostile upstream and a good one.
struct Siege {
    scene: Scene,
    good: Echo,
    calm: Arc<AtomicBool>,
}

impl Siege {
    /// The hostile upstream does what `act` says, until it calms down.
    async fn lay(act: impl Fn(&Received) -> Script + Send + Sync + 'static) -> Self {
        Self::with(|setup| setup, act).await
    }

    async fn with(
        change: impl FnOnce(Setup) -> Setup,
        act: impl Fn(&Received) -> Script + Send + Sync + 'static,
    ) -> Self {
        let calm = Arc::new(AtomicBool::new(false));
        let is_calm = Arc::clone(&calm);
        let upstream = Hostile::start(move |received| {
            if is_calm.load(Ordering::Relaxed) {
                tool_result(received, "calm")
            } else {
                act(received)
            }
        })
        .await
        .unwrap();
        let url = upstream.url();
        Self::against(upstream, &url, calm, change).await
    }

    async fn against(
        upstream: Hostile,
        url: &str,
        calm: Arc<AtomicBool>,
        change: impl FnOnce(Setup) -> Setup,
    ) -> Self {
        let good = Echo::start().await.unwrap();
        let limits = json!({
            "call_timeout": format!("{}s", CALL_TIMEOUT.as_secs()),
            "answer_bytes_max": format!("{ANSWER_BYTES_MAX}B"),
        });
        let setup = setup()
            .set("workers", json!(1))
            .upstream(
                UPSTREAM,
                json!({"tenants": [TENANT], "http": {"url": url}, "limits": limits}),
            )
            .http_upstream(GOOD, &good.url())
            .policy(PERMIT_ALL);
        let gateway = change(setup).start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        let scene = Scene {
            upstream,
            gateway,
            token,
        };
        Self { scene, good, calm }
    }

    /// Calls the hostile upstream in both eras at once, and the good one all the while.
    async fn call(&self) -> [Answer; 2] {
        let modern = tool_call("modern", json!({}));
        let legacy = legacy("legacy", "tools/call", json!({"name": "echo"}));
        let both = async { tokio::join!(self.scene.call(&modern), self.scene.call(&legacy)) };
        let (modern, legacy) = self.meanwhile(both).await;
        [modern, legacy]
    }

    /// Waits for `hostile` while the good upstream is called again and again; each of its answers must come in time.
    async fn meanwhile<T>(&self, hostile: impl Future<Output = T>) -> T {
        let over = AtomicBool::new(false);
        let hostile = async {
            let outcome = bounded("the end of the hostile call", hostile).await;
            over.store(true, Ordering::Relaxed);
            outcome
        };
        let good = async {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) || calls < 3 {
                self.good_answers().await;
                calls += 1;
            }
        };
        let (outcome, ()) = tokio::join!(hostile, good);
        let resident = resident_bytes(&self.scene.gateway);
        assert!(
            resident < RESIDENT_BYTES_MAX,
            "the gateway uses {resident} bytes"
        );
        outcome
    }

    async fn good_answers(&self) {
        let message = tool_call(1, json!({"a": 1}));
        let started = lived();
        let answer = Ask::modern("/mcp/good", &message).bearer(&self.scene.token);
        let answer = self.scene.send(answer).await;
        assert_eq!(text_of(&answer), r#"{"a":1}"#, "{}", answer.text());
        let took = lived() - started;
        assert!(
            took < GOOD_WITHIN,
            "the good upstream's answer took {took:?}"
        );
        self.good.forget();
    }

    /// Checks that both eras' calls fail with one of these codes, are recorded so, and that the next call works.
    async fn costs_its_own_call(&self, codes: &[&str]) -> [Answer; 2] {
        let answers = self.call().await;
        for answer in &answers {
            self.failed_with(answer, codes).await;
        }
        self.works_when_calm().await;
        answers
    }

    async fn failed_with(&self, answer: &Answer, codes: &[&str]) {
        let code = code_of(answer);
        assert!(
            codes.contains(&code.as_str()),
            "{codes:?} expected: {} {}",
            answer.status,
            answer.text()
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        let last = answer.json();
        assert_eq!(last["error"]["code"], -31502, "{last}");
        assert!(last["id"] == "modern" || last["id"] == "legacy", "{last}");
        let record = self.scene.record("outcome", &call_id(answer)).await;
        assert_eq!(record["denial"]["code"], code, "{record:#}");
        assert_eq!(record["response"]["outcome"], "failed", "{record:#}");
    }

    /// The upstream does what it should from now on, and the gateway notices at once. The log is whole, whatever was in
    /// the answers.
    async fn works_when_calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            let answer = self.scene.call(&tool_call(2, json!({}))).await;
            assert_eq!(
                text_of(&answer),
                "calm",
                "{} {}",
                answer.status,
                answer.text()
            );
        }
        sound_records(&self.scene.gateway);
    }
}

/// The physical memory of the gateway's process.
pub(crate) fn resident_bytes(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
