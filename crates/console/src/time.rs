//! Moments and durations, for programs and for people.

use std::time::Duration;

use jiff::Timestamp;

/// A moment as a page needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, in UTC, to the millisecond.
    pub(crate) iso: String,
    /// For people: to the minute, in UTC.
    pub(crate) text: String,
}

impl Moment {
    /// Of milliseconds since the Unix epoch.
    pub(crate) fn at(unix_ms: u64) -> Self {
        let at = stamp(unix_ms);
        Self {
            iso: format!("{at:.3}"),
            text: at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}

/// RFC 3339, in UTC, to the millisecond.
pub(crate) fn iso(unix_ms: u64) -> String {
    format!("{:.3}", stamp(unix_ms))
}

fn stamp(unix_ms: u64) -> Timestamp {
    let unix_ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX)
}

/// "10 min", "1 h 30 min", "2 d": the two largest units.
pub(crate) fn duration(duration: Duration) -> String {
    let total_s = duration.as_secs();
    let units = [
        (total_s / 86_400, "d"),
        (total_s / 3600 % 24, "h"),
        (total_s / 60 % 60, "min"),
        (total_s % 60, "s"),
    ];
    let parts = units.iter().skip_while(|(n, _)| *n == 0).take(2);
    let parts: Vec<_> = parts
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    match parts.is_empty() {
        true => "0 s".to_owned(),
        false => parts.join(" "),
    }
}

/// Whole minutes: as many as it takes to hold all of it.
pub(crate) fn minutes(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_programs_and_for_people() {
        let at = Moment::at(1_795_000_000_123);
        assert_eq!(at.iso, "2026-11-18T11:06:40.123Z");
        assert_eq!(at.text, "2026-11-18 11:06 UTC");
        assert_eq!(Moment::at(u64::MAX).iso.chars().last(), Some('Z'));
        for (s, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (600, "10 min"),
            (5400, "1 h 30 min"),
            (90_000, "1 d 1 h"),
            (86_401, "1 d"),
        ] {
            assert_eq!(duration(Duration::from_secs(s)), text);
        }
    }
}
