//! How wide and how long: the terms of a request and of a grant. Terms only ever get narrower.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// What a grant lets happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any number of calls, for a time.
    Time,
    /// So many calls, within a time.
    Calls,
    /// One call with exactly these arguments, within a time.
    Once,
}

impl Kind {
    /// The name used in configuration, records and views.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Calls => "calls",
            Self::Once => "once",
        }
    }
}

/// At most so many calls in any stretch of time of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many calls; 1 to [`RATE_CALLS_MAX`].
    pub calls: u32,
    /// In any stretch this long.
    #[serde(rename = "per_ms", with = "ms")]
    pub per: Duration,
}

/// The time of each call in the stretch is remembered, to be exact.
pub const RATE_CALLS_MAX: u32 = 1000;

/// How wide and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What it lets happen.
    pub kind: Kind,
    /// For how long, from the decision on.
    #[serde(rename = "duration_ms", with = "ms")]
    pub duration: Duration,
    /// How many calls; no bound when absent, one when the kind is [`Kind::Once`].
    pub calls_max: Option<u64>,
    /// How many bytes the answers may have together; no bound when absent.
    pub bytes_max: Option<u64>,
    /// How fast; no bound when absent.
    pub rate: Option<Rate>,
}

/// What an approver takes away; whatever is absent stays as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// For so long only.
    #[serde(
        rename = "duration_ms",
        default,
        with = "ms_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub duration: Option<Duration>,
    /// So many calls only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_max: Option<u64>,
    /// So many bytes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_max: Option<u64>,
    /// A JSON Schema that the arguments have to satisfy besides all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Value>,
}

/// What was to be narrowed would be wider, or nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an approval can only narrow: `{0}` is more than was asked for, or nothing; give less, or leave it out"
)]
pub struct WouldWiden(pub &'static str);

impl Terms {
    /// These terms, narrowed.
    ///
    /// # Errors
    /// [`WouldWiden`] when something would be more than it is, or zero.
    pub fn narrowed(&self, by: &Narrowing) -> Result<Self, WouldWiden> {
        let mut terms = self.clone();
        if let Some(duration) = by.duration {
            if duration > self.duration || duration.as_millis() == 0 {
                return Err(WouldWiden("duration"));
            }
            terms.duration = duration;
        }
        terms.calls_max = less(self.calls_max, by.calls_max).ok_or(WouldWiden("calls"))?;
        terms.bytes_max = less(self.bytes_max, by.bytes_max).ok_or(WouldWiden("bytes"))?;
        Ok(terms)
    }

    /// When a grant that begins now ends, in milliseconds since the Unix epoch.
    pub(crate) fn ends_ms(&self, from_ms: u64) -> u64 {
        from_ms.saturating_add(millis(self.duration))
    }
}

/// `wanted` where it is no more than `bound`; `None` when it would be, or is nothing.
fn less(bound: Option<u64>, wanted: Option<u64>) -> Option<Option<u64>> {
    match (bound, wanted) {
        (_, None) => Some(bound),
        (_, Some(0)) => None,
        (Some(bound), Some(wanted)) if wanted > bound => None,
        (_, Some(wanted)) => Some(Some(wanted)),
    }
}

/// Whole milliseconds; what is longer than they can say is as long as they can say.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Durations as whole milliseconds.
mod ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(super::millis(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

mod ms_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(super::millis).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};

    use super::*;

    fn terms() -> impl Strategy<Value = Terms> {
        (1..100_u64, option::of(1..9_u64), option::of(1..9_u64)).prop_map(|(s, calls, bytes)| {
            Terms {
                kind: Kind::Calls,
                duration: Duration::from_secs(s),
                calls_max: calls,
                bytes_max: bytes,
                rate: None,
            }
        })
    }

    fn narrowing() -> impl Strategy<Value = Narrowing> {
        (
            option::of(0..120_u64),
            option::of(0..12_u64),
            option::of(0..12_u64),
        )
            .prop_map(|(s, calls_max, bytes_max)| Narrowing {
                duration: s.map(Duration::from_secs),
                calls_max,
                bytes_max,
                constraint: None,
            })
    }

    fn within(inner: Option<u64>, outer: Option<u64>) -> bool {
        outer.is_none_or(|outer| inner.is_some_and(|inner| inner <= outer))
    }

    proptest! {
        #[test]
        fn narrowing_never_widens(from in terms(), steps in prop::collection::vec(narrowing(), 0..6)) {
            let mut now = from.clone();
            for step in &steps {
                let Ok(next) = now.narrowed(step) else { continue };
                prop_assert!(next.duration <= now.duration && !next.duration.is_zero());
                prop_assert!(within(next.calls_max, now.calls_max));
                prop_assert!(within(next.bytes_max, now.bytes_max));
                prop_assert!(next.calls_max != Some(0) && next.bytes_max != Some(0));
                prop_assert_eq!(next.kind, now.kind);
                now = next;
            }
        }
    }

    #[test]
    fn what_would_widen_is_refused_and_named() {
        let terms = Terms {
            kind: Kind::Time,
            duration: Duration::from_secs(60),
            calls_max: Some(2),
            bytes_max: None,
            rate: None,
        };
        let longer = Narrowing {
            duration: Some(Duration::from_secs(61)),
            ..Narrowing::default()
        };
        assert_eq!(terms.narrowed(&longer), Err(WouldWiden("duration")));
        let more = Narrowing {
            calls_max: Some(3),
            ..Narrowing::default()
        };
        assert_eq!(terms.narrowed(&more), Err(WouldWiden("calls")));
    }
}
