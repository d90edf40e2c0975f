//! What a plain scalar means.

use serde_json::{Number, Value};

/// Resolves a plain scalar.
///
/// `None` when it is a number that JSON or 64 bits cannot hold.
///
/// # Source
/// YAML 1.2.2 section 10.3.2, the core schema.
pub(super) fn resolve(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF"
        | ".nan" | ".NaN" | ".NAN" => return None,
        _ => {}
    }
    if let Some((digits, radix)) = integer(text) {
        return match i64::from_str_radix(digits, radix) {
            Ok(number) => Some(number.into()),
            Err(_) => u64::from_str_radix(digits, radix).ok().map(Value::from),
        };
    }
    if is_float(text) {
        return float(text).map(Value::Number);
    }
    Some(Value::String(text.to_owned()))
}

/// The digits of an integer and their radix.
fn integer(text: &str) -> Option<(&str, u32)> {
    let (digits, sign_and_digits, radix) = if let Some(digits) = text.strip_prefix("0o") {
        (digits, digits, 8)
    } else if let Some(digits) = text.strip_prefix("0x") {
        (digits, digits, 16)
    } else {
        (text.strip_prefix(['+', '-']).unwrap_or(text), text, 10)
    };
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    all_digits.then_some((sign_and_digits, radix))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_ok = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    exponent_ok && mantissa_ok
}

fn float(text: &str) -> Option<Number> {
    let number: f64 = text.parse().ok()?;
    // A whole number counts as an integer for JSON Schema, so it must be one here too.
    if number.fract() == 0.0 {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let exact = number.abs() <= EXACT_MAX;
        return exact.then(|| format!("{number:.0}").parse::<i64>().ok().map(Number::from))?;
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("True", json!(true)),
            ("no", json!("no")),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("017", json!(17)),
            ("+5", json!(5)),
            ("-5", json!(-5)),
            ("1_000", json!("1_000")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            ("2.", json!(2)),
            ("-.5", json!(-0.5)),
            (".", json!(".")),
            ("e5", json!("e5")),
            ("1e", json!("1e")),
            ("12:30", json!("12:30")),
            ("infinity", json!("infinity")),
            ("nan", json!("nan")),
            ("0x", json!("0x")),
            ("+0x1", json!("+0x1")),
        ] {
            assert_eq!(resolve(text), Some(value), "{text:?}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for text in ["18446744073709551616", "1e300", "1e999", ".inf", ".nan"] {
            assert_eq!(resolve(text), None, "{text:?}");
        }
    }
}
