//! Numbers as JSON means them: by their value, not by how they are held.

use std::cmp::Ordering;

use serde_json::Number;

/// A decimal number `digits * 10^exponent`, without trailing zeros in `digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    negative: bool,
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// The shortest decimal that reads as the same double, or the whole number itself.
    pub(super) fn of(number: &Number) -> Option<Self> {
        let text = number.to_string();
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, &*text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let mut exponent: i32 = exponent - i32::try_from(fraction.len()).ok()?;
        while digits != 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        match digits {
            0 => Some(Self {
                negative: false,
                digits: 0,
                exponent: 0,
            }),
            _ => Some(Self {
                negative,
                digits,
                exponent,
            }),
        }
    }

    /// Whether it is a whole multiple of `unit`, exactly.
    pub(super) fn is_multiple_of(self, unit: Self) -> bool {
        if unit.digits == 0 {
            return false;
        }
        if self.digits == 0 {
            return true;
        }
        let shift = self.exponent - unit.exponent;
        if shift >= 0 {
            return remainder(self.digits, shift.unsigned_abs(), unit.digits) == 0;
        }
        // The unit is `10^-shift` times coarser: more digits than that hold no multiple of it.
        10_u128
            .checked_pow(shift.unsigned_abs())
            .and_then(|power| unit.digits.checked_mul(power))
            .is_some_and(|unit| self.digits.is_multiple_of(unit))
    }
}

/// `digits * 10^shift` modulo `unit`, which has at most 20 digits, as doubles and 64-bit numbers do.
fn remainder(digits: u128, shift: u32, unit: u128) -> u128 {
    let mut left = digits % unit;
    for _ in 0..shift {
        left = left * 10 % unit;
        if left == 0 {
            break;
        }
    }
    left
}

pub(super) fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// The order of two numbers by their values; `None` where there is none.
pub(super) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    let whole = |number: &Number| {
        let signed = number.as_i64().map(i128::from);
        signed.or_else(|| number.as_u64().map(i128::from))
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn multiple(a: serde_json::Value, b: serde_json::Value) -> bool {
        let of = |v: &serde_json::Value| Decimal::of(v.as_number().unwrap()).unwrap();
        of(&a).is_multiple_of(of(&b))
    }

    #[test]
    fn multiples_are_exact() {
        assert!(multiple(json!(0.0075), json!(0.0001)));
        assert!(multiple(json!(4.5), json!(1.5)));
        assert!(multiple(json!(1e308), json!(0.5)));
        assert!(multiple(json!(0), json!(7)));
        assert!(multiple(json!(-9), json!(3.0)));
        assert!(multiple(json!(u64::MAX), json!(5)));
        assert!(!multiple(json!(0.00751), json!(0.0001)));
        assert!(!multiple(json!(1e-300), json!(1e300)));
        assert!(!multiple(json!(7), json!(3)));
    }

    #[test]
    fn whole_numbers_are_compared_exactly() {
        let number = |v: serde_json::Value| v.as_number().unwrap().clone();
        let big = number(json!(u64::MAX));
        let less = number(json!(u64::MAX - 1));
        assert_eq!(compare(&less, &big), Some(Ordering::Less));
        assert!(is_integer(&number(json!(1.0))) && !is_integer(&number(json!(1.5))));
    }
}
