//! Waiting for what happens elsewhere: by looking again, with a deadline.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Far more than anything that a test waits for takes on a busy machine; only a hang meets it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `look` finds something, and gives it.
///
/// # Panics
/// When it has found nothing after [`DEADLINE`]; the message names `what`.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, look).await
}

/// As [`until`], with a deadline of its own.
///
/// # Panics
/// When it has found nothing after `within`.
pub async fn until_within<T>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            started.elapsed() < within,
            "after {} s still not: {what}",
            within.as_secs()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for a future, bounded by [`DEADLINE`].
///
/// # Panics
/// When it has not ended by then.
pub async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("after {} s still not: {what}", DEADLINE.as_secs()),
    }
}

/// Time that passes only while the machine runs: a pause of seconds counts as next to nothing, and a wait as what it is.
///
/// For bounds on how long something may take that must hold on a machine that others use as well.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own is the clock"
)]
pub fn lived() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    const TICK_MAX: Duration = Duration::from_millis(50);
    static LIVED_US: AtomicU64 = AtomicU64::new(0);
    static CLOCK: OnceLock<()> = OnceLock::new();
    CLOCK.get_or_init(|| {
        std::thread::spawn(|| {
            let mut last = Instant::now();
            loop {
                std::thread::sleep(TICK);
                let now = Instant::now();
                let lived = (now - last).min(TICK_MAX);
                let us = u64::try_from(lived.as_micros()).unwrap_or(u64::MAX);
                LIVED_US.fetch_add(us, Ordering::Relaxed);
                last = now;
            }
        });
    });
    Duration::from_micros(LIVED_US.load(Ordering::Relaxed))
}
