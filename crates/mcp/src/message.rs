//! One JSON-RPC message that keeps the bytes it arrived in.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use thiserror::Error;

use crate::json::{self, JsonError, Level, Limits, Member};

/// Why a text is not one JSON-RPC message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// The text is not UTF-8.
    #[error("not valid UTF-8 at byte {0}")]
    Utf8(usize),
    /// The text is not JSON, or not safe JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The text is an array of messages (JSON-RPC batch, removed in 2025-06-18).
    #[error("a batch of messages is not supported; send one message per request")]
    Batch,
    /// The text is JSON, but not a JSON-RPC 2.0 message.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Envelope(&'static str),
}

/// Which of the four shapes of JSON-RPC a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A method and an id.
    Request,
    /// A method without an id.
    Notification,
    /// A result and an id.
    Result,
    /// An error, with the id of its request where that could be read.
    Error,
}

/// A checked message: text, shape and the spans of its envelope.
#[derive(Debug, Clone)]
pub struct Message {
    text: Bytes,
    kind: Kind,
    members: Vec<Member>,
    method: Option<Box<str>>,
    id: Option<Range<usize>>,
}

impl Message {
    /// Checks `text` and finds its envelope.
    ///
    /// # Errors
    /// [`MessageError`]; nothing of a refused text is kept.
    pub fn parse(text: Bytes, limits: &Limits) -> Result<Self, MessageError> {
        let utf8 = std::str::from_utf8(&text).map_err(|e| MessageError::Utf8(e.valid_up_to()))?;
        let members = json::check(utf8, limits)?;
        if utf8.trim_start().starts_with('[') {
            return Err(MessageError::Batch);
        }
        if !utf8.trim_start().starts_with('{') {
            return Err(MessageError::Envelope("expected an object"));
        }
        let mut message = Self {
            kind: Kind::Request,
            method: None,
            id: None,
            members,
            text,
        };
        message.classify()?;
        Ok(message)
    }

    fn classify(&mut self) -> Result<(), MessageError> {
        if self.top("jsonrpc").and_then(json::as_str).as_deref() != Some("2.0") {
            return Err(MessageError::Envelope("`jsonrpc` must be \"2.0\""));
        }
        let id = self.span(Level::Top, "id");
        if id.clone().is_some_and(|span| !is_id(self.slice(span))) {
            return Err(MessageError::Envelope("`id` must be a string or a number"));
        }
        let id = id.filter(|span| self.slice(span.clone()) != "null");
        let (method, result, error) = (self.top("method"), self.top("result"), self.top("error"));
        let kind = match (method, result, error, &id) {
            (Some(_), None, None, Some(_)) => Kind::Request,
            (Some(_), None, None, None) if self.top("id").is_none() => Kind::Notification,
            (Some(_), None, None, None) => {
                return Err(MessageError::Envelope("a request's `id` must not be null"));
            }
            (None, Some(_), None, Some(_)) => Kind::Result,
            (None, None, Some(_), _) => Kind::Error,
            _ => {
                return Err(MessageError::Envelope(
                    "expected `method`, or an `id` with either `result` or `error`",
                ));
            }
        };
        // The body's members are looked up by name alone: there must be one body.
        if self.top("params").is_some() && matches!(kind, Kind::Result | Kind::Error) {
            return Err(MessageError::Envelope("a response has no `params`"));
        }
        let method = match method.map(json::as_str) {
            Some(Some(method)) if !method.is_empty() => Some(method.into_owned().into_boxed_str()),
            Some(_) => return Err(MessageError::Envelope("`method` must be a string")),
            None => None,
        };
        if self
            .top("params")
            .is_some_and(|params| !params.starts_with(['{', '[']))
        {
            return Err(MessageError::Envelope("`params` must be an object"));
        }
        self.kind = kind;
        self.method = method;
        self.id = id;
        Ok(())
    }

    /// The text as it arrived.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The shape.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The method; empty for results and errors.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    /// The id, as it is spelt.
    #[must_use]
    pub fn id(&self) -> Option<Id<'_>> {
        self.id.clone().map(|span| Id(self.slice(span)))
    }

    /// Where the id's text stands.
    #[must_use]
    pub fn id_span(&self) -> Option<Range<usize>> {
        self.id.clone()
    }

    /// A member of the message itself, as raw JSON.
    #[must_use]
    pub fn top(&self, key: &str) -> Option<&str> {
        self.span(Level::Top, key).map(|span| self.slice(span))
    }

    /// A member of `params`, `result` or `error`, as raw JSON.
    #[must_use]
    pub fn body(&self, key: &str) -> Option<&str> {
        self.span(Level::Body, key).map(|span| self.slice(span))
    }

    /// A member of `_meta` in `params` or `result`, as raw JSON.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.span(Level::Meta, key).map(|span| self.slice(span))
    }

    /// A string member of `params`, `result` or `error`.
    #[must_use]
    pub fn body_str(&self, key: &str) -> Option<Cow<'_, str>> {
        self.body(key).and_then(json::as_str)
    }

    /// A string member of `_meta`.
    #[must_use]
    pub fn meta_str(&self, key: &str) -> Option<Cow<'_, str>> {
        self.meta(key).and_then(json::as_str)
    }

    /// Where the value of `key` stands on `level`.
    #[must_use]
    pub fn span(&self, level: Level, key: &str) -> Option<Range<usize>> {
        self.members
            .iter()
            .find(|m| m.level == level && self.key_is(m, key))
            .map(|m| m.value.clone())
    }

    /// A member of the envelope that is spelt like one of the protocol's but for its case: some servers read it as that
    /// one.
    #[must_use]
    pub fn lookalike(&self) -> Option<String> {
        self.spelt_like(Level::Top, &TOP_NAMES)
    }

    /// The same in `params` or in a `result`, whose names are the protocol's where the method is.
    #[must_use]
    pub fn lookalike_in_body(&self) -> Option<String> {
        match self.kind {
            Kind::Request | Kind::Notification => self.spelt_like(Level::Body, &PARAMS_NAMES),
            Kind::Result => self.spelt_like(Level::Body, &RESULT_NAMES),
            Kind::Error => None,
        }
    }

    fn spelt_like(&self, level: Level, names: &[&str]) -> Option<String> {
        let mut members = self.members.iter().filter(|m| m.level == level);
        members.find_map(|member| {
            let spelt = self.slice(member.key.clone());
            let spelt = match member.key_escaped {
                true => Cow::Owned(json::unescape(spelt)?),
                false => Cow::Borrowed(spelt),
            };
            is_alike(&spelt, names).then(|| spelt.into_owned())
        })
    }

    /// Whether `params` has only members of these names.
    #[must_use]
    pub fn has_only(&self, names: &[&str]) -> bool {
        let mut members = self.members.iter().filter(|m| m.level == Level::Body);
        members.all(|member| names.iter().any(|name| self.key_is(member, name)))
    }

    /// The text with `key` of `params` or of its `_meta` set to this raw value; objects on the way
    /// are made where they are missing or `null`. `None` when something on the way is no object, or
    /// the message has no `params`.
    #[must_use]
    pub fn with_member(&self, level: Level, key: &str, raw: &str) -> Option<Vec<u8>> {
        if let Some(span) = self.span(level, key) {
            return Some(json::splice(&self.text, &[(span, raw.as_bytes())]));
        }
        if matches!(self.kind, Kind::Result | Kind::Error) {
            return None;
        }
        let way: &[(Level, &str)] = match level {
            Level::Top => &[],
            Level::Body => &[(Level::Top, "params")],
            Level::Meta => &[(Level::Top, "params"), (Level::Body, "_meta")],
        };
        // From the innermost object outwards: what is not there is made around what is to be added.
        let mut added = member(key, raw);
        for (level, name) in way.iter().rev() {
            let Some(span) = self.span(*level, name) else {
                added = member(name, &format!("{{{added}}}"));
                continue;
            };
            let object = self.slice(span.clone());
            if object == "null" {
                let made = format!("{{{added}}}");
                return Some(json::splice(&self.text, &[(span, made.as_bytes())]));
            }
            return self.inserted(span.start, object, &added);
        }
        let text = self.slice(0..self.text.len());
        let start = text.len() - text.trim_start().len();
        self.inserted(start, text.trim_start(), &added)
    }

    /// The text without `key` of `params`; `None` when it is not there.
    #[must_use]
    pub fn without_member(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.span(Level::Top, "params")?;
        let found = self
            .members
            .iter()
            .find(|m| m.level == Level::Body && self.key_is(m, key))?;
        let before = self.slice(object.start..found.key.start);
        let after = self.slice(found.value.end..object.end);
        // The key's span is without its quotes.
        let before = before.strip_suffix('"')?.trim_end();
        let rest = after.trim_start();
        let (start, end) = match (rest.strip_prefix(','), before.strip_suffix(',')) {
            (Some(next), _) => (before.len(), object.end - next.len()),
            (None, Some(kept)) => (kept.len(), object.end - rest.len()),
            (None, None) => (before.len(), object.end - rest.len()),
        };
        let span = object.start + start..end;
        Some(json::splice(&self.text, &[(span, b"")]))
    }

    /// The text with those members of the `_meta` of `params` alone whose names are to be kept; `None` when that is all
    /// of them.
    #[must_use]
    pub fn with_meta_kept(&self, keep: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
        let mut is_whole = true;
        let mut kept = Vec::new();
        for found in self.members.iter().filter(|m| m.level == Level::Meta) {
            let key = self.slice(found.key.clone());
            let name = match found.key_escaped {
                true => json::unescape(key).map(Cow::Owned),
                false => Some(Cow::Borrowed(key)),
            };
            match name.filter(|name| keep(name)) {
                Some(name) => kept.push(member(&name, self.slice(found.value.clone()))),
                None => is_whole = false,
            }
        }
        match is_whole {
            true => None,
            false => self.with_member(Level::Body, "_meta", &format!("{{{}}}", kept.join(","))),
        }
    }

    /// The text with a member added at the beginning of the object that starts at `start`.
    fn inserted(&self, start: usize, object: &str, added: &str) -> Option<Vec<u8>> {
        let inside = object.strip_prefix('{')?;
        let comma = if inside.trim_start().starts_with('}') {
            ""
        } else {
            ","
        };
        let added = format!("{added}{comma}");
        let at = start + 1;
        Some(json::splice(&self.text, &[(at..at, added.as_bytes())]))
    }

    fn key_is(&self, member: &Member, key: &str) -> bool {
        let spelt = self.slice(member.key.clone());
        if member.key_escaped {
            json::unescape(spelt).as_deref() == Some(key)
        } else {
            spelt == key
        }
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text
            .get(span)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// A JSON-RPC id as raw JSON: a string with its quotes, or a number.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a>(pub &'a str);

impl<'a> Id<'a> {
    /// The id as raw JSON.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.0
    }
}

impl PartialEq for Id<'_> {
    /// Equal when spelt alike, or when both are strings with the same text.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
            || match (json::as_str(self.0), json::as_str(other.0)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
    }
}

/// What decides what a message is.
const TOP_NAMES: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// What decides what a request asks for.
const PARAMS_NAMES: [&str; 9] = [
    "name",
    "uri",
    "ref",
    "arguments",
    "_meta",
    "task",
    "requestState",
    "inputResponses",
    "notifications",
];

/// What is filtered, checked or learnt of results.
const RESULT_NAMES: [&str; 17] = [
    "tools",
    "resources",
    "resourceTemplates",
    "prompts",
    "content",
    "structuredContent",
    "isError",
    "contents",
    "messages",
    "completion",
    "task",
    "tasks",
    "resultType",
    "inputRequests",
    "requestState",
    "instructions",
    "_meta",
];

/// Nothing is allocated for what is ASCII, as nearly every name is.
fn is_alike(spelt: &str, names: &[&str]) -> bool {
    if names.contains(&spelt) {
        return false;
    }
    if spelt.is_ascii() {
        return names.iter().any(|name| name.eq_ignore_ascii_case(spelt));
    }
    let folded = spelt.to_uppercase().to_lowercase();
    names.iter().any(|name| name.to_lowercase() == folded)
}

fn member(key: &str, raw: &str) -> String {
    format!("{}:{raw}", serde_json::Value::from(key))
}

fn is_id(raw: &str) -> bool {
    raw.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) || raw == "null"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, MessageError> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
    }

    #[test]
    fn the_four_shapes_are_told_apart() {
        for (text, kind) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
                Kind::Notification,
            ),
            (r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Kind::Result),
            (
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":""}}"#,
                Kind::Error,
            ),
        ] {
            assert_eq!(parse(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn ambiguous_messages_are_refused() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "7",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn members_that_some_servers_read_as_others_are_found() {
        let of = |text: &str| {
            let message = parse(text).unwrap();
            message.lookalike().or_else(|| message.lookalike_in_body())
        };
        let call = |params: &str| {
            of(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#
            ))
        };
        assert_eq!(call(r#"{"name":"a","arguments":{"Name":1},"x":1}"#), None);
        for (params, found) in [
            (r#"{"name":"a","Arguments":{}}"#, "Arguments"),
            (r#"{"name":"a","NAME":"b"}"#, "NAME"),
            (r#"{"name":"a","argument\u017f":{}}"#, "argument\u{17f}"),
            (r#"{"name":"a","tas\u212a":{}}"#, "tas\u{212a}"),
            (r#"{"name":"a","requeststate":""}"#, "requeststate"),
        ] {
            assert_eq!(call(params).as_deref(), Some(found), "{params}");
        }
        let top = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{},"Params":{}}"#;
        assert_eq!(of(top).as_deref(), Some("Params"));
        for (text, found) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"Method":"x"}"#,
                "Method",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[]}}"#,
                "Tools",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"Result":{}}"#,
                "Result",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""},"Result":{}}"#,
                "Result",
            ),
        ] {
            assert_eq!(of(text).as_deref(), Some(found), "{text}");
        }
        let free = r#"{"jsonrpc":"2.0","id":1,"result":{"Name":1,"x":{"Tools":[]}}}"#;
        assert_eq!(of(free), None);
    }

    #[test]
    fn members_of_the_metadata_are_kept_by_name() {
        let call = |meta: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","_meta":{meta}}}}}"#
            );
            parse(&text).unwrap()
        };
        let kept = |meta: &str| {
            let text = call(meta).with_meta_kept(|name| name.starts_with("a/"))?;
            let message = parse(std::str::from_utf8(&text).unwrap()).unwrap();
            assert_eq!(message.body("name"), Some("\"a\""));
            message.body("_meta").map(str::to_owned)
        };
        assert_eq!(kept("{}"), None);
        assert_eq!(kept(r#"{"a/x": 1}"#), None);
        let some = kept(r#"{"b":{"a/x":2}, "a/x": [1, 2],"c":3}"#);
        assert_eq!(some.as_deref(), Some(r#"{"a/x":[1, 2]}"#));
        assert_eq!(kept(r#"{"b":1}"#).as_deref(), Some("{}"));
    }

    #[test]
    fn a_member_of_the_params_is_taken_out_with_its_comma() {
        let whole =
            |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        for (params, left) in [
            (r#"{"x":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":2,"x":[1,{"x":2}]}"#, r#"{"a":2}"#),
            (
                r#"{ "a" : 2 , "x" : 1 , "b" : 3 }"#,
                r#"{ "a" : 2 , "b" : 3 }"#,
            ),
            (r#"{"x":1}"#, "{}"),
            (r#"{ "x" : 1 }"#, "{}"),
            (r#"{"\u0078":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":{"x":1},"x":"}"}"#, r#"{"a":{"x":1}}"#),
        ] {
            let out = parse(&whole(params)).unwrap().without_member("x").unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), whole(left), "{params}");
        }
        assert_eq!(parse(&whole("{}")).unwrap().without_member("x"), None);
    }

    #[test]
    fn escaped_spellings_read_the_same() {
        let message = parse(
            r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/call","params":{"n\u0061me":"t"}}"#,
        )
        .unwrap();
        assert_eq!(message.method(), "tools/call");
        assert_eq!(message.body_str("name").unwrap(), "t");
    }

    #[test]
    fn a_member_is_set_where_it_belongs() {
        let set = |text: &str, level, key| {
            let message = parse(text).unwrap();
            let new = message.with_member(level, key, "7")?;
            parse(std::str::from_utf8(&new).unwrap()).unwrap();
            Some(String::from_utf8(new).unwrap())
        };
        for (level, key, before, after) in [
            (
                Level::Body,
                "a",
                r#"{"params":{"a" : 1}}"#,
                r#"{"params":{"a" : 7}}"#,
            ),
            (
                Level::Body,
                "a",
                r#"{"params":{ }}"#,
                r#"{"params":{"a":7 }}"#,
            ),
            (
                Level::Body,
                "a",
                r#"{"params":{"b":1}}"#,
                r#"{"params":{"a":7,"b":1}}"#,
            ),
            (
                Level::Meta,
                "k",
                r#"{"params":{"_meta":{"x":1}}}"#,
                r#"{"params":{"_meta":{"k":7,"x":1}}}"#,
            ),
            (
                Level::Meta,
                "k",
                r#"{"params":{"b":1}}"#,
                r#"{"params":{"_meta":{"k":7},"b":1}}"#,
            ),
            (
                Level::Meta,
                "k",
                r#"{"params":{"_meta":null}}"#,
                r#"{"params":{"_meta":{"k":7}}}"#,
            ),
        ] {
            let with = |members: &str| {
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m",{}"#, &members[1..])
            };
            assert_eq!(set(&with(before), level, key).unwrap(), with(after));
        }
        assert_eq!(
            set(
                r#" {"jsonrpc":"2.0","id":1,"method":"m"}"#,
                Level::Meta,
                "k"
            )
            .unwrap(),
            r#" {"params":{"_meta":{"k":7}},"jsonrpc":"2.0","id":1,"method":"m"}"#
        );
        for wrong in [
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":[]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert_eq!(set(wrong, Level::Meta, "k"), None, "{wrong}");
        }
    }

    #[test]
    fn ids_are_compared_by_meaning() {
        assert!(Id("\"a\"") == Id("\"\\u0061\""));
        assert!(Id("1") != Id("\"1\""));
        assert!(Id("1") == Id("1"));
    }
}
