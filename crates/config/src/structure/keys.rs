//! Where a key belongs that stands in the wrong place.

use serde_json::Value;

use crate::schema;

/// The place in words of a key by this name elsewhere in the file: `http.url`.
///
/// Looks below `here` first, then from the top.
pub(super) fn belongs(key: &str, here: &Value) -> Option<String> {
    below(key, here).or_else(|| below(key, schema::schema()))
}

/// The shallowest key by this name; the schema does not refer to itself, so this ends.
fn below(key: &str, here: &Value) -> Option<String> {
    let mut level = vec![(String::new(), here)];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (prefix, schema) in level {
            for (name, property) in schema::properties(schema) {
                let words = match prefix.as_str() {
                    "" => name.to_owned(),
                    _ => format!("{prefix}.{name}"),
                };
                if name == key {
                    return Some(words);
                }
                let (suffix, inner) = schema::inner(property);
                next.push((format!("{words}{suffix}"), inner));
            }
        }
        // A section of the same depth is likelier meant than an entry of a list.
        next.sort_by_key(|(words, _)| words.matches(['[', '<']).count());
        level = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_wrong_place_is_found_where_it_belongs() {
        let root = schema::schema();
        assert_eq!(
            belongs("call_timeout", root).as_deref(),
            Some("limits.call_timeout")
        );
        assert_eq!(
            belongs("command", root).as_deref(),
            Some("upstreams.<id>.stdio.command")
        );
        assert_eq!(
            belongs("jwks_url", root).as_deref(),
            Some("issuers[].jwks_url")
        );
        assert_eq!(belongs("database", root), None);
    }
}
