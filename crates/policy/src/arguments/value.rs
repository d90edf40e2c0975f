//! A call's arguments as policies see them.

use std::collections::BTreeMap;

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Number, Value};

use super::{Arguments, Kind, Member};

/// A value that is not of the type that policies were promised, or cannot be said exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Where, as members joined by dots.
    path: String,
    why: &'static str,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path: String = self.path.chars().take(PATH_CHARS_MAX).collect();
        write!(f, "`{}` {}", path.escape_debug(), self.why)
    }
}

/// What is shown of a caller's own words.
const PATH_CHARS_MAX: usize = 128;

/// Integers up to here are exact as floating point (IEEE 754 binary64).
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// What is no integer is exact with four decimal places below this: 15 digits in all are.
const FRACTION_BELOW: f64 = 1e11;
/// Decimal places of Cedar's `decimal`.
const PLACES_MAX: usize = 4;

/// The arguments as `context.args`. What the type does not name is not there; `null` is as absent.
pub(crate) fn record(arguments: &Arguments, value: &Value) -> Result<RestrictedExpression, Unfit> {
    let given = value.as_object().ok_or_else(|| unfit("is no object"))?;
    of_members(&arguments.members, given)
}

fn of_members(
    members: &BTreeMap<String, Member>,
    given: &Map<String, Value>,
) -> Result<RestrictedExpression, Unfit> {
    let mut pairs = Vec::with_capacity(members.len());
    for (name, member) in members {
        let Ok(kind) = &member.kind else { continue };
        match given.get(name) {
            None | Some(Value::Null) if member.is_required => {
                return Err(unfit("is missing").within(name));
            }
            None | Some(Value::Null) => {}
            Some(value) => {
                let value = of_kind(kind, value).map_err(|unfit| unfit.within(name))?;
                pairs.push((name.clone(), value));
            }
        }
    }
    RestrictedExpression::new_record(pairs).map_err(|_| unfit("has a member twice"))
}

fn of_kind(kind: &Kind, value: &Value) -> Result<RestrictedExpression, Unfit> {
    Ok(match (kind, value) {
        (Kind::Bool, Value::Bool(is)) => RestrictedExpression::new_bool(*is),
        (Kind::Text, Value::String(text)) => RestrictedExpression::new_string(text.clone()),
        (Kind::Long, Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| exact(number.as_f64()?));
            let whole = whole.ok_or_else(|| unfit("is no integer from -2^63 to 2^63 - 1"))?;
            RestrictedExpression::new_long(whole)
        }
        (Kind::Decimal, Value::Number(number)) => {
            let text = is_exact(number).then(|| decimal(&number.to_string()));
            let text = text.flatten();
            let text = text.ok_or_else(|| {
                unfit("has more than four decimal places, or is too large to be said exactly")
            })?;
            RestrictedExpression::new_decimal(text)
        }
        (Kind::Set(item), Value::Array(values)) => {
            let values = values.iter().map(|value| of_kind(item, value));
            RestrictedExpression::new_set(values.collect::<Result<Vec<_>, _>>()?)
        }
        (Kind::Record(members), Value::Object(given)) => of_members(members, given)?,
        (Kind::Choice(kinds), value) => choice(kinds, value)?,
        _ => return Err(unfit("is of another type than the tool's schema says")),
    })
}

/// The one alternative that the value is, under its name.
fn choice(
    kinds: &BTreeMap<&'static str, Kind>,
    value: &Value,
) -> Result<RestrictedExpression, Unfit> {
    let name = match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "text",
        Value::Array(_) => "set",
        Value::Object(_) => "record",
        Value::Number(_) if kinds.contains_key("decimal") => "decimal",
        Value::Number(_) => "long",
        Value::Null => "null",
    };
    let kind = kinds.get(name);
    let kind = kind.ok_or_else(|| unfit("is of another type than the tool's schema says"))?;
    let pair = (name.to_owned(), of_kind(kind, value)?);
    RestrictedExpression::new_record([pair]).map_err(|_| unfit("has a member twice"))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "it is whole, and below what is exact"
)]
fn exact(number: f64) -> Option<i64> {
    let is_exact = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
    is_exact.then_some(number as i64)
}

fn is_exact(number: &Number) -> bool {
    let is_whole = number.is_i64() || number.is_u64();
    is_whole
        || number
            .as_f64()
            .is_some_and(|number| number.abs() < FRACTION_BELOW)
}

/// A JSON number as Cedar spells decimals: with a point, without an exponent.
fn decimal(number: &str) -> Option<String> {
    let (digits, exponent) = match number.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    // Where the point stands, counted from the left.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    if !(-20..=40).contains(&point) {
        return (all.bytes().all(|b| b == b'0')).then(|| "0.0".to_owned());
    }
    let (mut whole, mut fraction) = (String::new(), String::new());
    for place in point.min(0)..i32::try_from(all.len()).ok()?.max(point) {
        let digit = usize::try_from(place)
            .ok()
            .and_then(|place| all.get(place..=place));
        match place < point {
            true => whole.push_str(digit.unwrap_or("0")),
            false => fraction.push_str(digit.unwrap_or("0")),
        }
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > PLACES_MAX {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = match fraction {
        "" => "0",
        fraction => fraction,
    };
    let is_in_range = whole.len() < 15
        || (whole.len() == 15
            && format!("{whole}{fraction:0<4}").parse::<u64>().ok()? <= i64::MAX.unsigned_abs());
    is_in_range.then(|| format!("{sign}{whole}.{fraction}"))
}

fn unfit(why: &'static str) -> Unfit {
    Unfit {
        path: String::new(),
        why,
    }
}

impl Unfit {
    fn within(self, name: &str) -> Self {
        let path = match self.path.is_empty() {
            true => name.to_owned(),
            false => format!("{name}.{}", self.path),
        };
        Self { path, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_become_decimals_exactly_or_not_at_all() {
        for (number, wanted) in [
            ("0", Some("0.0")),
            ("-0", Some("-0.0")),
            ("1.5", Some("1.5")),
            ("-12.3400", Some("-12.34")),
            ("1e3", Some("1000.0")),
            ("1.25e1", Some("12.5")),
            ("25e-2", Some("0.25")),
            ("1e-4", Some("0.0001")),
            ("1e-5", None),
            ("0.00001", None),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("922337203685477.5808", None),
            ("1e15", None),
            ("1e300", None),
            ("1e-300", None),
            ("0e300", Some("0.0")),
        ] {
            assert_eq!(decimal(number).as_deref(), wanted, "{number}");
            if let Some(text) = wanted {
                use std::str::FromStr as _;
                let text = format!("decimal(\"{text}\")");
                assert!(cedar_policy::Expression::from_str(&text).is_ok(), "{text}");
            }
        }
    }
}
