//! Texts that models, servers and strangers wrote, made safe to look at.
//!
//! Templates escape what HTML would read. What is left are characters that change how the text
//! around them is seen: controls, reordering, what is invisible. They are shown as escapes.

pub mod diff;

use std::fmt::Write as _;

/// A text with every character that could deceive shown as an escape, cut after `chars_max`
/// characters. Line breaks and tabs stay where `breaks` says so.
pub fn visible(text: &str, chars_max: usize, breaks: Breaks) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        match c {
            '\n' | '\t' if breaks == Breaks::Kept => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if deceives(c) => {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    let more = chars.count();
    if more > 0 {
        let _ = write!(shown, "… (and {more} characters more)");
    }
    shown
}

/// What becomes of line breaks and tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaks {
    /// They stay.
    Kept,
    /// They are shown as escapes.
    Shown,
}

/// Whether a character is a control, reorders text, or cannot be seen.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, Arabic letter mark, Hangul and Khmer fillers, Mongolian separators.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            // Zero width, directions, line and paragraph separators, overrides, isolates.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Braille blank, Hangul fillers, byte order mark, interlinear marks.
            | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            // Variation selectors, tags, private use: nobody sees the same.
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{f0000}'..='\u{10ffff}'
            // Musical format controls, shorthand format controls.
            | '\u{1d173}'..='\u{1d17a}' | '\u{1bca0}'..='\u{1bca3}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_reorders_or_hides_text_is_shown_as_an_escape() {
        let shown = visible("a\u{202e}b\u{200b}\u{7}\r\n", 99, Breaks::Shown);
        assert_eq!(shown, "a\\u{202e}b\\u{200b}\\u{7}\\u{d}\\n");
        assert_eq!(
            visible("ünï 漢字 שלום 🙂", 99, Breaks::Shown),
            "ünï 漢字 שלום 🙂"
        );
        assert_eq!(visible("a\n\tb", 99, Breaks::Kept), "a\n\tb");
    }

    #[test]
    fn what_is_cut_is_said_to_be() {
        assert_eq!(
            visible("abcdef", 2, Breaks::Shown),
            "ab… (and 4 characters more)"
        );
        assert_eq!(visible("ab", 2, Breaks::Shown), "ab");
    }

    proptest! {
        #[test]
        fn nothing_that_deceives_is_left(text in any::<String>()) {
            let shown = visible(&text, 64, Breaks::Kept);
            let is_clean = shown.chars().all(|c| matches!(c, '\n' | '\t') || !deceives(c));
            prop_assert!(is_clean);
        }
    }
}
