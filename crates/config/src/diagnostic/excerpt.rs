//! The line that a diagnostic points at, made safe to print.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// What fits a terminal beside the gutter; longer lines are cut around the span.
const CHARS_MAX: usize = 120;

/// How much of a cut line stands before the span.
const CHARS_BEFORE: usize = 40;

/// A tab is printed as this many spaces, so that the carets stand right everywhere.
const TAB: &str = "    ";

/// A printable line and where its carets stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) line: String,
    /// Terminal columns before the first caret.
    pub(super) indent: usize,
    pub(super) carets: usize,
}

impl Excerpt {
    /// The part of `line` around `span`, both in bytes of `text`.
    pub(super) fn new(
        text: &str,
        line: Range<usize>,
        span: &Range<usize>,
        hidden: &[Range<usize>],
    ) -> Self {
        let start = line.start;
        let content = text.get(line).unwrap_or_default();
        let before = text.get(start..span.start).unwrap_or_default();
        let span_column = before.chars().count();
        let first = if content.chars().count() <= CHARS_MAX {
            0
        } else {
            span_column.saturating_sub(CHARS_BEFORE)
        };
        let hidden: Vec<_> = hidden
            .iter()
            .filter(|range| range.start < start + content.len() && range.end > start)
            .collect();

        let mut excerpt = Self {
            line: String::new(),
            indent: 0,
            carets: 0,
        };
        if first > 0 {
            excerpt.add('…', Part::Before);
        }
        let mut chars = content.char_indices().skip(first);
        for (at, char) in chars.by_ref().take(CHARS_MAX) {
            let at = start + at;
            let part = match at {
                _ if at < span.start => Part::Before,
                _ if at < span.end => Part::Within,
                _ => Part::After,
            };
            match char {
                _ if hidden.iter().any(|range| range.contains(&at)) => excerpt.add('*', part),
                '\t' => TAB.chars().for_each(|space| excerpt.add(space, part)),
                _ => excerpt.add(harmless(char), part),
            }
        }
        if chars.next().is_some() {
            excerpt.add('…', Part::After);
        }
        excerpt.carets = excerpt.carets.max(1);
        excerpt
    }

    fn add(&mut self, char: char, part: Part) {
        let width = char.width().unwrap_or_default();
        self.line.push(char);
        match part {
            Part::Before => self.indent += width,
            Part::Within => self.carets += width,
            Part::After => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Part {
    Before,
    Within,
    After,
}

/// Control characters could rewrite the terminal, and bidirectional ones the reading order.
fn harmless(char: char) -> char {
    match char {
        '\u{061c}' | '\u{200e}' | '\u{200f}' => char::REPLACEMENT_CHARACTER,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ if char.is_control() => char::REPLACEMENT_CHARACTER,
        _ => char,
    }
}

/// Text from a file for use within a message: one line, safe to print, at most 64 characters.
pub(crate) fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(CHARS_MAX).map(harmless).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
