//! The canonical form of JSON, to be digested: one value, one text.
//!
//! Stricter than the scheme, since two readers of one digest must see one value: what I-JSON
//! calls not interoperable is refused instead of rounded.
//!
//! # Source
//! RFC 8785 (JSON Canonicalization Scheme); RFC 7493 (I-JSON) section 2.

use thiserror::Error;

use crate::json::{self, Cursor, JsonError, Limits, ValueKind};

/// Why a text has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// The text is not JSON, too deep, or has a key twice.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A whole number that a double does not hold exactly (RFC 7493 section 2.2), or one of no finite double.
    #[error("the number `{0}` is beyond what every reader reads alike")]
    Number(String),
    /// A string with half of a surrogate pair (RFC 7493 section 2.1).
    #[error("a string is not valid Unicode at byte {0}")]
    Text(usize),
}

/// 2^53 - 1: the whole numbers up to here are doubles, each of its own.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// How much of a refused number is shown.
const SHOWN_CHARS_MAX: usize = 40;

/// The canonical form of a JSON text, as UTF-8.
///
/// # Errors
/// [`CanonicalError`] when the text is not I-JSON.
///
/// # Source
/// RFC 8785 section 3.2.
pub fn canonical(text: &str, limits: &Limits) -> Result<String, CanonicalError> {
    json::check(text, limits)?;
    let mut out = String::with_capacity(text.len());
    value(&mut Cursor::new(text), &mut out)?;
    Ok(out)
}

/// Recurses as deep as the text is nested, which `check` has bounded.
fn value(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), CanonicalError> {
    match cursor.kind() {
        ValueKind::Object => object(cursor, out),
        ValueKind::Array => array(cursor, out),
        ValueKind::String => {
            let span = cursor.skip();
            let start = span.start;
            let plain = json::as_str(cursor.text(span)).ok_or(CanonicalError::Text(start))?;
            string(&plain, out);
            Ok(())
        }
        ValueKind::Number => {
            let span = cursor.skip();
            number(cursor.text(span), out)
        }
        ValueKind::Bool | ValueKind::Null => {
            let span = cursor.skip();
            out.push_str(cursor.text(span));
            Ok(())
        }
    }
}

fn array(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), CanonicalError> {
    out.push('[');
    cursor.enter();
    let mut is_first = true;
    while cursor.next_element() {
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        value(cursor, out)?;
    }
    out.push(']');
    Ok(())
}

/// Members in the order of their keys as UTF-16 (section 3.2.3).
fn object(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), CanonicalError> {
    let mut members = Vec::new();
    cursor.enter();
    while let Some(key) = cursor.next_key() {
        let mut member = String::new();
        value(cursor, &mut member)?;
        members.push((key, member));
    }
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (n, (key, member)) in members.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        string(key, out);
        out.push(':');
        out.push_str(member);
    }
    out.push('}');
    Ok(())
}

/// Section 3.2.2.2: the short escapes, `\u00xx` in lower case for other control characters.
fn string(plain: &str, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    for char in plain.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => {
                // Writing to a `String` does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// Section 3.2.2.3: as ECMAScript writes a double.
fn number(raw: &str, out: &mut String) -> Result<(), CanonicalError> {
    let beyond = || CanonicalError::Number(raw.chars().take(SHOWN_CHARS_MAX).collect());
    let is_whole = !raw.contains(['.', 'e', 'E']);
    if is_whole {
        let magnitude = raw.trim_start_matches('-').parse::<u64>();
        if !magnitude.is_ok_and(|m| m <= INTEGER_MAX) {
            return Err(beyond());
        }
    }
    let double: f64 = raw.parse().map_err(|_| beyond())?;
    if !double.is_finite() {
        return Err(beyond());
    }
    let text = serde_json_canonicalizer::to_string(&double).map_err(|_| beyond())?;
    out.push_str(&text);
    Ok(())
}

#[cfg(test)]
mod tests;
