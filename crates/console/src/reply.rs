//! What leaves: pages, documents, files, streams of events; and the headers that go with them.

use std::pin::Pin;

use askama::Template;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// An answer of the console.
pub type Reply = Response<Body>;

/// An answer's body.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Server-sent events, as they happen; it ends by itself after some minutes.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// Nothing but what comes from here, and no scripts but the one file. Framed by nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Template) -> Reply {
    match page.render() {
        Ok(text) => typed(status, "text/html; charset=utf-8", text.into()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            let text = Bytes::from_static(b"the page cannot be shown\n");
            typed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                text,
            )
        }
    }
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, document: &Value) -> Reply {
    typed(status, "application/json", document.to_string().into())
}

/// A file to keep.
pub(crate) fn file(kind: &'static str, name: &str, content: Vec<u8>) -> Reply {
    let mut reply = typed(StatusCode::OK, kind, content.into());
    let disposition = format!("attachment; filename=\"{name}\"");
    set(&mut reply, header::CONTENT_DISPOSITION, &disposition);
    reply
}

/// A style sheet or script of this version of the console.
pub(crate) fn asset(kind: &'static str, content: &'static str) -> Reply {
    let mut reply = typed(StatusCode::OK, kind, Bytes::from_static(content.as_bytes()));
    // Its address changes with its content.
    set(
        &mut reply,
        header::CACHE_CONTROL,
        "public, max-age=31536000, immutable",
    );
    reply
}

/// Sends a browser elsewhere; after a form it asks with GET.
pub(crate) fn see_other(location: &str) -> Reply {
    let mut reply = typed(
        StatusCode::SEE_OTHER,
        "text/plain; charset=utf-8",
        Bytes::new(),
    );
    set(&mut reply, header::LOCATION, location);
    reply
}

/// An answer with the headers that all have.
pub(crate) fn typed(status: StatusCode, kind: &'static str, content: Bytes) -> Reply {
    let mut reply = Response::new(Body::Whole(content));
    *reply.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` browsers send forms with `Origin: null`, which could be anybody's.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        set(&mut reply, name, value);
    }
    reply
}

pub(crate) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(text) => f.debug_tuple("Whole").field(&text.len()).finish(),
            Self::Events(_) => f.debug_tuple("Events").finish_non_exhaustive(),
        }
    }
}
