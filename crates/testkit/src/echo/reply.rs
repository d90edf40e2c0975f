//! What a script says.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::Seen;

/// An answer, maybe held back, maybe without an end.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: ReplyBody,
    gate: Option<Gate>,
}

/// The body of a reply.
#[derive(Debug)]
pub(super) enum ReplyBody {
    Whole(Bytes),
    /// What the test sends; a part may be an abrupt end.
    Parts(mpsc::UnboundedReceiver<Part>),
}

type Part = Result<Bytes, BrokenOff>;

/// A body that ends in the middle.
#[derive(Debug)]
pub struct BrokenOff;

impl Reply {
    /// No body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::bytes(status, "", Bytes::new())
    }

    /// Any body, with a `Content-Type` unless that is empty.
    ///
    /// # Panics
    /// When `status` or `kind` cannot stand in an answer's head.
    #[must_use]
    pub fn bytes(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        let reply = Self {
            status: StatusCode::from_u16(status).expect("an HTTP status"),
            headers: HeaderMap::new(),
            body: ReplyBody::Whole(body.into()),
            gate: None,
        };
        if kind.is_empty() {
            reply
        } else {
            reply.header("content-type", kind)
        }
    }

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string())
    }

    /// The result of the request that was seen.
    #[must_use]
    pub fn result(seen: &Seen, result: &Value) -> Self {
        Self::json(200, &answer(seen, result))
    }

    /// A stream with these messages, which then ends.
    #[must_use]
    pub fn stream(messages: &[Value]) -> Self {
        let text: String = messages.iter().map(event).collect();
        Self::bytes(200, "text/event-stream", text)
    }

    /// A stream whose bytes the test sends; it ends when the sender is dropped, and breaks off at an error.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test that sends is the one that is read from"
    )]
    pub fn channel() -> (mpsc::UnboundedSender<Part>, Self) {
        let (sender, parts) = mpsc::unbounded_channel();
        let mut reply = Self::bytes(200, "text/event-stream", Bytes::new());
        reply.body = ReplyBody::Parts(parts);
        (sender, reply)
    }

    /// Adds a header.
    ///
    /// # Panics
    /// When name or value cannot stand in a head.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        let value = HeaderValue::from_str(value).expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// Holds the whole reply back until the gate is open.
    #[must_use]
    pub fn after(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    pub(super) async fn respond(self) -> Response<ReplyBody> {
        if let Some(gate) = &self.gate {
            gate.passed().await;
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if matches!(response.body(), ReplyBody::Parts(_)) {
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        response
    }
}

/// The JSON-RPC response with `result` to the request that was seen.
pub(super) fn answer(seen: &Seen, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": seen.message()["id"], "result": result })
}

/// One message as an event.
pub(super) fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// Something that is closed until it is opened; clones share it.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Opens it, for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it is open.
    pub async fn passed(&self) {
        // The sender is `self`, so it is there.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Parts(parts) => parts
                .poll_recv(context)
                .map(|part| part.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script breaks off here")
    }
}

impl std::error::Error for BrokenOff {}
