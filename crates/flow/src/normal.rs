//! One spelling for what people and models read as the same text.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization as _;

/// Text in the form that is compared: compatibility characters and letter case are alike, what is not seen is gone, tags
/// are the letters that models read them as, and defanged addresses are addresses.
///
/// Linear in the length of `text`.
#[must_use]
pub fn normal(text: &str) -> String {
    let lower = match text.is_ascii() {
        // Nothing of it is hidden or spelt in another way.
        true => text.to_ascii_lowercase(),
        false => {
            let seen: String = text.chars().filter_map(visible).nfkc().collect();
            seen.to_lowercase()
        }
    };
    if !lower.contains(['[', '(', '{']) && !lower.contains("hxxp") {
        return lower;
    }
    let mut text = lower;
    for (from, to) in DEFANGED {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text
}

/// How addresses are written so that nobody follows them.
const DEFANGED: [(&str, &str); 11] = [
    ("[.]", "."),
    ("(.)", "."),
    ("{.}", "."),
    ("[dot]", "."),
    ("(dot)", "."),
    ("[@]", "@"),
    ("[at]", "@"),
    ("(at)", "@"),
    ("[:]", ":"),
    ("hxxps://", "https://"),
    ("hxxp://", "http://"),
];

/// Text without percent encoding, to the bottom; as it is when that is no text.
pub(crate) fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..ENCODINGS_MAX {
        if !text.contains('%') {
            break;
        }
        let Ok(less) = percent_decode_str(&text).decode_utf8() else {
            break;
        };
        if less == text {
            break;
        }
        text = less.into_owned();
    }
    text
}

/// Nobody encodes an address more often but to hide it.
const ENCODINGS_MAX: usize = 4;

fn visible(c: char) -> Option<char> {
    match c {
        // Soft hyphen, joiners, marks of direction, invisible operators, byte order mark, variation selectors.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}' => None,
        // Tags are not shown, and models read them as ASCII.
        '\u{e0020}'..='\u{e007e}' => char::from_u32(u32::from(c) - 0xe_0000),
        '\u{e0000}'..='\u{e007f}' => None,
        _ => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting_that_readers_undo_is_undone() {
        for spelt in [
            "Evil@Example.COM",
            "evil@ex\u{200b}ample.com",
            "ｅｖｉｌ＠example．com",
            "evil[at]example[.]com",
            "evil\u{ad}@example(dot)com",
        ] {
            assert_eq!(normal(spelt), "evil@example.com", "{spelt:?}");
        }
        let tags: String = "evil"
            .chars()
            .map(|c| char::from_u32(c as u32 + 0xe_0000).unwrap())
            .collect();
        assert_eq!(normal(&tags), "evil");
        assert_eq!(normal("hxxps://x.org"), "https://x.org");
        assert_eq!(decoded("a%2525b%40c"), "a%b@c");
    }
}
