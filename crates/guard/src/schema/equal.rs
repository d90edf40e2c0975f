//! Equality of JSON values: `1` is `1.0`, and members have no order.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::{
    budget::{Budget, Exhausted},
    number::Decimal,
};

/// Whether two values are one. Costs at most the size of the smaller.
pub(super) fn equal(a: &Value, b: &Value, budget: &mut Budget) -> Result<bool, Exhausted> {
    budget.spend(1)?;
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => is_same_number(a, b),
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, a) in a {
                let Some(b) = b.get(key) else {
                    return Ok(false);
                };
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Whether two numbers are one, to their last digit.
pub(crate) fn is_same_number(a: &Number, b: &Number) -> bool {
    a == b || Decimal::of(a).is_some_and(|a| Some(a) == Decimal::of(b))
}

/// Appends a text that two values share when, and only when, they are equal.
pub(super) fn write_key(
    value: &Value,
    out: &mut String,
    budget: &mut Budget,
) -> Result<(), Exhausted> {
    budget.spend(1)?;
    match value {
        Value::Null => out.push('n'),
        Value::Bool(true) => out.push('t'),
        Value::Bool(false) => out.push('f'),
        // Writing to a string cannot fail.
        Value::Number(number) => drop(match Decimal::of(number) {
            Some(decimal) => write!(out, "{decimal:?}"),
            None => write!(out, "{number}"),
        }),
        Value::String(text) => {
            budget.spend(text.len() / 64)?;
            let _ = write!(out, "{text:?}");
        }
        Value::Array(values) => {
            out.push('[');
            for value in values {
                write_key(value, out, budget)?;
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in members {
                budget.spend(key.len() / 64)?;
                let _ = write!(out, "{key:?}:");
                write_key(value, out, budget)?;
                out.push(',');
            }
            out.push('}');
        }
    }
    Ok(())
}
