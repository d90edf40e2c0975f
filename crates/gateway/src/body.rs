//! The body of a reply: one text, or a stream of released messages.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::way::Released;

/// What a reply is made of.
pub(crate) enum ReplyBody {
    Whole(Bytes),
    Stream(mpsc::Receiver<Released>),
    /// What a page of the console is told as it happens.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Stream(_) => "Stream",
            Self::Events(_) => "Events",
        })
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(text) if text.is_empty() => Poll::Ready(None),
            Self::Whole(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Stream(messages) => messages
                .poll_recv(context)
                .map(|message| message.map(|m| Ok(Frame::data(m.into_bytes())))),
            Self::Events(events) => events
                .as_mut()
                .poll_next(context)
                .map(|event| event.map(|e| Ok(Frame::data(e)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(text) if text.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(text) => SizeHint::with_exact(text.len() as u64),
            Self::Stream(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}
