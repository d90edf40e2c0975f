//! What a record costs: those who append it, the one who writes it, and whoever verifies it.
//!
//! `cargo bench -p cardea-audit`. The log is in the system's folder for temporary files: commit
//! times are that disk's.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::{sync::Arc, thread};

use cardea_audit::{Decision, Effect, Entry, Kind, Ledger, LedgerOptions, parts, verify};
use cardea_domain::{
    Action, ActorId, KeyBinding, Principal, RunId, RunSource, SubjectId, Target, TenantId,
    ToolName, UpstreamId,
};
use divan::{Bencher, black_box, counter};
use tempfile::TempDir;
use tokio::{runtime::Builder, task::JoinSet};

/// The size of a batch in these benches.
const BATCH: usize = 128;

fn main() {
    divan::main();
}

/// What a typical call's intent is made of.
struct Call {
    principal: Principal,
    upstream: UpstreamId,
    target: Target,
    policies: [Arc<str>; 1],
}

impl Call {
    fn new() -> Self {
        Self {
            principal: Principal {
                tenant: TenantId::parse("acme").unwrap(),
                subject: SubjectId::parse("ada@example.com").unwrap(),
                actor: ActorId::parse("support-agent").unwrap(),
                run: RunId::parse("0199e0a5-3b0c-7cc1-9e4c-0d7c4ff5a4b1").unwrap(),
                run_source: RunSource::Token,
                standing: Arc::default(),
                binding: KeyBinding::NONE,
                groups: Arc::from([]),
                task: None,
                chain: Arc::from([]),
            },
            upstream: UpstreamId::parse("files").unwrap(),
            target: Target::Tool(ToolName::parse("read_file").unwrap()),
            policies: ["support.cedar:1".into()],
        }
    }

    fn intent(&self) -> Entry<'_> {
        Entry {
            kind: Kind::Intent,
            call: "0199e0a5-3b0c-7cc1-9e4c-0d7c4ff5a4b2",
            principal: Some(&self.principal),
            client: Some(r#"{"name":"example-host","version":"1.2.3"}"#),
            upstream: Some(&self.upstream),
            version: Some("2026-07-28"),
            method: "tools/call",
            action: Some(Action::CallTool),
            target: Some(&self.target),
            id: Some("42"),
            arguments: Some(r#"{"path":"/srv/docs/handbook/returns.md","max_bytes":65536}"#),
            decision: Some(Decision {
                effect: Effect::Permit,
                policies: &self.policies,
                epoch: 7,
            }),
            peer: Some([127, 0, 0, 1].into()),
            ..Entry::default()
        }
    }
}

fn ledger() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(dir.path())).unwrap();
    (dir, ledger)
}

/// The text of a record, without the queue.
#[divan::bench]
fn record_body(bencher: Bencher) {
    let call = Call::new();
    let mut out = Vec::with_capacity(4096);
    bencher
        .counter(counter::ItemsCount::new(1_usize))
        .bench_local(|| {
            out.clear();
            parts::body(black_box(&call.intent()), &mut out);
        });
}

/// What the caller pays for 128 records, while the writer writes on another core.
#[divan::bench(sample_size = 1)]
fn append_128(bencher: Bencher) {
    let (_dir, ledger) = ledger();
    let call = Call::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    bencher
        .counter(counter::ItemsCount::new(BATCH))
        // So that each sample begins with an idle writer.
        .with_inputs(|| {
            let pending = ledger.append(&call.intent()).unwrap();
            runtime.block_on(pending.durable()).unwrap().seq()
        })
        .bench_local_values(|_| {
            for _ in 0..BATCH {
                drop(ledger.append(black_box(&call.intent())).unwrap());
            }
        });
}

/// What the writer does for 128 records besides calling the disk: numbers, hashes, one buffer.
#[divan::bench]
fn assemble_128(bencher: Bencher) {
    let call = Call::new();
    let mut body = Vec::new();
    parts::body(&call.intent(), &mut body);
    let bodies = vec![body; BATCH];
    let mut lines = Vec::new();
    parts::lines(&bodies, &mut lines);
    bencher
        .counter(counter::ItemsCount::new(BATCH))
        .counter(counter::BytesCount::new(lines.len()))
        .bench_local(|| {
            lines.clear();
            parts::lines(black_box(&bodies), &mut lines);
        });
}

/// 128 tasks on one thread, each with one record that it waits for: the whole way.
#[divan::bench(sample_size = 1)]
fn durable_128(bencher: Bencher) {
    let (_dir, ledger) = ledger();
    let call = Arc::new(Call::new());
    let runtime = Builder::new_current_thread().build().unwrap();
    bencher
        .counter(counter::ItemsCount::new(BATCH))
        .bench_local(|| {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for _ in 0..BATCH {
                    let (ledger, call) = (ledger.clone(), Arc::clone(&call));
                    tasks.spawn(async move {
                        let pending = ledger.append(&call.intent()).unwrap();
                        pending.durable().await.unwrap().seq()
                    });
                }
                tasks.join_all().await
            })
        });
}

/// One record by itself, from `append` to its receipt.
#[divan::bench(sample_size = 1)]
fn durable_1(bencher: Bencher) {
    let (_dir, ledger) = ledger();
    let call = Call::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    bencher
        .counter(counter::ItemsCount::new(1_usize))
        .bench_local(|| {
            let pending = ledger.append(&call.intent()).unwrap();
            runtime.block_on(pending.durable()).unwrap().seq()
        });
}

/// A log of 50,000 records.
#[divan::bench(sample_size = 1, sample_count = 10)]
fn verify_log(bencher: Bencher) {
    let (dir, ledger) = ledger();
    let call = Call::new();
    for _ in 0..50_000 {
        while ledger.append(&call.intent()).is_err() {
            thread::yield_now();
        }
    }
    let bytes = {
        let counters = ledger.clone();
        ledger.close();
        counters.counters().bytes
    };
    bencher
        .counter(counter::BytesCount::new(bytes))
        .bench_local(|| {
            let report = verify(dir.path()).unwrap();
            assert!(report.is_sound());
            report.records
        });
}
