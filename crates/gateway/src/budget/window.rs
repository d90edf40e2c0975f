//! A count over the last stretch of time, in slices: fixed memory, and never less than what there was.

use std::time::Duration;

/// Slices of a stretch. What was counted is forgotten a slice late at most, and never early.
const SLICES: usize = 32;

/// How much of something there was in the last stretch.
#[derive(Debug, Clone)]
pub(super) struct Window {
    slice_ms: u64,
    /// The number of the slice that is counted in now.
    now: u64,
    /// By number, modulo their count: that of now and the [`SLICES`] before it.
    slices: [u64; SLICES + 1],
    sum: u64,
}

impl Window {
    /// An empty one.
    pub(super) fn over(stretch: Duration) -> Self {
        let ms = u64::try_from(stretch.as_millis()).unwrap_or(u64::MAX);
        Self {
            slice_ms: ms.div_ceil(SLICES as u64).max(1),
            now: 0,
            slices: [0; SLICES + 1],
            sum: 0,
        }
    }

    /// What was counted in the stretch that ends now.
    pub(super) fn sum(&mut self, now_ms: u64) -> u64 {
        self.turn(now_ms);
        self.sum
    }

    pub(super) fn add(&mut self, amount: u64, now_ms: u64) {
        self.turn(now_ms);
        let now = self.now;
        if let Some(slice) = self.slice(now) {
            *slice = slice.saturating_add(amount);
        }
        self.sum = self.sum.saturating_add(amount);
    }

    /// As if it had not been counted at that moment, where that is not forgotten already.
    pub(super) fn take_back(&mut self, amount: u64, at_ms: u64) {
        let number = at_ms / self.slice_ms;
        // Counted while the clock was behind, it stands in the newest slice of then.
        if number + (SLICES as u64) < self.now {
            return;
        }
        let number = number.min(self.now);
        let mut taken = 0;
        if let Some(slice) = self.slice(number) {
            taken = amount.min(*slice);
            *slice -= taken;
        }
        self.sum = self.sum.saturating_sub(taken);
    }

    /// After how long there is room for at least one more below `max`; `None`: now.
    pub(super) fn free_in(&mut self, max: u64, now_ms: u64) -> Option<Duration> {
        self.turn(now_ms);
        let mut left = self.sum;
        if left < max {
            return None;
        }
        let oldest = self.now.saturating_sub(SLICES as u64);
        for number in oldest..=self.now {
            left -= self.slice(number).map_or(0, |slice| *slice);
            if left < max {
                let free_ms = (number + SLICES as u64 + 1).saturating_mul(self.slice_ms);
                return Some(Duration::from_millis(free_ms.saturating_sub(now_ms)));
            }
        }
        Some(Duration::from_millis(
            self.slice_ms.saturating_mul(SLICES as u64 + 1),
        ))
    }

    /// Forgets what is older than the stretch. A clock that is set back changes nothing.
    fn turn(&mut self, now_ms: u64) {
        let number = now_ms / self.slice_ms;
        if number <= self.now {
            return;
        }
        let passed = (number - self.now).min(SLICES as u64 + 1);
        for gone in (number + 1 - passed)..=number {
            let old = self.slice(gone).map_or(0, std::mem::take);
            self.sum = self.sum.saturating_sub(old);
        }
        self.now = number;
    }

    fn slice(&mut self, number: u64) -> Option<&mut u64> {
        let place = usize::try_from(number % (SLICES as u64 + 1)).ok()?;
        self.slices.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes when: no stretch has more than the bound, and room comes back within a slice.
        #[test]
        fn no_stretch_has_more_than_the_bound(
            steps in prop::collection::vec(0_u64..3_000, 1..200),
            max in 1_u64..20,
            stretch_ms in 32_u64..10_000,
        ) {
            let mut window = Window::over(Duration::from_millis(stretch_ms));
            let (mut now, mut begun) = (1_000_000_u64, Vec::new());
            for step in steps {
                now += step;
                match window.free_in(max, now) {
                    None => {
                        window.add(1, now);
                        begun.push(now);
                    }
                    Some(wait) => {
                        let wait_ms = wait.as_millis() as u64;
                        prop_assert!(wait_ms > 0);
                        let mut later = window.clone();
                        prop_assert_eq!(later.free_in(max, now + wait_ms), None);
                        let slice = stretch_ms.div_ceil(32);
                        let in_reach = begun.iter().filter(|at| **at + 33 * slice > now).count();
                        prop_assert!(in_reach as u64 >= max);
                    }
                }
                let since = now.saturating_sub(stretch_ms);
                let within = begun.iter().filter(|at| **at > since).count();
                prop_assert!(within as u64 <= max);
            }
        }
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let mut window = Window::over(Duration::from_secs(32));
        window.add(2, 5_000);
        window.add(1, 9_000);
        window.take_back(1, 5_000);
        assert_eq!(window.sum(9_000), 2);
        assert_eq!(window.sum(5_000 + 33_000), 1);
        window.take_back(1, 5_000);
        assert_eq!(window.sum(9_000 + 33_000), 0);
        window.take_back(1, 9_000);
        assert_eq!(window.sum(50_000), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_frees_nothing() {
        let mut window = Window::over(Duration::from_secs(60));
        window.add(1, 1_000_000);
        assert!(window.free_in(1, 10).is_some());
        window.add(1, 10);
        assert_eq!(window.sum(1_000_000), 2);
        window.take_back(1, 10);
        assert_eq!(window.sum(2_000_000), 0);
    }
}
