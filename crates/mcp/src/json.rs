//! A strict, single-pass JSON check that remembers where the members are.
//!
//! serde_json keeps the last of two equal keys, other parsers the first; a gateway that decides
//! on one reading while the server acts on the other is no gateway. So a text with duplicate
//! keys, at any depth, is refused here, before anybody reads a value.
//!
//! Cost: one pass over the bytes; strings are skipped with `memchr`. Memory: one entry per open
//! key, one span per member of the envelope.

mod cursor;

use std::{collections::HashSet, ops::Range};

use thiserror::Error;

pub use cursor::{Cursor, ValueKind};

/// How deep and wide a text may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nested arrays and objects. The check recurses, so this also bounds the stack.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 64 }
    }
}

/// Why a text was refused; `offset` is in bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The text is not JSON (RFC 8259).
    #[error("not valid JSON at byte {offset}: expected {expected}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// Arrays and objects are nested deeper than the limit.
    #[error("nested deeper than {depth_max} at byte {offset}")]
    TooDeep {
        /// Where.
        offset: usize,
        /// The limit.
        depth_max: usize,
    },
    /// The message, its body and its `_meta` together have more members than [`MEMBERS_MAX`].
    #[error("more than {MEMBERS_MAX} members in the envelope at byte {offset}")]
    TooWide {
        /// Where the first one too many ends.
        offset: usize,
    },
    /// An object has the same key twice.
    #[error("duplicate key at byte {offset}")]
    DuplicateKey {
        /// Where the second one starts.
        offset: usize,
    },
}

/// Where a member of the envelope stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A member of the message itself.
    Top,
    /// A member of `params`, `result` or `error`; a message has only one of them.
    Body,
    /// A member of `_meta` in `params` or `result`.
    Meta,
}

/// The spans of one member, in bytes of the checked text.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where it stands.
    pub level: Level,
    /// The key without its quotes, still escaped.
    pub key: Range<usize>,
    /// Whether the key holds an escape sequence.
    pub key_escaped: bool,
    /// The whole value.
    pub value: Range<usize>,
}

/// Members of a message, its body and its `_meta` together: each is looked through for every
/// lookup, and held as 56 bytes while the message is. Real ones have some twenty.
pub const MEMBERS_MAX: usize = 4096;

/// Checks `text` and returns the members of its envelope, in the order of their ends.
///
/// # Errors
/// [`JsonError`] at the first byte that breaks a rule.
pub fn check(text: &str, limits: &Limits) -> Result<Vec<Member>, JsonError> {
    let mut scan = Scan {
        text: text.as_bytes(),
        at: 0,
        depth_max: limits.depth_max,
        keys: Vec::with_capacity(16),
        members: Vec::with_capacity(16),
    };
    scan.blank();
    scan.value(1, Within::Root)?;
    scan.blank();
    if scan.at != scan.text.len() {
        return Err(scan.malformed("the end of the text"));
    }
    Ok(scan.members)
}

/// Undoes the escapes of a JSON string's inside; `None` where it is not valid.
#[must_use]
pub fn unescape(inside: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{inside}\"")).ok()
}

/// The text of a raw JSON string, or `None` when the value is not a string.
#[must_use]
pub fn as_str(raw: &str) -> Option<std::borrow::Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        unescape(inside).map(Into::into)
    } else {
        Some(inside.into())
    }
}

/// `text` with each span replaced; spans are ascending and do not overlap.
#[must_use]
pub fn splice(text: &[u8], edits: &[(Range<usize>, &[u8])]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(text.len() + grown);
    let mut at = 0;
    for (span, new) in edits {
        out.extend_from_slice(text.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(new);
        at = span.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// What the scanner stands in, as far as the envelope is concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Root,
    Body,
    Meta,
    Other,
}

#[derive(Clone)]
struct Key {
    span: Range<usize>,
    escaped: bool,
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth_max: usize,
    /// The keys of all open objects; each object looks at its own end of the list.
    keys: Vec<Key>,
    members: Vec<Member>,
}

/// Above this many keys an object is checked with a hash set instead of by comparing pairs.
const PAIRWISE_KEYS_MAX: usize = 16;

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn malformed(&self, expected: &'static str) -> JsonError {
        JsonError::Malformed {
            offset: self.at,
            expected,
        }
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize, within: Within) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(depth, within),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.malformed("a value")),
        }
    }

    fn open(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth > self.depth_max {
            return Err(JsonError::TooDeep {
                offset: self.at,
                depth_max: self.depth_max,
            });
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1, Within::Other)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.malformed("`,` or `]`")),
            }
            self.blank();
        }
    }

    fn object(&mut self, depth: usize, within: Within) -> Result<(), JsonError> {
        self.open(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let first_key = self.keys.len();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.malformed("a key in quotes"));
            }
            let key = self.string()?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.malformed("`:`"));
            }
            self.at += 1;
            self.blank();
            let start = self.at;
            self.value(depth + 1, self.inside(within, &key))?;
            self.remember(within, &key, start..self.at)?;
            self.keys.push(key);
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => return Err(self.malformed("`,` or `}`")),
            }
            self.blank();
        }
        self.distinct(first_key)?;
        self.keys.truncate(first_key);
        Ok(())
    }

    /// What the value of `key` is, seen from the envelope; an escaped spelling means the same.
    fn inside(&self, within: Within, key: &Key) -> Within {
        if !matches!(within, Within::Root | Within::Body) {
            return Within::Other;
        }
        let spelt = std::str::from_utf8(self.key_bytes(key)).unwrap_or_default();
        let plain = if key.escaped {
            unescape(spelt).unwrap_or_default().into()
        } else {
            std::borrow::Cow::Borrowed(spelt)
        };
        match (within, &*plain) {
            (Within::Root, "params" | "result" | "error") => Within::Body,
            (Within::Body, "_meta") => Within::Meta,
            _ => Within::Other,
        }
    }

    fn remember(
        &mut self,
        within: Within,
        key: &Key,
        value: Range<usize>,
    ) -> Result<(), JsonError> {
        let level = match within {
            Within::Root => Level::Top,
            Within::Body => Level::Body,
            Within::Meta => Level::Meta,
            Within::Other => return Ok(()),
        };
        if self.members.len() >= MEMBERS_MAX {
            return Err(JsonError::TooWide { offset: self.at });
        }
        self.members.push(Member {
            level,
            key: key.span.clone(),
            key_escaped: key.escaped,
            value,
        });
        Ok(())
    }

    fn key_bytes(&self, key: &Key) -> &[u8] {
        self.text.get(key.span.clone()).unwrap_or_default()
    }

    /// Fails when two keys from `first` on are equal after unescaping.
    fn distinct(&self, first: usize) -> Result<(), JsonError> {
        let keys = self.keys.get(first..).unwrap_or_default();
        if keys.iter().any(|key| key.escaped) {
            return self.distinct_unescaped(keys);
        }
        if keys.len() > PAIRWISE_KEYS_MAX {
            let mut seen = HashSet::with_capacity(keys.len());
            let twice = keys.iter().find(|key| !seen.insert(self.key_bytes(key)));
            return twice.map_or(Ok(()), |key| Err(duplicate(key)));
        }
        for (n, key) in keys.iter().enumerate() {
            let bytes = self.key_bytes(key);
            if keys.iter().take(n).any(|k| self.key_bytes(k) == bytes) {
                return Err(duplicate(key));
            }
        }
        Ok(())
    }

    fn distinct_unescaped(&self, keys: &[Key]) -> Result<(), JsonError> {
        let mut seen = HashSet::with_capacity(keys.len());
        for key in keys {
            let plain = std::str::from_utf8(self.key_bytes(key))
                .ok()
                .and_then(unescape)
                .ok_or(JsonError::Malformed {
                    offset: key.span.start,
                    expected: "a key that is valid Unicode",
                })?;
            if !seen.insert(plain) {
                return Err(duplicate(key));
            }
        }
        Ok(())
    }

    /// Skips a string, from its first to behind its last quote.
    fn string(&mut self) -> Result<Key, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(run) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.text.len();
                return Err(self.malformed("the string's closing quote"));
            };
            if let Some(bad) = control(rest.get(..run).unwrap_or_default()) {
                self.at += bad;
                return Err(self.malformed("an escape instead of a control character"));
            }
            self.at += run;
            if self.peek() == Some(b'"') {
                let span = start..self.at;
                self.at += 1;
                return Ok(Key { span, escaped });
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                if digits.is_none_or(|d| !d.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.malformed("four hexadecimal digits"));
                }
                self.at += 5;
                Ok(())
            }
            _ => Err(self.malformed("an escape sequence")),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.malformed("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.malformed("a digit"));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if self.text.get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.malformed("a value"));
        }
        self.at += word.len();
        Ok(())
    }
}

fn duplicate(key: &Key) -> JsonError {
    JsonError::DuplicateKey {
        offset: key.span.start,
    }
}

/// The first control character; the common case of none is a loop that vectorises.
fn control(bytes: &[u8]) -> Option<usize> {
    if bytes.iter().fold(false, |any, b| any | (*b < 0x20)) {
        bytes.iter().position(|b| *b < 0x20)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str) -> bool {
        check(text, &Limits::default()).is_ok()
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_depth_and_however_spelt() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"b":{"c":1,"d":2,"c":3}}]}"#,
            r#"{"name":"safe","na\u006de":"evil"}"#,
            r#"{"a\/b":1,"a/b":2}"#,
        ] {
            let error = check(text, &Limits::default()).unwrap_err();
            assert!(matches!(error, JsonError::DuplicateKey { .. }), "{text}");
        }
        assert!(ok(r#"{"a":{"a":1},"b":{"a":1},"c":[{"a":1},{"a":2}]}"#));
    }

    #[test]
    fn duplicate_keys_are_found_in_wide_objects() {
        let mut text: String = (0..500).map(|n| format!("\"k{n}\":0,")).collect();
        text = format!("{{{text}\"k77\":1}}");
        assert!(matches!(
            check(&text, &Limits::default()),
            Err(JsonError::DuplicateKey { .. })
        ));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(ok(&nested(64)));
        assert!(matches!(
            check(&nested(65), &Limits::default()),
            Err(JsonError::TooDeep { .. })
        ));
        assert!(check(&"[".repeat(1_000_000), &Limits::default()).is_err());
    }

    #[test]
    fn the_width_of_the_envelope_is_bounded_and_that_of_what_it_holds_is_not() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|n| format!("\"k{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        let limits = Limits::default();
        for (before, after) in [
            ("", ""),
            (r#"{"params":"#, "}"),
            (r#"{"error":{"_meta":"#, "}}"),
        ] {
            // The members around it count as well.
            let room = MEMBERS_MAX - before.matches(':').count();
            assert!(check(&format!("{before}{}{after}", object(room)), &limits).is_ok());
            assert!(matches!(
                check(&format!("{before}{}{after}", object(room + 1)), &limits),
                Err(JsonError::TooWide { .. })
            ));
        }
        let deep = format!(r#"{{"params":{{"arguments":{}}}}}"#, object(20_000));
        assert_eq!(check(&deep, &limits).unwrap().len(), 2);
    }

    #[test]
    fn envelope_members_are_found_with_their_spans() {
        let text = r#" {"jsonrpc" : "2.0","params":{"name":"t","_meta":{"k":[1]},"arguments":{"_meta":{"x":1}}}}"#;
        let members = check(text, &Limits::default()).unwrap();
        let of = |level| -> Vec<(&str, &str)> {
            members
                .iter()
                .filter(|m| m.level == level)
                .map(|m| (&text[m.key.clone()], &text[m.value.clone()]))
                .collect()
        };
        assert_eq!(of(Level::Top)[0], ("jsonrpc", "\"2.0\""));
        assert_eq!(
            of(Level::Body),
            [
                ("name", "\"t\""),
                ("_meta", r#"{"k":[1]}"#),
                ("arguments", r#"{"_meta":{"x":1}}"#)
            ]
        );
        assert_eq!(of(Level::Meta), [("k", "[1]")]);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}",:0-9eE.+\-\\/ubtrfalsn ]{0,24}"#) {
            let ours = check(&text, &Limits::default());
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            match ours {
                Ok(_) => proptest::prop_assert!(theirs.is_ok(), "{text:?}"),
                Err(JsonError::Malformed { .. }) => proptest::prop_assert!(theirs.is_err(), "{text:?}"),
                Err(_) => {}
            }
        }
    }
}
