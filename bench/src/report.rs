//! What the programs tell each other: each run of `bench-load` prints one of these as one line of JSON.

use serde::{Deserialize, Serialize};

/// A closed-loop run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadReport {
    /// Keep-alive connections, each with one call in flight.
    pub connections: usize,
    /// Filler bytes in each result.
    pub size: usize,
    /// Protocol revision spoken.
    pub protocol: String,
    /// Seconds measured, without the warm-up.
    pub seconds: f64,
    /// Right answers in the measured time.
    pub requests: u64,
    /// Right answers in the warm-up and the measured time.
    pub requests_total: u64,
    /// Failed calls and wrong answers in the whole run; none of them is in any other figure.
    pub errors: u64,
    /// The first failure in words.
    pub first_error: Option<String>,
    /// Right answers a second.
    pub rps: f64,
    /// Half of the calls took no longer.
    pub p50_us: f64,
    /// 90 of 100 calls took no longer.
    pub p90_us: f64,
    /// 99 of 100 calls took no longer.
    pub p99_us: f64,
    /// The longest call.
    pub max_us: f64,
    /// CPU time of the process tree under test per right answer, when one was given.
    pub cpu_us_per_call: Option<f64>,
    /// Resident memory of that tree at the end of the measured time.
    pub rss_kib: Option<u64>,
    /// Cores kept busy by anything that is not part of the measurement: how far the run can be trusted.
    pub other_cores: f64,
}

/// Sessions that were opened and then left alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleReport {
    /// Sessions held.
    pub sessions: usize,
    /// Resident memory before the first.
    pub rss_before_kib: u64,
    /// Resident memory while all were held.
    pub rss_held_kib: u64,
    /// The difference divided by the sessions.
    pub bytes_per_session: f64,
}

/// Appends to a file, each followed by fdatasync.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SyncReport {
    /// Appends made.
    pub count: u64,
    /// Bytes in each.
    pub bytes: usize,
    /// Half of append and sync took no longer.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}
