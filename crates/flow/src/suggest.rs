//! Labels for a tool that nobody has labelled yet, from its definition.
//!
//! A suggestion for an administrator to confirm, and never used otherwise: names, descriptions and annotations are the server's own
//! word (MCP 2025-11-25, server/tools: clients must not trust annotations of untrusted servers).

use serde_json::Value;

use crate::{
    Labels,
    action::{self, Action},
    records::{is_id_key, parts},
};

/// The labels that a tool's definition, an item of `tools/list`, speaks for.
///
/// Doubt makes labels more dangerous: what does not say that it only tells is taken to change, and what it brings to be
/// untrusted and private.
#[must_use]
pub fn suggest(definition: &Value) -> Labels {
    let name = definition
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let action = Action::of_tool(name);
    let words = parts(name);
    let arguments = names_of_arguments(definition);
    let hint = |key: &str| {
        definition
            .pointer(&format!("/annotations/{key}"))
            .and_then(Value::as_bool)
    };
    let read_only = match hint("readOnlyHint") {
        Some(is) => is && action.kinds & !action::CREATE == 0,
        None => action.only_tells(),
    };
    let takes_address = arguments.iter().any(|name| has(&parts(name), &ADDRESS));
    let outward = read_only && (takes_address || hint("openWorldHint") == Some(true));
    // Of a document, whoever wrote it decides how it looks; so may what a program prints.
    let is_document = match read_only {
        true => outward || has(&words, &DOCUMENT),
        false => action.kinds == 0 || action.kinds & action::RUN != 0,
    };
    let reaches = action.kinds & (action::PAY | action::TELL | action::SHARE) != 0
        || arguments
            .iter()
            .any(|name| !is_id_key(name) && has(&parts(name), &PEOPLE))
        || takes_address;
    let is_additive = action.kinds != 0
        && action.kinds & !(action::CREATE | action::TELL | action::SHARE | action::ADD) == 0;
    let external =
        !read_only && (reaches || action.kinds == 0 || hint("openWorldHint") == Some(true));
    Labels {
        untrusted: true,
        private: !outward,
        records: definition.get("outputSchema").is_some() || !is_document,
        read_only,
        outward,
        external,
        destructive: !read_only && hint("destructiveHint").unwrap_or(!is_additive),
    }
}

/// Arguments that lead somewhere.
const ADDRESS: [&str; 6] = ["url", "uri", "link", "href", "website", "endpoint"];

/// Words for what others have written as a whole.
const DOCUMENT: [&str; 13] = [
    "page", "webpage", "website", "url", "document", "content", "contents", "file", "html", "web",
    "fetch", "crawl", "scrape",
];

/// Arguments that name somebody who will get something.
const PEOPLE: [&str; 10] = [
    "recipient",
    "recipients",
    "to",
    "cc",
    "bcc",
    "email",
    "emails",
    "participants",
    "attendees",
    "phone",
];

fn has(parts: &[String], words: &[&str]) -> bool {
    parts.iter().any(|part| words.contains(&part.as_str()))
}

fn names_of_arguments(definition: &Value) -> Vec<&str> {
    let properties = definition
        .pointer("/inputSchema/properties")
        .and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, arguments: &[&str]) -> String {
        let properties: serde_json::Map<_, _> = arguments
            .iter()
            .map(|a| ((*a).to_owned(), json!({"type": "string"})))
            .collect();
        suggest(&json!({"name": name, "inputSchema": {"properties": properties}})).to_string()
    }

    #[test]
    fn definitions_speak_for_labels() {
        assert_eq!(
            of("list_events", &["day"]),
            "untrusted, private, records, read-only"
        );
        assert_eq!(of("read_file", &["path"]), "untrusted, private, read-only");
        assert_eq!(of("fetch", &["url"]), "untrusted, read-only, outward");
        assert_eq!(
            of("send_message", &["to"]),
            "untrusted, private, records, external"
        );
        assert_eq!(
            of("delete_event", &["id"]),
            "untrusted, private, records, destructive"
        );
        assert_eq!(
            of("create_event", &["title"]),
            "untrusted, private, records"
        );
        assert_eq!(
            of("frobnicate", &[]),
            "untrusted, private, external, destructive"
        );
        assert_eq!(
            of("delete_email", &["email_id"]),
            "untrusted, private, records, destructive"
        );
    }

    #[test]
    fn a_hint_is_not_believed_against_the_name() {
        let read = json!({"name": "delete_all", "annotations": {"readOnlyHint": true, "destructiveHint": true}});
        assert!(!suggest(&read).read_only);
        let safe = json!({"name": "forecast", "annotations": {"readOnlyHint": true, "openWorldHint": false}});
        assert!(suggest(&safe).read_only && !suggest(&safe).outward);
    }
}
