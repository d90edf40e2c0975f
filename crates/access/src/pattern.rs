//! Names by pattern: `*` stands for any run of characters, everything else for itself.

use std::fmt;

use thiserror::Error;

/// A name, or many names by a pattern with `*`.
///
/// `*` also stands for `/` and for nothing at all. There is no way to write a literal `*`: what
/// has one in its name is matched by the pattern around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// An empty pattern matches nothing that exists.
    #[error("a pattern is empty; write `*` for any name")]
    Empty,
    /// More stars than [`PATTERN_STARS_MAX`].
    #[error("`{0}` has more than {PATTERN_STARS_MAX} `*`; write fewer, or several patterns")]
    Stars(String),
    /// Longer than any name that it could match.
    #[error("a pattern is longer than {PATTERN_BYTES_MAX} bytes; shorten it with `*`")]
    Long,
}

/// Matching takes at most one pass over the name for each star.
pub const PATTERN_STARS_MAX: usize = 8;

/// As long as a resource's URI may be.
pub const PATTERN_BYTES_MAX: usize = 4096;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] when it is empty, too long, or has too many stars.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::Long);
        }
        if text.matches('*').count() > PATTERN_STARS_MAX {
            return Err(PatternError::Stars(text.chars().take(64).collect()));
        }
        Ok(Self(text.into()))
    }

    /// Whether the whole name is what the pattern says.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return *self.0 == *name;
        };
        let Some(mut left) = name.strip_prefix(first) else {
            return false;
        };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place of each part leaves the most for those that follow.
        for part in middle.split('*').filter(|part| !part.is_empty()) {
            match left.split_once(part) {
                Some((_, after)) => left = after,
                None => return false,
            }
        }
        left.ends_with(last)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How narrow it is: an exact name before any pattern, then by the characters that it fixes.
    #[must_use]
    pub(crate) fn narrowness(&self) -> (bool, usize) {
        let stars = self.0.matches('*').count();
        (stars == 0, self.0.len() - stars)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_is_special() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "a/b"),
            ("read_*", "read_"),
            ("read_*", "read_file"),
            ("*_file", "read_file"),
            ("a*b*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("a**c", "abc"),
            ("file:///srv/?x.[1]", "file:///srv/?x.[1]"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("read", "read_file"),
            ("read_*", "xread_file"),
            ("a*a", "a"),
            ("a*b*c", "ac"),
            ("*b*b", "b"),
            ("file?", "files"),
            ("Read", "read"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_no_name_can_be_is_no_pattern() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert!(Pattern::parse(&"*a".repeat(PATTERN_STARS_MAX + 1)).is_err());
        assert_eq!(
            Pattern::parse(&"a".repeat(PATTERN_BYTES_MAX + 1)),
            Err(PatternError::Long)
        );
    }

    /// The definition, without a thought for its cost.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                (0..=name.len()).any(|n| by_definition(rest, name.get(n..).unwrap_or_default()))
            }
            ([p, rest @ ..], [n, name @ ..]) => p == n && by_definition(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            let definition = by_definition(
                &pattern.chars().collect::<Vec<_>>(),
                &name.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(matches(&pattern, &name), definition);
        }
    }
}
