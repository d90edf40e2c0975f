//! Waiting for what happens elsewhere: by looking again, with a deadline.

use std::time::{Duration, Instant};

/// Far more than anything that a test waits for takes on a busy machine; only a hang meets it.
pub const DEADLINE: Duration = Duration::from_secs(20);

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
