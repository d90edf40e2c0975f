//! Keywords that look at a value itself.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Run, Verdict};
use crate::schema::{
    keyword::{Bound, Keyword, Length},
    number::{Decimal, compare},
    violation::shown,
};

impl<'s, 'v> Run<'s, 'v> {
    /// Keywords for any type, for numbers and for strings.
    pub(super) fn scalar(&mut self, keyword: &'s Keyword, value: &'v Value) -> Verdict {
        match (keyword, value) {
            (Keyword::Nothing, _) => self.fail("false", || "nothing here".into()),
            (Keyword::Type(types), _) if !types.holds(value) => self.fail("type", || types.names()),
            (Keyword::MultipleOf(unit), Value::Number(number)) => {
                let is_multiple = Decimal::of(number)
                    .zip(Decimal::of(unit))
                    .is_some_and(|(number, unit)| number.is_multiple_of(unit));
                match is_multiple {
                    true => Ok(true),
                    false => self.fail("multipleOf", || format!("a multiple of {unit}")),
                }
            }
            (Keyword::Bound(bound, limit), Value::Number(number)) => {
                let order = compare(number, limit);
                let (holds, word, text) = match bound {
                    Bound::Minimum => (order.is_some_and(Ordering::is_ge), "minimum", "at least"),
                    Bound::Maximum => (order.is_some_and(Ordering::is_le), "maximum", "at most"),
                    Bound::ExclusiveMinimum => (
                        order.is_some_and(Ordering::is_gt),
                        "exclusiveMinimum",
                        "more than",
                    ),
                    Bound::ExclusiveMaximum => (
                        order.is_some_and(Ordering::is_lt),
                        "exclusiveMaximum",
                        "less than",
                    ),
                };
                match holds {
                    true => Ok(true),
                    false => self.fail(word, || format!("{text} {limit}")),
                }
            }
            (Keyword::Length(length, limit), Value::String(text)) => {
                let (word, is_min) = match length {
                    Length::CharsMin => ("minLength", true),
                    Length::CharsMax => ("maxLength", false),
                    _ => return Ok(true),
                };
                self.budget.spend(text.len() / 64)?;
                self.count(word, is_min, text.chars().count(), *limit, "characters")
            }
            (Keyword::Pattern(pattern), Value::String(text)) => {
                match pattern.matches(text, &mut self.budget)? {
                    true => Ok(true),
                    false => self.fail("pattern", || {
                        format!("a string that matches `{}`", shown(pattern.as_str()))
                    }),
                }
            }
            _ => Ok(true),
        }
    }

    pub(super) fn count(
        &mut self,
        word: &'static str,
        is_min: bool,
        count: usize,
        limit: u64,
        what: &str,
    ) -> Verdict {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        match if is_min {
            count >= limit
        } else {
            count <= limit
        } {
            true => Ok(true),
            false => self.fail(word, || {
                let bound = if is_min { "at least" } else { "at most" };
                format!("{bound} {limit} {what}")
            }),
        }
    }
}
