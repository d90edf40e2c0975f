//! A request's body on loan: what nobody read of it is read before the answer leaves.
//!
//! A refusal is often ready before its request has come whole. The HTTP library would send it and close the connection
//! without a word, since the rest is not there yet; a client whose next request is on its way by then sees that one
//! fail, and one that is still sending may never see the refusal.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parking_lot::Mutex;

/// A client that sends head and body apart does so within this; whoever takes longer gets a new connection.
const WITHIN: Duration = Duration::from_secs(5);

/// The body of a request, which goes back when it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Lent {
    /// None at its end, and when it is dropped.
    body: Option<Incoming>,
    is_withheld: bool,
    rest: Arc<Mutex<Option<Unread>>>,
}

#[derive(Debug)]
struct Unread {
    body: Incoming,
    /// The client waits to be asked for it, and nobody has (RFC 9110, section 10.1.1).
    is_withheld: bool,
}

/// What is left of a body that was lent.
#[derive(Debug)]
pub(crate) struct Rest(Arc<Mutex<Option<Unread>>>);

/// The request with its body on loan.
pub(crate) fn lend(request: Request<Incoming>) -> (Request<Lent>, Rest) {
    let rest = Arc::new(Mutex::new(None));
    let is_withheld = request.headers().contains_key(header::EXPECT);
    let request = request.map(|body| Lent {
        body: Some(body),
        is_withheld,
        rest: Arc::clone(&rest),
    });
    (request, Rest(rest))
}

impl Rest {
    /// Reads what is left, up to `bytes_max`, and throws it away. Where more is left, or it does not come, the answer
    /// says that the connection ends with it.
    pub(crate) async fn settle<B>(self, bytes_max: usize, answer: &mut Response<B>) {
        let Some(rest) = self.0.lock().take() else {
            return;
        };
        if answer.headers().contains_key(header::CONNECTION) {
            return;
        }
        if rest.is_withheld || !is_read(rest.body, bytes_max).await {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

/// Whether a body ended within its bounds.
async fn is_read(mut body: Incoming, bytes_max: usize) -> bool {
    if body.size_hint().lower() > bytes_max as u64 {
        return false;
    }
    let read = async {
        let mut left = bytes_max;
        while let Some(frame) = body.frame().await {
            let bytes = frame.ok()?.data_ref().map_or(0, Bytes::len);
            left = left.checked_sub(bytes)?;
        }
        Some(())
    };
    matches!(tokio::time::timeout(WITHIN, read).await, Ok(Some(())))
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            let is_withheld = self.is_withheld;
            *self.rest.lock() = Some(Unread { body, is_withheld });
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_withheld = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            // A body of unknown length does not say so by itself.
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
