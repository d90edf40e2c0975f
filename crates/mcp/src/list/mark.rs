//! An item of a list with a word of the gateway's added, and every other byte left as it is.

use std::ops::Range;

use crate::json::{self, Cursor, ValueKind};

/// An item's raw definition with `note` as a paragraph at the end of its `description`, and
/// `value` (raw JSON) as the member `key` of its `_meta`, in place of one that is there.
///
/// `raw` must be checked JSON without duplicate keys. `None` when it is no object, or its
/// description or `_meta` is of another type than the protocol says.
#[must_use]
pub fn mark(raw: &str, note: &str, key: &str, value: &str) -> Option<String> {
    let mut cursor = Cursor::new(raw);
    if cursor.kind() != ValueKind::Object {
        return None;
    }
    cursor.enter();
    let start = cursor.position();
    let (mut description, mut meta, mut is_empty) = (None, None, true);
    while let Some(name) = cursor.next_key() {
        is_empty = false;
        let span = cursor.skip();
        match name.as_ref() {
            "description" => description = Some(span),
            "_meta" => meta = Some(span),
            _ => {}
        }
    }
    let described = match &description {
        Some(span) => {
            let old = json::as_str(raw.get(span.clone())?)?;
            format!("{old}\n\n{note}")
        }
        None => note.to_owned(),
    };
    let described = serde_json::to_string(&described).ok()?;
    let key = serde_json::to_string(key).ok()?;
    let mut inserted = String::new();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    match description {
        Some(span) => edits.push((span, described)),
        None => inserted.push_str(&format!("\"description\":{described},")),
    }
    match meta {
        Some(span) => edits.push((span.clone(), with_member(raw.get(span)?, &key, value)?)),
        None => inserted.push_str(&format!("\"_meta\":{{{key}:{value}}},")),
    }
    if is_empty {
        inserted.pop();
    }
    if !inserted.is_empty() {
        edits.push((start..start, inserted));
    }
    edits.sort_by_key(|(span, _)| span.start);
    let edits: Vec<_> = edits
        .iter()
        .map(|(span, new)| (span.clone(), new.as_bytes()))
        .collect();
    String::from_utf8(json::splice(raw.as_bytes(), &edits)).ok()
}

/// A raw object with this member, `key` being quoted, in place of one of that name.
fn with_member(object: &str, key: &str, value: &str) -> Option<String> {
    let mut cursor = Cursor::new(object);
    if cursor.kind() != ValueKind::Object {
        return None;
    }
    cursor.enter();
    let start = cursor.position();
    let mut is_empty = true;
    while let Some(name) = cursor.next_key() {
        is_empty = false;
        let span = cursor.skip();
        if serde_json::to_string(&name).ok()? == key {
            let new = json::splice(object.as_bytes(), &[(span, value.as_bytes())]);
            return String::from_utf8(new).ok();
        }
    }
    let comma = if is_empty { "" } else { "," };
    let member = format!("{key}:{value}{comma}");
    let new = json::splice(object.as_bytes(), &[(start..start, member.as_bytes())]);
    String::from_utf8(new).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(raw: &str) -> Option<String> {
        mark(raw, "Ask first.", "dev.cardea/access", "{\"x\":1}")
    }

    #[test]
    fn all_other_bytes_stay() {
        assert_eq!(
            marked(r#"{ "name":"a","description":"does \"it\"", "q":1.0,"_meta":{ "k": 2 } }"#)
                .unwrap(),
            r#"{ "name":"a","description":"does \"it\"\n\nAsk first.", "q":1.0,"_meta":{"dev.cardea/access":{"x":1}, "k": 2 } }"#
        );
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            marked(r#"{"name":"a"}"#).unwrap(),
            r#"{"description":"Ask first.","_meta":{"dev.cardea/access":{"x":1}},"name":"a"}"#
        );
        assert_eq!(
            marked("{}").unwrap(),
            r#"{"description":"Ask first.","_meta":{"dev.cardea/access":{"x":1}}}"#
        );
        assert_eq!(
            marked(r#"{"_meta":{}}"#).unwrap(),
            r#"{"description":"Ask first.","_meta":{"dev.cardea/access":{"x":1}}}"#
        );
    }

    #[test]
    fn a_servers_own_word_in_that_place_is_replaced() {
        for theirs in [
            r#"{"description":"d","_meta":{"dev.cardea/access":{"free":true}}}"#,
            r#"{"description":"d","_meta":{"dev.cardea\/access":{"free":true}}}"#,
        ] {
            let ours = marked(theirs).unwrap();
            assert!(!ours.contains("free"), "{ours}");
            assert!(ours.contains(r#"{"x":1}"#), "{ours}");
        }
    }

    #[test]
    fn what_is_not_as_the_protocol_says_is_not_marked() {
        for raw in ["[]", "1", r#"{"description":1}"#, r#"{"_meta":[]}"#] {
            assert_eq!(marked(raw), None, "{raw}");
        }
    }
}
