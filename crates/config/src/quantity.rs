//! Sizes, durations and counts as a configuration spells them.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes: `4194304` or `4MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct ByteSize(u64);

/// A duration: `10s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Timespan(u64);

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Count(u64);

/// What a limit can be counted in.
pub(crate) trait Quantity: Copy + Ord + fmt::Display {
    /// The type of the checked configuration.
    type Checked;

    fn checked(self) -> Self::Checked;

    /// How the schema words a bound: as a number where JSON Schema can compare it.
    fn bound(self) -> serde_json::Value {
        self.to_string().into()
    }
}

const BYTE_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Nine digits of the largest unit still fit 64 bits.
const DIGITS_MAX: usize = 9;

pub(crate) const fn bytes(n: u64) -> ByteSize {
    ByteSize(n)
}

pub(crate) const fn kib(n: u64) -> ByteSize {
    ByteSize(n << 10)
}

pub(crate) const fn mib(n: u64) -> ByteSize {
    ByteSize(n << 20)
}

pub(crate) const fn gib(n: u64) -> ByteSize {
    ByteSize(n << 30)
}

pub(crate) const fn ms(n: u64) -> Timespan {
    Timespan(n)
}

pub(crate) const fn secs(n: u64) -> Timespan {
    Timespan(n * 1_000)
}

pub(crate) const fn mins(n: u64) -> Timespan {
    secs(n * 60)
}

pub(crate) const fn hours(n: u64) -> Timespan {
    mins(n * 60)
}

pub(crate) const fn count(n: u64) -> Count {
    Count(n)
}

/// The size that somebody meant who wrote `64MB`, `64 m` or `64mib`.
pub(crate) fn meant_size(text: &str) -> Option<String> {
    let (digits, unit) = digits_and_unit(text.trim())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => "B",
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        _ => return None,
    };
    Some(format!("{digits}{unit}"))
}

/// The duration that somebody meant who wrote `30`, `30 sec` or `5min`.
pub(crate) fn meant_duration(text: &str) -> Option<String> {
    let (digits, unit) = digits_and_unit(text.trim())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("{digits}{unit}"))
}

fn digits_and_unit(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    (1..=DIGITS_MAX)
        .contains(&digits.len())
        .then_some((digits, unit))
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = digits_and_unit(text)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// In the largest unit that leaves no remainder.
fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let unit = units
        .iter()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
        .or(units.last());
    match unit {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => write!(f, "{value}"),
    }
}

// === impl ByteSize ===

impl Quantity for ByteSize {
    type Checked = u64;

    fn checked(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &BYTE_UNITS)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelling {
            Bytes(u64),
            Text(String),
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Bytes(bytes) => Some(bytes),
            Spelling::Text(text) => parse(&text, &BYTE_UNITS),
        }
        .map(Self)
        .ok_or_else(|| de::Error::custom("not a size"))
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": format!("^[0-9]{{1,{DIGITS_MAX}}}(B|KiB|MiB|GiB)$"),
            "x-type": "size",
            "x-expected": "a size such as `64MiB`, or a whole number of bytes",
        })
    }
}

// === impl Timespan ===

impl Quantity for Timespan {
    type Checked = Duration;

    fn checked(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &TIME_UNITS)
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text, &TIME_UNITS)
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a duration"))
    }
}

impl JsonSchema for Timespan {
    fn schema_name() -> Cow<'static, str> {
        "Timespan".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": format!("^[0-9]{{1,{DIGITS_MAX}}}(ms|s|m|h|d)$"),
            "x-type": "duration",
            "x-expected": "a duration such as `30s` or `5m`",
        })
    }
}

// === impl Count ===

impl Quantity for Count {
    type Checked = usize;

    fn checked(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn bound(self) -> serde_json::Value {
        self.0.into()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Count {
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "minimum": 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn quantities_are_written_in_the_largest_whole_unit() {
        for (size, text) in [(mib(64), "64MiB"), (bytes(1500), "1500B"), (bytes(0), "0B")] {
            assert_eq!(size.to_string(), text);
        }
        for (time, text) in [(secs(90), "90s"), (mins(60), "1h"), (ms(1500), "1500ms")] {
            assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn what_was_meant_is_guessed_from_common_spellings() {
        assert_eq!(meant_size("64 MB").as_deref(), Some("64MiB"));
        assert_eq!(meant_size("4k").as_deref(), Some("4KiB"));
        assert_eq!(meant_size("lots"), None);
        assert_eq!(meant_duration("30").as_deref(), Some("30s"));
        assert_eq!(meant_duration("5 min").as_deref(), Some("5m"));
        assert_eq!(meant_duration("1h30m"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(n in 0u64..1_000_000_000) {
            prop_assert_eq!(parse(&bytes(n).to_string(), &BYTE_UNITS), Some(n));
            prop_assert_eq!(parse(&ms(n).to_string(), &TIME_UNITS), Some(n));
        }
    }
}
