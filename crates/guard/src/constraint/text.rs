//! Characters that are not what they look like, or that look like nothing.

use unicode_normalization::UnicodeNormalization as _;

use super::Expected;
use crate::skeleton::is_unseen;

/// Refuses controls, characters that show nothing or turn the direction, and characters that some
/// reader takes for one of `special`, such as a full-width `；`.
///
/// Windows maps such characters to their ASCII likes when it narrows a text ("best fit"), and
/// programs that normalise (NFKC) do the same.
pub(super) fn plain(text: &str, special: &str) -> Result<(), Expected> {
    for c in text.chars() {
        if c.is_control() {
            return Err(Expected::of("no control characters"));
        }
        if c != ' ' && is_unseen(c) {
            return Err(Expected::of("no characters that show nothing"));
        }
        if !c.is_ascii() && looks_special(c, special) {
            return Err(Expected::of("no characters that look like signs of ASCII"));
        }
    }
    Ok(())
}

/// Likes of signs that normalisation does not know of.
const LIKES: [(char, &str); 8] = [
    ('/', "\u{2044}\u{2215}\u{29f8}\u{2571}\u{1735}\u{338}"),
    ('\\', "\u{2216}\u{29f5}\u{29f9}\u{20e5}\u{a5}\u{20a9}"),
    ('|', "\u{2223}\u{2758}\u{1c0}\u{23d0}"),
    (';', "\u{37e}\u{204f}"),
    (
        '\'',
        "\u{2018}\u{2019}\u{201a}\u{201b}\u{2032}\u{2035}\u{2bc}\u{2b9}\u{b4}",
    ),
    (
        '"',
        "\u{201c}\u{201d}\u{201e}\u{201f}\u{2033}\u{2036}\u{2ba}",
    ),
    (
        '-',
        "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}",
    ),
    ('&', "\u{214b}"),
];

fn looks_special(c: char, special: &str) -> bool {
    let by_form = std::iter::once(c).nfkc().any(|c| special.contains(c));
    let mut likes = LIKES.iter();
    by_form || likes.any(|(sign, likes)| special.contains(*sign) && likes.contains(c))
}

/// Whether a `%` begins an encoded character: `%2e`, `%u002e`, `%%32e`.
pub(super) fn is_percent_encoded(text: &str) -> bool {
    text.match_indices('%').any(|(at, _)| {
        let rest = text.get(at + 1..).unwrap_or_default().as_bytes();
        match rest {
            [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
            [b'u' | b'U' | b'%', ..] => true,
            _ => false,
        }
    })
}
