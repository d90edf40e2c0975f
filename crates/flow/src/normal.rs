//! One spelling for what people and models read as the same text.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization as _;

/// Text in the form that is compared: compatibility characters and letter case are alike, what is not seen is gone, tags
/// are the letters that models read them as, and defanged addresses are addresses.
///
/// Linear in the length of `text`.
#[must_use]
pub fn normal(text: &str) -> String {
    let read = as_read(text);
    let text = read.as_ref();
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

/// Text as whoever reads JSON, Markdown and HTML reads it: without what escapes a character, and without tags that part no words.
fn as_read(text: &str) -> Cow<'_, str> {
    let mut read = Cow::Borrowed(text);
    if text.contains('\\') {
        read = Cow::Owned(unescaped(&read));
    }
    if read.contains('<') {
        read = Cow::Owned(without_tags(&read));
    }
    if read.contains('&') {
        read = Cow::Owned(without_entities(&read));
    }
    read
}

/// Escapes of JSON and of Markdown. A backslash before a letter that neither has is a backslash.
fn unescaped(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        read.push_str(before);
        let next = after.chars().next();
        let digits = after.get(1..5).filter(|_| next == Some('u'));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let (meant, length) = match next {
            None => (None, 0),
            Some('n' | 'r' | 't' | 'b' | 'f') => (Some(' '), 1),
            Some('u') if code.is_some() => (code.and_then(char::from_u32), 5),
            Some(next) if next.is_alphanumeric() => (Some('\\'), 0),
            Some(next) => (Some(next), next.len_utf8()),
        };
        read.extend(meant);
        rest = after.get(length..).unwrap_or_default();
    }
    read.push_str(rest);
    read
}

/// Character references of HTML: all numbers, and the names of signs that stand in addresses.
fn without_entities(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        read.push_str(before);
        let named = until(after, b';', ENTITY_BYTES_MAX);
        match named.and_then(|(name, left)| Some((entity(name)?, left))) {
            Some((meant, left)) => {
                read.push(meant);
                rest = left;
            }
            None => {
                read.push('&');
                rest = after;
            }
        }
    }
    read.push_str(rest);
    read
}

/// What stands before a sign that is near, and what stands behind it.
fn until(text: &str, sign: u8, bytes_max: usize) -> Option<(&str, &str)> {
    let at = text.bytes().take(bytes_max).position(|b| b == sign)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn entity(name: &str) -> Option<char> {
    let number = |digits, radix| {
        u32::from_str_radix(digits, radix)
            .ok()
            .and_then(char::from_u32)
    };
    match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(digits, 10),
        },
        None => Some(match name {
            "amp" => '&',
            "apos" => '\'',
            "colon" => ':',
            "commat" => '@',
            "gt" => '>',
            "lowbar" => '_',
            "lt" => '<',
            "nbsp" => ' ',
            "period" => '.',
            "plus" => '+',
            "quot" => '"',
            "sol" => '/',
            _ => return None,
        }),
    }
}

/// `CounterClockwise…` and the like are none of ours.
const ENTITY_BYTES_MAX: usize = 10;

/// Without the tags that may stand within a word.
fn without_tags(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        read.push_str(before);
        match until(after, b'>', TAG_BYTES_MAX).filter(|(tag, _)| is_inline(tag)) {
            Some((_, left)) => rest = left,
            None => {
                read.push('<');
                rest = after;
            }
        }
    }
    read.push_str(rest);
    read
}

fn is_inline(tag: &str) -> bool {
    const INLINE: [&str; 24] = [
        "a", "abbr", "b", "bdi", "bdo", "code", "em", "font", "i", "kbd", "mark", "q", "s", "samp",
        "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let name = tag
        .split(|c: char| c.is_whitespace() || c == '/')
        .next()
        .unwrap_or_default();
    INLINE
        .iter()
        .any(|inline| inline.eq_ignore_ascii_case(name))
}

/// What is longer is no tag, or hides nothing within a word.
const TAG_BYTES_MAX: usize = 1024;

/// How addresses are written so that nobody follows them.
const DEFANGED: [(&str, &str); 17] = [
    (" [at] ", "@"),
    (" (at) ", "@"),
    (" [dot] ", "."),
    (" (dot) ", "."),
    (" [.] ", "."),
    (" [ . ] ", "."),
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
        for (spelt, read) in [
            (r"\u003cevil@example.com\u003e", "<evil@example.com>"),
            (r"to:\nevil@example.com", "to: evil@example.com"),
            ("evil&#64;example&#x2e;com", "evil@example.com"),
            (
                "evil&commat;example&period;com &amp; x&y",
                "evil@example.com & x&y",
            ),
            (
                "<b>evil</b>@<span class=\"x\">example</span>.com",
                "evil@example.com",
            ),
            ("<td>evil@example.com</td>", "<td>evil@example.com</td>"),
            (r"evil\_x@example.com", "evil_x@example.com"),
            (r"c:\dir\x \", r"c:\dir\x "),
            ("evil [at] example [dot] com", "evil@example.com"),
            ("1 < 2 && 3 > 2 <", "1 < 2 && 3 > 2 <"),
        ] {
            assert_eq!(normal(spelt), read, "{spelt}");
        }
        assert_eq!(decoded("a%2525b%40c"), "a%b@c");
    }
}
