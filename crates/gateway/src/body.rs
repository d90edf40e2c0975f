//! The body of a reply: one text, or a stream of released messages.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{mpsc, oneshot};

use crate::{
    stall::Patience,
    way::{Recorded, Released, Rest},
};

/// What a reply is made of.
pub(crate) enum ReplyBody {
    Whole(Bytes),
    Stream(Messages),
    /// What a page of the console is told as it happens.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// The gateway's end of a stream.
#[derive(Debug)]
pub(crate) struct Outlet {
    messages: mpsc::Sender<Released>,
    /// Takes the place of what the client has not taken.
    restart: Option<oneshot::Sender<mpsc::Receiver<Released>>>,
    connection: Arc<OnceLock<Patience>>,
}

/// The client's end of a stream.
#[derive(Debug)]
pub(crate) struct Messages {
    messages: mpsc::Receiver<Released>,
    restarted: Option<oneshot::Receiver<mpsc::Receiver<Released>>>,
    /// The reply that comes after these messages.
    follows: Option<oneshot::Receiver<Recorded>>,
    connection: Arc<OnceLock<Patience>>,
}

/// The client has gone away.
#[derive(Debug)]
pub(crate) struct Gone;

/// Messages under way to a slow client; with it full, the upstream is not read on.
const IN_FLIGHT_MAX: usize = 16;

impl Outlet {
    /// Both ends of a stream.
    pub(crate) fn new() -> (Self, Messages) {
        let (sender, messages) = mpsc::channel(IN_FLIGHT_MAX);
        let (restart, restarted) = oneshot::channel();
        let connection = Arc::<OnceLock<Patience>>::default();
        let outlet = Self {
            messages: sender,
            restart: Some(restart),
            connection: Arc::clone(&connection),
        };
        let messages = Messages {
            messages,
            restarted: Some(restarted),
            follows: None,
            connection,
        };
        (outlet, messages)
    }

    /// Waits until there is room for one more message.
    pub(crate) async fn send(&self, message: Released) -> Result<(), Gone> {
        self.messages.send(message).await.map_err(|_| Gone)
    }

    /// Ready when the client has gone away.
    pub(crate) async fn closed(&self) {
        self.messages.closed().await;
    }

    /// Forgets what the client has not taken: what is sent from here on is all that follows, and the first of it has
    /// room.
    pub(crate) fn restart(&mut self) {
        if let Some(restart) = self.restart.take() {
            let (sender, messages) = mpsc::channel(1);
            // Before the other sender is dropped, so that the stream does not end with that.
            let _ = restart.send(messages);
            self.messages = sender;
        }
    }

    /// Breaks the connection off, unless the client takes all of the stream within this time.
    pub(crate) fn end_within(self, within: Duration) {
        if let Some(connection) = self.connection.get() {
            connection.end_within(within);
        }
    }
}

impl Messages {
    /// The same messages, and then a reply.
    pub(crate) fn followed_by(self, follows: oneshot::Receiver<Recorded>) -> Self {
        let mut messages = self;
        messages.follows = Some(follows);
        messages
    }

    /// On which connection they leave.
    fn leave_by(&self, connection: &Patience) {
        let _ = self.connection.set(connection.clone());
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Released>> {
        loop {
            if let Some(released) = ready!(self.poll_own(context)) {
                return Poll::Ready(Some(released));
            }
            let Some(follows) = &mut self.follows else {
                return Poll::Ready(None);
            };
            let follows = ready!(Pin::new(follows).poll(context));
            self.follows = None;
            match follows.map(Recorded::into_rest) {
                Ok(Rest::Messages(messages)) => {
                    if let Some(connection) = self.connection.get() {
                        messages.leave_by(connection);
                    }
                    let mut before = std::mem::replace(self, messages);
                    // The call goes on: nothing is handed over with these.
                    before.connection = Arc::default();
                }
                Ok(Rest::Whole(released)) => return Poll::Ready(Some(released)),
                Ok(Rest::Nothing) | Err(_) => return Poll::Ready(None),
            }
        }
    }

    fn poll_own(&mut self, context: &mut Context<'_>) -> Poll<Option<Released>> {
        loop {
            let restarted = self.restarted.as_mut().map(|r| Pin::new(r).poll(context));
            match restarted {
                Some(Poll::Ready(Ok(messages))) => {
                    self.messages = messages;
                    self.restarted = None;
                }
                Some(Poll::Ready(Err(_))) => self.restarted = None,
                Some(Poll::Pending) | None => {}
            }
            match self.messages.poll_recv(context) {
                // It may have been restarted between the two looks; a second one does not miss it.
                Poll::Ready(None) if self.restarted.is_some() => {
                    if let Some(Ok(messages)) = self.restarted.take().map(|mut r| r.try_recv()) {
                        self.messages = messages;
                    }
                }
                polled => return polled,
            }
        }
    }
}

impl ReplyBody {
    /// Tells a stream on which connection it leaves.
    pub(crate) fn leave_by(&self, connection: &Patience) {
        if let Self::Stream(messages) = self {
            messages.leave_by(connection);
        }
    }
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
                .poll_next(context)
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

impl Drop for Messages {
    fn drop(&mut self) {
        // The connection has all of it, or is gone.
        if let Some(connection) = self.connection.get() {
            connection.handed_over();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(messages: &mut Messages) -> Option<Bytes> {
        let next = poll_fn(|context| messages.poll_next(context)).await;
        next.map(Released::into_bytes)
    }

    #[tokio::test]
    async fn what_was_not_taken_is_forgotten_by_a_restart_and_the_last_word_has_room() {
        let (mut outlet, mut messages) = Outlet::new();
        for _ in 0..IN_FLIGHT_MAX {
            outlet.send(Released::keep_alive()).await.unwrap();
        }
        assert!(next(&mut messages).await.is_some());
        outlet.restart();
        let last = Released::unrecordable(Bytes::from_static(b"last"));
        outlet.send(last).await.unwrap();
        drop(outlet);
        assert_eq!(next(&mut messages).await.as_deref(), Some(&b"last"[..]));
        assert_eq!(next(&mut messages).await, None);
    }

    #[tokio::test]
    async fn a_stream_that_is_not_restarted_gives_all_and_ends() {
        let (outlet, mut messages) = Outlet::new();
        outlet.send(Released::keep_alive()).await.unwrap();
        drop(outlet);
        assert!(next(&mut messages).await.is_some());
        assert_eq!(next(&mut messages).await, None);
    }

    #[tokio::test]
    async fn a_restart_alone_ends_the_stream() {
        let (mut outlet, mut messages) = Outlet::new();
        outlet.send(Released::keep_alive()).await.unwrap();
        outlet.restart();
        outlet.end_within(Duration::ZERO);
        assert_eq!(next(&mut messages).await, None);
    }
}
