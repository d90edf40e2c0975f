//! A second reading of JSON, slow and plain, made of `serde_json` alone: what the strict one is compared with.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a whole text holds.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Nested arrays and objects, counted up to [`DEPTH_SEEN`].
    pub(crate) depth: usize,
    /// Some object has a key twice, however spelt.
    pub(crate) duplicate: bool,
    /// Some key is no Unicode text: it holds half a surrogate pair.
    pub(crate) half_key: bool,
}

/// More than the strict reading accepts, so that texts over its limit are seen to be.
const DEPTH_SEEN: usize = 70;

/// `None` when the text is not JSON.
pub(crate) fn read(text: &str) -> Option<Reading> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut reading = Reading::default();
    walk(text, 1, &mut reading);
    Some(reading)
}

fn walk(raw: &str, depth: usize, reading: &mut Reading) {
    let children: Vec<&str> = if let Some(members) = members(raw) {
        let mut keys: Vec<_> = members.iter().map(|(key, _)| key).collect();
        keys.sort();
        reading.duplicate |= keys.windows(2).any(|pair| pair[0] == pair[1]);
        reading.half_key |= keys.iter().any(|key| std::str::from_utf8(key).is_err());
        members.into_iter().map(|(_, value)| value).collect()
    } else if let Some(items) = items(raw) {
        items
    } else {
        return;
    };
    reading.depth = reading.depth.max(depth);
    if depth < DEPTH_SEEN {
        for child in children {
            walk(child, depth + 1, reading);
        }
    }
}

/// Keys and raw values of an object, in order; `None` for anything else.
pub(crate) fn members(raw: &str) -> Option<Vec<(Vec<u8>, &str)>> {
    if !raw.trim_start().starts_with('{') {
        return None;
    }
    serde_json::from_str::<Object<'_>>(raw).ok().map(|o| o.0)
}

/// The raw value of a key; of two, the last.
pub(crate) fn member<'a>(raw: &'a str, key: &str) -> Option<&'a str> {
    let members = members(raw)?;
    let found = members.iter().rfind(|(k, _)| k == key.as_bytes())?;
    Some(found.1)
}

/// The raw items of an array; `None` for anything else.
pub(crate) fn items(raw: &str) -> Option<Vec<&str>> {
    if !raw.trim_start().starts_with('[') {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// The text that a raw string stands for.
pub(crate) fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

/// The text without the white space between its tokens.
pub(crate) fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut inside, mut escaped) = (false, false);
    for c in raw.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            inside = c == '"';
        }
        out.push(c);
    }
    out
}

/// Where `part`, a slice of `whole`, stands in it.
pub(crate) fn span(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// All members of an object: no map, which would keep one of two equal keys.
struct Object<'a>(Vec<(Vec<u8>, &'a str)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Key>()? {
            members.push((key.0, map.next_value::<&RawValue>()?.get()));
        }
        Ok(Object(members))
    }
}

/// A key as bytes: as text, one with half a surrogate pair could not be read.
struct Key(Vec<u8>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Key, E> {
                Ok(Key(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
