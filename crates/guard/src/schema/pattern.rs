//! Patterns as ECMA-262 writes them, matched in linear time.

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
        let rust = jsonschema_regex::to_rust_regex(text)
            .map_err(|()| "it is not an ECMA-262 regular expression")?;
        let limits = meta::Config::new()
            .nfa_size_limit(Some(PATTERN_COMPILED_BYTES_MAX))
            .onepass_size_limit(Some(PATTERN_COMPILED_BYTES_MAX))
            .hybrid_cache_capacity(4 * PATTERN_COMPILED_BYTES_MAX)
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
