//! A way through a text that [`check`](super::check) has accepted, member by member.
//!
//! Every position is one of the text, so that what is found can be replaced in place. Each byte
//! is read once, however deep it stands; nothing is allocated but keys that are spelt with
//! escapes. On a text that was not checked the results mean nothing, but every walk ends.

use std::{borrow::Cow, ops::Range};

use super::unescape;

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// Digits, perhaps with sign, fraction and exponent.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A place in a checked text.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the text's value.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte to be read, counted from the text's start.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What the next value is.
    pub fn kind(&mut self) -> ValueKind {
        self.blank();
        match self.peek() {
            Some(b'{') => ValueKind::Object,
            Some(b'[') => ValueKind::Array,
            Some(b'"') => ValueKind::String,
            Some(b't' | b'f') => ValueKind::Bool,
            Some(b'-' | b'0'..=b'9') => ValueKind::Number,
            _ => ValueKind::Null,
        }
    }

    /// Steps behind the bracket that opens the object or array.
    pub fn enter(&mut self) {
        self.blank();
        self.step();
    }

    /// The next key of the object that was entered, and where its value starts; the cursor stands
    /// before that value. `None` when the object is over: the cursor stands behind it.
    pub fn next_key(&mut self) -> Option<Cow<'a, str>> {
        if !self.next_child(b'}') {
            return None;
        }
        let key = self.string();
        self.blank();
        self.step();
        self.blank();
        let inside = self.text.get(key.start + 1..key.end.saturating_sub(1))?;
        Some(match inside.contains('\\') {
            // INVARIANT: `check` refuses keys that cannot be unescaped.
            true => unescape(inside).map_or(Cow::Borrowed(inside), Cow::Owned),
            false => Cow::Borrowed(inside),
        })
    }

    /// Steps before the next element of the array that was entered; `false` when it is over: the
    /// cursor stands behind it.
    pub fn next_element(&mut self) -> bool {
        self.next_child(b']')
    }

    /// Steps behind the next value and gives its span.
    pub fn skip(&mut self) -> Range<usize> {
        self.blank();
        let start = self.at;
        match self.peek() {
            Some(b'"') => drop(self.string()),
            Some(b'{' | b'[') => self.nested(),
            _ => self.scalar(),
        }
        start..self.at
    }

    /// The text of a span.
    #[must_use]
    pub fn text(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    fn next_child(&mut self, close: u8) -> bool {
        self.blank();
        if self.peek() == Some(b',') {
            self.step();
            self.blank();
        }
        match self.peek() {
            None => false,
            Some(byte) if byte == close => {
                self.step();
                false
            }
            Some(_) => true,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = (self.at + 1).min(self.text.len());
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// A string with its quotes.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.step();
        loop {
            let Some(run) = memchr::memchr2(b'"', b'\\', self.rest()) else {
                self.at = self.text.len();
                return start..self.at;
            };
            self.at += run;
            let byte = self.peek();
            self.step();
            if byte == Some(b'"') {
                return start..self.at;
            }
            self.step();
        }
    }

    fn nested(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                None => return,
                Some(b'"') => {
                    self.string();
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth = depth.saturating_sub(1),
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn scalar(&mut self) {
        let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        let run = self.rest().iter().position(ends);
        self.at += run.unwrap_or(self.rest().len());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::json::{Limits, check};

    /// The value, read by the cursor.
    fn read(cursor: &mut Cursor<'_>) -> Value {
        match cursor.kind() {
            ValueKind::Object => {
                let mut map = serde_json::Map::new();
                cursor.enter();
                while let Some(key) = cursor.next_key() {
                    map.insert(key.into_owned(), read(cursor));
                }
                Value::Object(map)
            }
            ValueKind::Array => {
                let mut items = Vec::new();
                cursor.enter();
                while cursor.next_element() {
                    items.push(read(cursor));
                }
                Value::Array(items)
            }
            _ => {
                let span = cursor.skip();
                serde_json::from_str(cursor.text(span)).unwrap()
            }
        }
    }

    #[test]
    fn a_walk_finds_what_is_there() {
        let text = r#" { "a" : [ 1 , {"b":"}\""} , [ ] , { } ] , "c\u0064" : null,"e":-1.5e3 } "#;
        check(text, &Limits::default()).unwrap();
        let mut cursor = Cursor::new(text);
        assert_eq!(
            read(&mut cursor),
            serde_json::from_str::<Value>(text).unwrap()
        );
        assert_eq!(cursor.position(), text.len() - 1);
    }

    #[test]
    fn a_skipped_value_is_skipped_whole() {
        let text = r#"{"a":{"b":["]}",{"c":"\\"}]},"d":7}"#;
        let mut cursor = Cursor::new(text);
        cursor.enter();
        assert_eq!(cursor.next_key().unwrap(), "a");
        let span = cursor.skip();
        assert_eq!(&text[span], r#"{"b":["]}",{"c":"\\"}]}"#);
        assert_eq!(cursor.next_key().unwrap(), "d");
        let span = cursor.skip();
        assert_eq!(&text[span], "7");
        assert_eq!(cursor.next_key(), None);
    }

    proptest::proptest! {
        #[test]
        fn reads_what_serde_json_reads(text in r#"[\[\]{}",:0-9 \\n]{0,24}"#) {
            let mut cursor = Cursor::new(&text);
            if check(&text, &Limits::default()).is_ok() {
                let theirs: Value = serde_json::from_str(&text).unwrap();
                proptest::prop_assert_eq!(read(&mut cursor), theirs);
            } else {
                // It ends.
                cursor.skip();
            }
        }
    }
}
