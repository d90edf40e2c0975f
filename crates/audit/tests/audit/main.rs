//! The log as its users meet it.
//!
//! - `tampering`: what `verify`, and twenty lines of Python, find in a log that was changed
//! - `waiting`: many who append at once, on every kind of executor
//! - `process`: two gateways, kill -9, and an operating system that refuses

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed test is a panic"
)]

mod process;
mod tampering;
mod waiting;

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use cardea_audit::{Entry, Kind, Ledger, Unavailable};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future without any runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn intent(call: &str) -> Entry<'_> {
    Entry {
        kind: Kind::Intent,
        call,
        ..Entry::default()
    }
}

async fn append(ledger: &Ledger, call: &str) -> Result<u64, Unavailable> {
    let receipt = ledger.append(&intent(call))?.durable().await?;
    Ok(receipt.seq())
}

/// The log's files, oldest first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files
}

/// The `call` of every record, by its place in the log.
fn calls(dir: &Path) -> Vec<String> {
    let mut calls = Vec::new();
    for file in files(dir) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            calls.push(record["call"].as_str().unwrap_or_default().to_owned());
        }
    }
    calls
}
