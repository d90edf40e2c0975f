//! Time comes in from the wiring, so that tests can turn it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where "now" comes from: the system, or a test's hand.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The machine's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `unix_ms` until [`Clock::advance`] moves it; clones share the hand.
    #[must_use]
    pub fn manual(unix_ms: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(unix_ms))))
    }

    /// Moves a manual clock on; a system clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(hand) = &self.0 {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            hand.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock back, as an administrator may; a system clock stays as it is.
    pub fn turn_back(&self, by: Duration) {
        if let Some(hand) = &self.0 {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            let _ = hand.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| {
                Some(now.saturating_sub(ms))
            });
        }
    }

    /// Microseconds since the Unix epoch; a manual clock moves by whole milliseconds.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    pub fn unix_us(&self) -> u64 {
        match &self.0 {
            Some(hand) => hand.load(Ordering::SeqCst).saturating_mul(1000),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX)),
        }
    }

    /// Milliseconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.unix_us() / 1000
    }

    /// Seconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn unix_s(&self) -> u64 {
        self.unix_ms() / 1000
    }
}
