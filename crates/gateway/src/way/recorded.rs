//! Last station: what may leave.

use bytes::Bytes;
use cardea_audit::Receipt;
use cardea_domain::{Code, Denial};
use cardea_mcp::{Era, sse::Event};
use http::{HeaderValue, Response, StatusCode, header};

use super::OpenCall;
use crate::{
    access::Hold,
    body::{Messages, ReplyBody},
    refusal,
    stall::Patience,
    strangers::Counted,
};

/// A reply whose record is on disk, or a counted refusal of somebody without a good token. The reply writer takes nothing else.
#[derive(Debug)]
pub(crate) struct Recorded(Response<ReplyBody>);

/// One message of a stream that may leave.
#[derive(Debug)]
pub(crate) struct Released(Bytes);

/// A reply as what follows on a stream that has begun.
#[derive(Debug)]
pub(crate) enum Rest {
    Messages(Messages),
    Whole(Released),
    Nothing,
}

impl Recorded {
    /// A whole answer, by the receipt of its record.
    pub(crate) fn whole(_proof: &Receipt, status: StatusCode, text: Bytes) -> Self {
        Self(whole(status, text))
    }

    /// The refusal of a stranger, who has had enough records for this second.
    pub(crate) fn counted(_proof: &Counted, status: StatusCode, text: Bytes) -> Self {
        Self(whole(status, text))
    }

    /// A reply without a body, by the receipt of its record.
    pub(crate) fn empty(_proof: &Receipt, status: StatusCode) -> Self {
        let mut response = Response::new(ReplyBody::Whole(Bytes::new()));
        *response.status_mut() = status;
        Self(response)
    }

    /// A stream; its head says nothing, and each of its messages is released by itself.
    pub(crate) fn stream(messages: Messages) -> Self {
        let mut response = Response::new(ReplyBody::Stream(messages));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        );
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, no-transform"),
        );
        // Reverse proxies buffer otherwise (2026-07-28, Receiving Messages).
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Self(response)
    }

    /// The refusal of a call that could not be recorded: it says nothing of the call.
    pub(crate) fn unrecordable(denial: &Denial, era: Era, id: Option<&str>) -> Self {
        debug_assert_eq!(denial.code, Code::AuditUnavailable);
        let text = refusal::text(denial, era, id, "");
        let mut reply = Self(whole(
            refusal::wire(denial.code, era).status,
            Bytes::from(text),
        ));
        reply.header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        reply
    }

    /// The reply as what follows on a stream; status and headers have left before.
    pub(crate) fn into_rest(self) -> Rest {
        match self.0.into_body() {
            ReplyBody::Stream(messages) => Rest::Messages(messages),
            ReplyBody::Whole(text) if !text.is_empty() => {
                Rest::Whole(Released(Event::message(text).encode()))
            }
            ReplyBody::Whole(_) | ReplyBody::Events(_) => Rest::Nothing,
        }
    }

    /// Sets a header.
    pub(crate) fn header(&mut self, name: header::HeaderName, value: HeaderValue) {
        self.0.headers_mut().insert(name, value);
    }

    /// Adds a header beside those of the same name.
    pub(crate) fn add_header(&mut self, name: header::HeaderName, value: HeaderValue) {
        self.0.headers_mut().append(name, value);
    }

    /// The reply as it is written, on this connection.
    pub(crate) fn into_response(self, connection: &Patience) -> Response<ReplyBody> {
        self.0.body().leave_by(connection);
        self.0
    }
}

fn whole(status: StatusCode, text: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

impl Released {
    /// A final answer or a request of the server, by the receipt of its record.
    pub(crate) fn recorded(_proof: &Receipt, event: Bytes) -> Self {
        Self(event)
    }

    /// A notification or a position on the stream of a call that is under way; the call's
    /// outcome counts it.
    pub(crate) fn within(_call: &OpenCall, event: Bytes) -> Self {
        Self(event)
    }

    /// A notification that the call is held, which is on record since it began.
    pub(crate) fn while_held(_hold: &Hold, event: Bytes) -> Self {
        Self(event)
    }

    /// A comment that keeps the connection open.
    pub(crate) fn keep_alive() -> Self {
        Self(Bytes::from_static(cardea_mcp::sse::KEEP_ALIVE))
    }

    /// The refusal that ends a stream whose outcome could not be recorded.
    pub(crate) fn unrecordable(event: Bytes) -> Self {
        Self(event)
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}
