//! The headers that repeat what a message says.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, basic/transports, Streamable HTTP.

use cardea_mcp::{Message, header};
use http::{HeaderMap, HeaderName, HeaderValue, header as standard};

use super::shared::Shared;

/// The headers of one message, without the token.
pub(super) fn of(shared: &Shared, message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        standard::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        standard::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    match shared.modern_version(message) {
        Some(version) => modern(shared, message, &version, &mut headers),
        None => shared
            .session
            .lock()
            .headers(message.method(), &mut headers),
    }
    headers
}

fn modern(shared: &Shared, message: &Message, version: &str, headers: &mut HeaderMap) {
    set(headers, header::PROTOCOL_VERSION, version);
    let method = message.method();
    if method.is_empty() {
        return;
    }
    set(headers, header::METHOD, method);
    let named = header::name_source(method).and_then(|(member, _)| message.body_str(member));
    let Some(name) = named else {
        return;
    };
    set(headers, header::NAME, &name);
    if method == "tools/call" {
        for (name, value) in shared.tools.lock().mirrored(&name, message) {
            set(headers, name, &value);
        }
    }
}

/// Sets a header to what stands for `text`.
fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    // The encoding leaves visible characters only.
    if let Ok(value) = HeaderValue::from_str(&header::encode(text)) {
        headers.insert(name, value);
    }
}
