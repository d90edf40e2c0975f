//! Percentiles of one run and medians over rounds.

/// The durations of one run's calls, in nanoseconds. Exact: every call is kept and sorted once at the end.
#[derive(Debug, Default)]
pub struct Durations {
    nanos: Vec<u64>,
}

impl Durations {
    /// Records one call.
    pub fn record(&mut self, duration: std::time::Duration) {
        self.nanos
            .push(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Takes over the calls of another connection.
    pub fn append(&mut self, mut other: Durations) {
        self.nanos.append(&mut other.nanos);
    }

    /// How many calls were recorded.
    pub fn count(&self) -> u64 {
        self.nanos.len() as u64
    }

    /// Sorts once, so that quantiles can be asked for.
    pub fn sorted(mut self) -> SortedDurations {
        self.nanos.sort_unstable();
        SortedDurations { nanos: self.nanos }
    }
}

/// Durations in order.
#[derive(Debug)]
pub struct SortedDurations {
    nanos: Vec<u64>,
}

impl SortedDurations {
    /// The smallest duration, in microseconds, that at least `share` (0 to 1) of the calls did not exceed; 0 of none.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let rank = (share * self.nanos.len() as f64).ceil() as usize;
        self.nanos
            .get(rank.saturating_sub(1))
            .map_or(0.0, |nanos| *nanos as f64 / 1000.0)
    }

    /// The longest, in microseconds; 0 of none.
    pub fn max_us(&self) -> f64 {
        self.quantile_us(1.0)
    }
}

/// The middle value (the mean of the middle two when their number is even); nothing of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Durations, median};

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut durations = Durations::default();
        for micros in (1..=100).rev() {
            durations.record(Duration::from_micros(micros));
        }
        let sorted = durations.sorted();
        assert_eq!(sorted.quantile_us(0.50), 50.0);
        assert_eq!(sorted.quantile_us(0.99), 99.0);
        assert_eq!(sorted.max_us(), 100.0);
    }

    #[test]
    fn no_calls_give_zero_not_a_failure() {
        let sorted = Durations::default().sorted();
        assert_eq!((sorted.quantile_us(0.5), sorted.max_us()), (0.0, 0.0));
    }

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}
