//! The HTTP headers of the protocol, and the encoding of names and values in them.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderName;

/// `MCP-Protocol-Version`.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Session-Id`, legacy only.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `Last-Event-ID`, legacy only.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// `Mcp-Method`, modern only.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// `Mcp-Name`, modern only.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// What the names of mirrored tool arguments start with, modern only.
pub const PARAM_PREFIX: &str = "mcp-param-";
/// W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C trace context.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The member of `params` that `Mcp-Name` repeats, and whether a request must have the header.
///
/// # Source
/// MCP 2026-07-28, Standard Request Headers; the tasks extension names its tasks likewise.
#[must_use]
pub fn name_source(method: &str) -> Option<(&'static str, Presence)> {
    match method {
        "tools/call" | "prompts/get" => Some(("name", Presence::Required)),
        "resources/read" => Some(("uri", Presence::Required)),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some(("taskId", Presence::Optional)),
        _ => None,
    }
}

/// Whether a header must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A request without it is refused.
    Required,
    /// It is compared when it is there; the server may ask for it.
    Optional,
}

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// The text that a header value stands for; `None` when it is not valid.
///
/// # Source
/// MCP 2026-07-28, basic/transports/streamable-http, Value Encoding.
#[must_use]
pub fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_matches([' ', '\t']);
    if !text
        .bytes()
        .all(|b| (0x20..0x7f).contains(&b) || b == b'\t')
    {
        return None;
    }
    let Some(inside) = text.strip_prefix(OPEN).and_then(|t| t.strip_suffix(CLOSE)) else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(inside).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The header value that stands for a text.
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b))
        && text.trim_matches(' ') == text
        && !(text.starts_with(OPEN) && text.ends_with(CLOSE));
    if plain {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{OPEN}{}{CLOSE}", STANDARD.encode(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_examples_hold() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode(text), value);
            assert_eq!(decode(value.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn values_that_are_not_visible_ascii_or_not_base64_are_refused() {
        assert_eq!(decode("caf\u{e9}".as_bytes()), None);
        assert_eq!(decode(b"=?base64?***?="), None);
        assert_eq!(decode(b"=?base64?/w==?="), None);
    }

    proptest::proptest! {
        #[test]
        fn every_text_survives_the_round_trip(text in "\\PC{0,40}") {
            let value = encode(&text).into_owned();
            proptest::prop_assert_eq!(decode(value.as_bytes()).unwrap().into_owned(), text);
        }
    }
}
