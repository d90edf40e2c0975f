//! Plain values: one of a few, of a pattern, within bounds.

use serde_json::Value;

use super::Expected;
use crate::schema::{Pattern, is_same_number, shown};

/// One of these values, each a string, a number, a boolean or null.
#[derive(Debug, Clone, PartialEq)]
pub struct Exact(Vec<Value>);

impl Exact {
    /// One of these.
    #[must_use]
    pub fn of(values: Vec<Value>) -> Self {
        Self(values)
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), Expected> {
        let is_one = self.0.iter().any(|one| match (one, value) {
            (Value::Number(a), Value::Number(b)) => is_same_number(a, b),
            (a, b) => a == b,
        });
        match is_one {
            true => Ok(()),
            false => {
                let values: Vec<_> = self.0.iter().map(Value::to_string).collect();
                Err(Expected(format!("one of {}", values.join(", "))))
            }
        }
    }
}

/// A string that a pattern matches from its first to its last character.
#[derive(Debug, Clone)]
pub struct TextPattern {
    text: String,
    pattern: Pattern,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern cannot be used: {0}")]
pub struct InvalidPattern(pub &'static str);

/// A string that is matched at most.
const MATCHED_BYTES_MAX: usize = 256 * 1024;

impl TextPattern {
    /// A pattern as ECMA-262 writes them, without lookaround and backreferences.
    ///
    /// # Errors
    /// [`InvalidPattern`]
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        // Alone first: what is put around it must not complete it.
        Pattern::compile(text).map_err(InvalidPattern)?;
        let pattern = Pattern::compile(&format!("^(?:{text})$")).map_err(InvalidPattern)?;
        Ok(Self {
            text: text.to_owned(),
            pattern,
        })
    }

    pub(super) fn check(&self, value: &str) -> Result<(), Expected> {
        match value.len() <= MATCHED_BYTES_MAX && self.pattern.occurs_in(value) {
            true => Ok(()),
            false => Err(Expected(format!(
                "a string that matches `{}`",
                shown(&self.text)
            ))),
        }
    }
}

/// Bounds, both included.
#[derive(Debug, Clone, PartialEq)]
pub enum Range {
    /// Of a number.
    Number {
        /// At least this.
        min: Option<f64>,
        /// At most this.
        max: Option<f64>,
    },
    /// Of the characters of a string or the elements of an array.
    Length {
        /// At least so many.
        min: Option<u64>,
        /// At most so many.
        max: Option<u64>,
    },
}

impl Range {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Number { .. } => "range",
            Self::Length { .. } => "length",
        }
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), Expected> {
        match self {
            Self::Number { min, max } => {
                let number = read_alike(value, [*min, *max])?;
                let fits =
                    min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
                fits.then_some(())
                    .ok_or_else(|| Expected(format!("a number {}", bounds(min, max))))
            }
            Self::Length { min, max } => {
                let length = match value {
                    Value::String(text) => text.chars().count(),
                    Value::Array(values) => values.len(),
                    _ => return Err(Expected::of("a string or an array")),
                };
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                let fits =
                    min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max);
                fits.then_some(())
                    .ok_or_else(|| Expected(format!("a length {}", bounds(min, max))))
            }
        }
    }
}

/// A number that is on the same side of the bounds to every reader. Some round whole ones beyond 2^53, which brings none
/// to the other side of a bound that is within that; from 2^63 on, some read them as negative.
fn read_alike(value: &Value, bounds: [Option<f64>; 2]) -> Result<f64, Expected> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let number = value.as_f64().filter(|number| number.is_finite());
    let number = number.ok_or(Expected::of("a number"))?;
    let is_exact = |number: f64| number.abs() <= EXACT_MAX;
    let is_signed = value.as_i64().is_some() && bounds.into_iter().flatten().all(is_exact);
    match is_exact(number) || is_signed {
        true => Ok(number),
        false => Err(Expected::of("a number that every reader reads alike")),
    }
}

fn bounds<T: std::fmt::Display>(min: &Option<T>, max: &Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("of at least {min}"),
        (None, Some(max)) => format!("of at most {max}"),
        (None, None) => String::new(),
    }
}
