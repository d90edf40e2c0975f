//! What of a name is left when everything is taken away that readers may read differently.
//!
//! Some JSON readers match keys without regard to case (Go's `encoding/json`), some cut at a NUL,
//! some normalise. A caller who writes `Org` beside a forced `org` must not find one that takes
//! the wrong one.

use unicode_normalization::UnicodeNormalization as _;

/// The skeleton of a name: cut at a NUL, normalised (NFKC), without case, blanks and unseen
/// characters. Two names with one skeleton may be one name to some reader.
///
/// Case goes by the way of upper case, so that `ſ` is an `s` and the Kelvin sign a `k`.
pub(crate) fn skeleton(name: &str) -> String {
    let readable = name.split('\0').next().unwrap_or_default();
    readable
        .nfkc()
        .filter(|c| !is_unseen(*c))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// Blanks, controls, and characters that show nothing (the common ones of
/// `Default_Ignorable_Code_Point`).
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_reader_takes_for_one_have_one_skeleton() {
        for alike in [
            "ORG",
            "Org",
            "org\0",
            "org\0evil",
            " org",
            "o\u{200b}rg",
            "\u{feff}org",
            "ｏｒｇ",
            "org\t",
        ] {
            assert_eq!(skeleton(alike), "org", "{alike:?}");
        }
        assert_eq!(skeleton("ta\u{17f}k"), skeleton("TAS\u{212a}"));
        assert_eq!(skeleton("gro\u{308}ße"), skeleton("GRÖSSE"));
        for other in ["orgs", "or", "o-rg", "org_id"] {
            assert_ne!(skeleton(other), "org", "{other:?}");
        }
    }
}
