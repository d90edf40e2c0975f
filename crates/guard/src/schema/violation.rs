//! Why a value is not as a schema says.

use std::fmt;

/// Where a value departs from a schema, and what the schema wanted there. Shows nothing of values,
/// and of names of members no more than it takes to find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON pointer into the value; empty for the value itself.
    pub pointer: String,
    /// The keyword that was not satisfied, such as `required`; `steps` when the check was too much work.
    pub keyword: &'static str,
    /// What was expected, for a model or person to act on.
    pub expected: String,
}

/// What of a schema's or a caller's text is shown at most.
const SHOWN_CHARS_MAX: usize = 160;
/// What of a pointer is shown at most.
const POINTER_BYTES_MAX: usize = 256;

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str("the whole")?,
            pointer => write!(f, "`{pointer}`")?,
        }
        write!(f, ": {} (`{}`)", self.expected, self.keyword)
    }
}

impl std::error::Error for Violation {}

/// A text of a stranger's, as short as it is useful.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Appends one step to a pointer (RFC 6901), as long as it is not too long already.
pub(crate) fn push_step(pointer: &mut String, step: &str) {
    if pointer.len() >= POINTER_BYTES_MAX {
        return;
    }
    pointer.push('/');
    for c in step.chars().take(64) {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c if c.is_control() => pointer.extend(c.escape_debug()),
            c => pointer.push(c),
        }
    }
}
