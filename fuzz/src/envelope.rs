//! One JSON-RPC message: the strict reading and the naive one must agree.

use std::ops::Range;

use bytes::Bytes;
use cardea_mcp::{
    JsonError, Kind, Limits, Message, MessageError,
    json::{self, Level},
};

use super::naive;

/// Reads `data` as one message.
pub fn envelope(data: &[u8]) {
    let limits = Limits::default();
    let message = Message::parse(Bytes::copy_from_slice(data), &limits);
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(matches!(message, Err(MessageError::Utf8(_))));
        return;
    };
    let checked = json::check(text, &limits);
    agrees(&checked, naive::read(text), &limits);
    let members = match checked {
        Ok(members) => members,
        Err(error) => {
            assert!(message.is_err_and(|e| e == MessageError::Json(error)));
            return;
        }
    };
    let expected = members_of(text);
    assert_eq!(found(text, &members), expected);
    match (message, shape(text)) {
        (Ok(message), Some(shape)) => {
            reads(&message, text, shape, &expected);
            splices(&message, text, &expected);
        }
        (Err(MessageError::Batch), None) => assert!(naive::items(text).is_some()),
        (Err(MessageError::Envelope(_)), None) => assert!(naive::items(text).is_none()),
        (message, shape) => panic!("read as {message:?}, but it is {shape:?}"),
    }
}

/// The strict reading refuses what is not JSON, and of JSON what is too deep, ambiguous or no text.
fn agrees(
    checked: &Result<Vec<json::Member>, JsonError>,
    naive: Option<naive::Reading>,
    limits: &Limits,
) {
    let Some(naive) = naive else {
        assert!(checked.is_err(), "not JSON");
        return;
    };
    let too_deep = naive.depth > limits.depth_max;
    match checked {
        Ok(_) => assert!(
            !too_deep && !naive.duplicate && !naive.half_key,
            "{naive:?}"
        ),
        Err(JsonError::TooDeep { .. }) => assert!(too_deep),
        Err(JsonError::DuplicateKey { .. }) => assert!(naive.duplicate),
        // A member is at least five bytes: no input of the fuzzer has so many.
        Err(JsonError::TooWide { .. }) => panic!("too wide"),
        Err(error @ JsonError::Malformed { .. }) => assert!(naive.half_key, "{error}"),
    }
}

type Expected = (Level, String, Range<usize>);

/// The members of the envelope by the naive reading, in the order of their values.
fn members_of(text: &str) -> Vec<Expected> {
    let mut found = Vec::new();
    let mut add = |level: Level, object: &str| -> Vec<(String, Range<usize>)> {
        let of = naive::members(object).unwrap_or_default();
        let named = of.into_iter().map(|(key, value)| {
            let span = naive::span(text, value);
            (String::from_utf8(key).unwrap(), span)
        });
        let named: Vec<_> = named.collect();
        found.extend(
            named
                .iter()
                .map(|(k, span)| (level, k.clone(), span.clone())),
        );
        named
    };
    for (key, span) in add(Level::Top, text) {
        if !["params", "result", "error"].contains(&key.as_str()) {
            continue;
        }
        for (key, span) in add(Level::Body, &text[span]) {
            if key == "_meta" {
                add(Level::Meta, &text[span]);
            }
        }
    }
    found.sort_by_key(|(.., span)| span.start);
    found
}

/// The members by the strict reading, in the order of their values.
fn found(text: &str, members: &[json::Member]) -> Vec<Expected> {
    let one = |member: &json::Member| {
        let key = member.key.clone();
        assert!(text[..key.start].ends_with('"') && text[key.end..].starts_with('"'));
        assert_eq!(member.key_escaped, text[key.clone()].contains('\\'));
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text[member.value.clone()]).is_ok());
        let key = json::unescape(&text[key]).unwrap();
        (member.level, key, member.value.clone())
    };
    let mut found: Vec<_> = members.iter().map(one).collect();
    found.sort_by_key(|(.., span)| span.start);
    found
}

/// Kind and method of the message that a JSON text is; `None` when it is none.
fn shape(text: &str) -> Option<(Kind, String)> {
    let top = |key| naive::member(text, key);
    if top("jsonrpc").and_then(naive::string)? != "2.0" {
        return None;
    }
    let id = top("id").filter(|id| *id != "null");
    if id.is_some_and(|id| id.starts_with(['{', '[', 't', 'f'])) {
        return None;
    }
    if top("params").is_some_and(|params| !params.starts_with(['{', '['])) {
        return None;
    }
    let method = top("method").map(naive::string);
    let kind = match (&method, top("result"), top("error")) {
        (Some(_), None, None) if id.is_some() => Kind::Request,
        (Some(_), None, None) if top("id").is_none() => Kind::Notification,
        // A response is read in its body: beside `params` there would be two.
        (None, Some(_), None) if id.is_some() && top("params").is_none() => Kind::Result,
        (None, None, Some(_)) if top("params").is_none() => Kind::Error,
        _ => return None,
    };
    match method {
        Some(method) => method.filter(|m| !m.is_empty()).map(|m| (kind, m)),
        None => Some((kind, String::new())),
    }
}

fn reads(message: &Message, text: &str, (kind, method): (Kind, String), expected: &[Expected]) {
    assert_eq!((message.kind(), message.method()), (kind, method.as_str()));
    assert_eq!(&message.text()[..], text.as_bytes());
    for (level, key, span) in expected {
        let raw = Some(&text[span.clone()]);
        assert_eq!(message.span(*level, key), Some(span.clone()));
        match level {
            Level::Top => assert_eq!(message.top(key), raw),
            Level::Body => {
                assert_eq!(message.body(key), raw);
                assert_eq!(
                    message.body_str(key).map(Into::into),
                    raw.and_then(naive::string)
                );
            }
            Level::Meta => {
                assert_eq!(message.meta(key), raw);
                assert_eq!(
                    message.meta_str(key).map(Into::into),
                    raw.and_then(naive::string)
                );
            }
        }
    }
    let id = naive::member(text, "id").filter(|id| *id != "null");
    assert_eq!(message.id().map(|id| id.raw()), id);
    assert!(message.id() == message.id());
}

/// Another id, and another progress token, change nothing else; the old ones bring the text back.
fn splices(message: &Message, text: &str, expected: &[Expected]) {
    let token = |m: &Message| m.span(Level::Meta, "progressToken");
    let old: Vec<_> = [message.id_span(), token(message)]
        .into_iter()
        .flatten()
        .collect();
    for new in ["4711", "-1.5e+3", r#""\u0022 \\""#] {
        let out = splice(text.as_bytes(), &old, |_| new);
        let out = Message::parse(out.into(), &Limits::default()).unwrap();
        assert_eq!(
            (out.kind(), out.method()),
            (message.kind(), message.method())
        );
        for (level, key, span) in expected {
            let raw = match old
                .iter()
                .find(|o| span.start <= o.start && o.end <= span.end)
            {
                Some(changed) if changed == span => new,
                // What holds a changed value is changed too.
                Some(_) => continue,
                None => &text[span.clone()],
            };
            let span = out.span(*level, key).unwrap();
            assert_eq!(&out.text()[span], raw.as_bytes());
        }
        assert_eq!(out.id().map(|id| id.raw()), message.id().map(|_| new));
        let spans: Vec<_> = [out.id_span(), token(&out)].into_iter().flatten().collect();
        let back = splice(out.text(), &spans, |n| &text[old[n].clone()]);
        assert_eq!(back, text.as_bytes());
    }
}

fn splice<'a>(text: &[u8], spans: &[Range<usize>], new: impl Fn(usize) -> &'a str) -> Vec<u8> {
    let edits = spans
        .iter()
        .cloned()
        .enumerate()
        .map(|(n, span)| (span, new(n).as_bytes()));
    let mut edits: Vec<_> = edits.collect();
    edits.sort_by_key(|(span, _)| span.start);
    json::splice(text, &edits)
}
