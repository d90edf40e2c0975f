//! A stream of messages from an upstream, however it is carried.

use cardea_domain::Denial;
use cardea_mcp::sse::{Event, Parser, SseError};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::{
    closed, malformed,
    pool::Leased,
    stdio::{Routed, Ticket},
    too_large,
};

/// Where a stream's messages come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Server-sent events.
    Http { body: Leased, parser: Parser },
    /// A child process: messages sorted out for this call. The first may already be here.
    Stdio {
        first: Option<Routed>,
        messages: mpsc::Receiver<Routed>,
        /// Keeps the call registered with the process while the stream is open.
        _ticket: Ticket,
    },
}

impl Source {
    pub(super) fn http(body: Leased, max: usize) -> Self {
        Self::Http {
            body,
            parser: Parser::new(max),
        }
    }

    /// The next event; `None` at the stream's end.
    ///
    /// # Errors
    /// A denial when the stream breaks off or cannot be read; nothing comes after it.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Denial> {
        match self {
            Self::Http { body, parser } => loop {
                if let Some(event) = parser.next_event().map_err(unreadable)? {
                    return Ok(Some(event));
                }
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            parser.feed(&data);
                        }
                    }
                    Some(Err(error)) => return Err(closed(error)),
                    None => return Ok(None),
                }
            },
            Self::Stdio {
                first, messages, ..
            } => {
                let routed = match first.take() {
                    Some(first) => Some(first),
                    None => messages.recv().await,
                };
                Ok(routed.map(|routed| Event::message(routed.text)))
            }
        }
    }

    /// After the last message: reads an end that is already there, so that the connection can
    /// be used again.
    pub(crate) fn finish(mut self) {
        if let Self::Http { body, .. } = &mut self {
            use futures_util::FutureExt as _;
            while let Some(Some(Ok(_))) = body.frame().now_or_never() {}
        }
    }
}

fn unreadable(error: SseError) -> Denial {
    match error {
        SseError::TooLarge(max) => too_large(max),
        SseError::NotText => malformed(error),
    }
}
