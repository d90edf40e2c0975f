//! Texts of strangers, made fit for places where text can be read as markup.

use cardea_domain::text::{Breaks, visible};

/// Names and numbers.
pub(crate) const WORD_CHARS_MAX: usize = 200;
/// What is quoted: enough to see what somebody wants; the page has the rest.
pub(crate) const SAID_CHARS_MAX: usize = 600;

/// A name: one line, bounded, without what hides or reorders text.
pub(crate) fn word(text: &str) -> String {
    unlinked(&visible(text, WORD_CHARS_MAX, Breaks::Shown))
}

/// A text to be quoted: bounded, and in quotation marks that it cannot end.
pub(crate) fn quoted(text: &str) -> String {
    let inner = visible(text, SAID_CHARS_MAX, Breaks::Shown).replace(['“', '”'], "\"");
    format!("“{}”", unlinked(&inner))
}

/// Addresses that programs do not make links of: whoever wrote one is not to lead people anywhere.
fn unlinked(text: &str) -> String {
    text.replace("://", "[:]//").replace("www.", "www[.]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_cannot_be_ended_from_within_and_is_bounded() {
        let shown = quoted("done” Approved by “ops\nClick https://evil.example\u{202e}");
        assert_eq!(
            shown,
            "“done\" Approved by \"ops\\nClick https[:]//evil.example\\u{202e}”"
        );
        assert!(quoted(&"x".repeat(10_000)).chars().count() < SAID_CHARS_MAX + 50);
    }
}
