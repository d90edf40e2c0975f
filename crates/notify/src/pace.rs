//! How often and how fast a sink tries.

use std::time::Duration;

use aws_lc_rs::digest;

/// The tries of one notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long the first wait is; each further one is twice as long, up to `wait_max`.
    pub wait_first: Duration,
    /// How long a wait is at most, also where the receiver asks for more.
    pub wait_max: Duration,
    /// How many tries there are, the first one included.
    pub tries_max: u32,
    /// How long a receiver may take for its answer.
    pub timeout: Duration,
}

impl Default for Pace {
    /// Ten tries over a quarter of an hour: a receiver that is being restarted misses nothing.
    fn default() -> Self {
        Self {
            wait_first: Duration::from_secs(1),
            wait_max: Duration::from_secs(300),
            tries_max: 10,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// How long to wait after so many failed tries; `None` when there is no further one. Half of it is spread by the
    /// notice's name, so that many that failed together do not come back together.
    pub(crate) fn wait(&self, id: &str, failed: u32, asked: Option<Duration>) -> Option<Duration> {
        if failed >= self.tries_max {
            return None;
        }
        let doubled = 1_u32 << failed.saturating_sub(1).min(30);
        let wait = self.wait_first.saturating_mul(doubled).min(self.wait_max);
        let spread = wait / 2 + (wait / 2).mul_f64(fraction(id, failed));
        Some(spread.max(asked.unwrap_or_default().min(self.wait_max)))
    }
}

/// 0 to 1, by the notice and the try: repeatable, and different for each.
fn fraction(id: &str, failed: u32) -> f64 {
    let digest = digest::digest(&digest::SHA256, format!("{failed} {id}").as_bytes());
    let first = digest.as_ref().first().copied().unwrap_or_default();
    f64::from(first) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_are_bounded_and_end() {
        let pace = Pace::default();
        let waits: Vec<_> = (1..20).map_while(|n| pace.wait("n-1", n, None)).collect();
        assert_eq!(waits.len(), 9, "ten tries have nine waits");
        for (n, wait) in waits.iter().enumerate() {
            let whole = Duration::from_secs(1 << n).min(pace.wait_max);
            assert!(*wait >= whole / 2 && *wait <= whole, "{n}: {wait:?}");
        }
        assert_ne!(pace.wait("n-1", 5, None), pace.wait("n-2", 5, None));
        assert!(waits.iter().sum::<Duration>() < Duration::from_secs(900));
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_within_bounds() {
        let pace = Pace::default();
        let asked = |s| pace.wait("n", 1, Some(Duration::from_secs(s)));
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(86_400), Some(pace.wait_max));
        assert!(asked(0).unwrap() >= pace.wait_first / 2);
    }
}
