//! Patterns as ECMA-262 writes them, matched in linear time.

use std::borrow::Cow;

use regex_automata::{meta, util::syntax};

use super::{
    PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX,
    budget::{Budget, Exhausted},
};

/// A compiled pattern. It is searched for: an anchor is the pattern's to write.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: Box<str>,
    regex: meta::Regex,
    /// Steps for each [`BYTES_A_STEP`] of text.
    weight: usize,
}

/// The fastest engine is for small patterns.
const ONE_PASS_BYTES_MAX: usize = 64 * 1024;
/// What the engine that is next remembers while it searches.
const CACHE_BYTES_MAX: usize = 512 * 1024;
/// Text that is matched in one step by a small pattern.
const BYTES_A_STEP: usize = 8;
/// A pattern of this size in memory weighs one; the slowest engine takes time by the pattern's size.
const WEIGHT_BYTES: usize = 4096;

impl Pattern {
    /// # Errors
    /// Why it cannot be used, for people.
    pub(crate) fn compile(text: &str) -> Result<Self, &'static str> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err("it is too long");
        }
        if has_flags(text) {
            return Err("it changes flags, which ECMA-262 has no way to do");
        }
        let common = in_common(text);
        let rust = jsonschema_regex::to_rust_regex(&common)
            .map_err(|()| "it is not an ECMA-262 regular expression")?;
        let limits = meta::Config::new()
            .nfa_size_limit(Some(PATTERN_COMPILED_BYTES_MAX))
            .onepass_size_limit(Some(ONE_PASS_BYTES_MAX))
            .hybrid_cache_capacity(CACHE_BYTES_MAX)
            .dfa(false);
        let regex = meta::Regex::builder()
            .configure(limits)
            // As `regex::Regex`, but bounded in what it nests.
            .syntax(syntax::Config::new().nest_limit(100))
            .build(&rust)
            .map_err(|error| match error.size_limit() {
                Some(_) => "it takes too much memory",
                None => "it cannot be matched in linear time (lookaround and backreferences cannot), or is malformed",
            })?;
        Ok(Self {
            text: text.into(),
            weight: 1 + regex.memory_usage() / WEIGHT_BYTES,
            regex,
        })
    }

    /// What it takes of memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.regex.memory_usage()
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, text: &str, budget: &mut Budget) -> Result<bool, Exhausted> {
        let steps = (text.len() / BYTES_A_STEP).saturating_mul(self.weight);
        budget.spend(1 + steps)?;
        Ok(self.regex.is_match(text))
    }

    /// Whether it occurs in the text, of whatever length.
    pub(crate) fn occurs_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// What only ECMA-262 writes so, as others do: `[^]` and `[]`, `\0`, a backspace in a class, and a character of two halves.
fn in_common(text: &str) -> Cow<'_, str> {
    const ONLY: [&str; 5] = ["[^]", "[]", "\\0", "\\b", "\\u"];
    if !ONLY.iter().any(|only| text.contains(only)) {
        return Cow::Borrowed(text);
    }
    let mut common = String::with_capacity(text.len());
    let (mut rest, mut in_class) = (text, false);
    while let Some(c) = rest.chars().next() {
        let (written, length) = match c {
            '[' if !in_class && rest.starts_with("[^]") => (r"[\s\S]".to_owned(), 3),
            '[' if !in_class && rest.starts_with("[]") => (r"[^\s\S]".to_owned(), 2),
            '\\' => escape(rest, in_class),
            _ => (c.to_string(), c.len_utf8()),
        };
        match c {
            '[' if length == 1 => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        common.push_str(&written);
        rest = rest.get(length..).unwrap_or_default();
    }
    Cow::Owned(common)
}

/// An escape at the beginning of a text, and how long it is there.
fn escape(text: &str, in_class: bool) -> (String, usize) {
    let half = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let whole = half(0).zip(half(6)).and_then(|(high, low)| {
        let is_pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
        let code = 0x1_0000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
        char::from_u32(code).filter(|_| is_pair)
    });
    if let Some(whole) = whole {
        return (whole.to_string(), 12);
    }
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('0'), next) if next.is_none_or(|c| !c.is_ascii_digit()) => (r"\x00".to_owned(), 2),
        (Some('b'), _) if in_class => (r"\x08".to_owned(), 2),
        (Some(escaped), _) => (format!("\\{escaped}"), 1 + escaped.len_utf8()),
        (None, _) => ("\\".to_owned(), 1),
    }
}

/// `(?i)` and the like mean something to the engine, and nothing to whoever wrote the pattern.
fn has_flags(text: &str) -> bool {
    let (mut is_escaped, mut in_class) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let group = text.get(at + 1..).and_then(|rest| rest.strip_prefix('?'));
                if group.is_some_and(|kind| !kind.starts_with([':', '<', '=', '!'])) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern).unwrap().occurs_in(text)
    }

    #[test]
    fn patterns_mean_what_ecma_262_says() {
        assert!(matches("^\\d+$", "42") && !matches("^\\d+$", "٤٢"));
        assert!(!matches("^\\w+$", "é") && matches("^\\W$", "é"));
        assert!(matches("^\\s$", "\u{feff}"));
        assert!(!matches("^a$", "a\n") && !matches("^.$", "\r"));
        assert!(matches("^[[a]$", "[") && matches("[a-z--b]", "-"));
        assert!(matches("^\\cC$", "\u{3}"));
        assert!(matches("^\\p{L}$", "é"));
        assert!(matches("^[^]$", "\n") && !matches("[]", "a") && matches("^a[^]*z$", "a\r\nz"));
        assert!(matches("^\\0$", "\0") && matches("^[\\b]$", "\u{8}") && matches("\\ba\\b", "a"));
        assert!(matches("^\\ud83d\\ude00$", "😀") && matches("^\\u0041[\\u0042-\\u0044]$", "AC"));
        assert!(matches(r"^[\]\[^]+$", "[]^") && matches(r"^\\b$", r"\b"));
    }

    #[test]
    fn patterns_of_real_tools_are_small_enough() {
        for (pattern, yes, no) in [
            ("^.{1,255}$", "a", ""),
            ("^[^/]{1,64}$", "a b", "a/b"),
            (r"^\S{1,32}$", "abc", "a b"),
            (r"^[\s\S]{0,100}$", "a\nb", "\u{1}".repeat(101).as_str()),
            (r"^\p{L}{1,16}$", "été", "a1"),
            (r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,16}$", "team: ops/été", "a#"),
            ("^[a-z]{1,1000}$", "abc", "aBc"),
        ] {
            assert!(matches(pattern, yes) && !matches(pattern, no), "{pattern}");
        }
    }

    #[test]
    fn what_takes_more_than_linear_time_is_refused() {
        for pattern in [
            "(?=a)b",
            "(?!a)b",
            "(?<=a)b",
            "(a)\\1",
            "(?<n>a)\\k<n>",
            "(a{1,1000}){1,1000}",
            "(",
            "[",
            "\\",
            "(?i)a",
            "(?x)a b",
            "a(?s:b)",
            "\\c",
            "(?",
            &"(".repeat(5000),
            &"(".repeat(1000),
        ] {
            assert!(Pattern::compile(pattern).is_err(), "{pattern:.40}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_pattern_is_a_panic(pattern in r"([(\[\])?*+{},|^$.\\cdDwWsSbBpPukxA-C09&~é<=!:>-]){0,24}") {
            if let Ok(pattern) = Pattern::compile(&pattern) {
                pattern.occurs_in("aA09 é-\n");
            }
        }
    }
}
