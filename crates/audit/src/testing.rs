//! What the tests of several modules need.

use std::{
    future::Future,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use crate::{Entry, Kind, Ledger, Pending, Report, Unavailable, segment::Segment, verify};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future without any runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub(crate) fn event(call: &str) -> Entry<'_> {
    Entry {
        kind: Kind::Event,
        call,
        ..Entry::default()
    }
}

/// Appends a record, waits for it and tells its number.
pub(crate) fn append(ledger: &Ledger, call: &str) -> Result<u64, Unavailable> {
    wait(ledger.append(&event(call))?)
}

pub(crate) fn wait(pending: Pending) -> Result<u64, Unavailable> {
    block_on(pending.durable()).map(|receipt| receipt.seq())
}

/// All whole lines of the log, in order.
pub(crate) fn lines(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for segment in Segment::list(dir).unwrap() {
        let text = std::fs::read_to_string(&segment.path).unwrap();
        all.extend(
            text.split_inclusive('\n')
                .filter_map(|line| line.strip_suffix('\n'))
                .map(str::to_owned),
        );
    }
    all
}

/// The `call` of each record, or the name of its event.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    lines(dir)
        .iter()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = record
                .get("call")
                .or_else(|| record.pointer("/event/name"))
                .unwrap();
            name.as_str().unwrap().to_owned()
        })
        .collect()
}

pub(crate) fn assert_sound(dir: &Path) -> Report {
    let report = verify(dir).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    report
}
