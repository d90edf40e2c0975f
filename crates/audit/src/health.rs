//! How the log fares: for readiness, metrics and alerts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

/// Upper ends of the buckets of commit times, in microseconds: from a disk with a battery behind
/// its cache to one that is dying.
pub const COMMIT_BUCKETS_US: [u64; 11] = [
    100, 200, 400, 800, 1600, 3200, 6400, 12_800, 51_200, 204_800, 819_200,
];

/// Whether records can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last commit went well, or there was none yet.
    Ok,
    /// The last commit failed; the next record tries again.
    Failing {
        /// Since when, in milliseconds since the Unix epoch.
        since_unix_ms: u64,
        /// What the operating system said last.
        error: Arc<str>,
    },
    /// The log takes no more records: it was closed, or its writer is gone.
    Ended,
}

/// What happened since the log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    /// Records that are durable.
    pub records: u64,
    /// Commits that went well.
    pub commits: u64,
    /// Bytes that are durable.
    pub bytes: u64,
    /// Commits that failed.
    pub commits_failed: u64,
    /// Records that were refused, for want of a disk or of room in the queue.
    pub records_refused: u64,
    /// Bytes of records that wait for the disk now.
    pub queue_bytes: usize,
    /// Commits by how long they took; the last count is of those over every bound of
    /// [`COMMIT_BUCKETS_US`].
    pub commit_counts: [u64; COMMIT_BUCKETS_US.len() + 1],
    /// The sum of all commit times in microseconds.
    pub commit_us_sum: u64,
}

/// The counters as the writer keeps them.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    records: AtomicU64,
    commits: AtomicU64,
    bytes: AtomicU64,
    commits_failed: AtomicU64,
    records_refused: AtomicU64,
    commit_counts: [AtomicU64; COMMIT_BUCKETS_US.len() + 1],
    commit_us_sum: AtomicU64,
    failing: Mutex<Option<Failing>>,
}

/// A disk that refuses.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) since_unix_ms: u64,
    pub(crate) error: Arc<str>,
    pub(crate) records_refused: u64,
}

impl Health {
    /// Whether records can be written, as far as is known.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }
}

impl Meter {
    pub(crate) fn committed(&self, records: u64, bytes: u64, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.commit_us_sum.fetch_add(us, Ordering::Relaxed);
        let bucket = COMMIT_BUCKETS_US.iter().filter(|end| us > **end).count();
        if let Some(count) = self.commit_counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes a failed commit; tells whether it is the first of its row.
    pub(crate) fn failed(&self, records: u64, error: &Arc<str>, unix_ms: u64) -> bool {
        self.commits_failed.fetch_add(1, Ordering::Relaxed);
        self.refused(records);
        let mut failing = self.failing.lock();
        let first = failing.is_none();
        let failing = failing.get_or_insert_with(|| Failing {
            since_unix_ms: unix_ms,
            error: Arc::clone(error),
            records_refused: 0,
        });
        failing.error = Arc::clone(error);
        failing.records_refused = failing.records_refused.saturating_add(records);
        first
    }

    pub(crate) fn refused(&self, records: u64) {
        self.records_refused.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn failing(&self) -> Option<Failing> {
        self.failing.lock().clone()
    }

    pub(crate) fn healed(&self) {
        *self.failing.lock() = None;
    }

    pub(crate) fn counters(&self, queue_bytes: usize) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            records: read(&self.records),
            commits: read(&self.commits),
            bytes: read(&self.bytes),
            commits_failed: read(&self.commits_failed),
            records_refused: read(&self.records_refused),
            queue_bytes,
            commit_counts: self.commit_counts.each_ref().map(read),
            commit_us_sum: read(&self.commit_us_sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_counts_in_the_first_bucket_that_holds_it() {
        let meter = Meter::default();
        for us in [100, 101, 900_000] {
            meter.committed(2, 10, Duration::from_micros(us));
        }
        let counters = meter.counters(0);
        assert_eq!(counters.commit_counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((counters.records, counters.bytes), (6, 30));
        assert_eq!(counters.commit_us_sum, 900_201);
    }

    #[test]
    fn a_row_of_failures_keeps_its_beginning_and_its_last_error() {
        let meter = Meter::default();
        assert!(meter.failed(1, &"first".into(), 10));
        assert!(!meter.failed(2, &"second".into(), 20));
        let failing = meter.failing().unwrap();
        assert_eq!(failing.since_unix_ms, 10);
        assert_eq!(&*failing.error, "second");
        assert_eq!(failing.records_refused, 3);
        meter.healed();
        assert!(meter.failing().is_none());
        assert_eq!(meter.counters(0).records_refused, 3);
    }
}
