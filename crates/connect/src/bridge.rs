//! From a host's standard input to a server over HTTP, and back.
//!
//! Requests run side by side; notifications and the host's answers go out one after the other
//! and before what the host sends after them, since a server may take them in no other order.

mod call;
mod headers;
mod lines;
mod send;
mod session;
mod shared;
mod tools;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_mcp::{Era, Kind, Limits, Message, MessageError, reply};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::shared::{Opened, Shared};
use crate::{ConnectError, Credentials};

/// A stdio MCP server that stands for one over HTTP.
pub struct Bridge(Arc<Shared>);

/// Lines that wait for the server; then the pipe from the host fills, as it should.
const INBOX_LINES: usize = 64;

/// Lines that wait for the host; then the streams from the server wait.
const OUTBOX_LINES: usize = 64;

/// Time for open calls to end after the host closed the pipe; hosts kill after a few seconds.
const DRAIN: Duration = Duration::from_secs(5);

/// A host that does not read its pipe is not waited for longer than this at the end.
const FLUSH: Duration = Duration::from_secs(2);

impl Bridge {
    /// A bridge to the server of `credentials`.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Arc::new(Shared::new(credentials)))
    }

    /// Carries messages until `input` ends or `stop` is cancelled, then ends the session.
    ///
    /// # Errors
    /// When the host's pipe breaks; what goes wrong with one message is the answer to it.
    pub async fn run(
        self,
        input: impl AsyncRead + Unpin + Send + 'static,
        output: impl AsyncWrite + Unpin + Send + 'static,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        let shared = self.0;
        let (outbox, lines) = mpsc::channel(OUTBOX_LINES);
        shared.connect(outbox);
        let writer = tokio::spawn(lines::write(output, lines));
        let (inbox, mut messages) = mpsc::channel(INBOX_LINES);
        let reader = tokio::spawn(lines::read(input, inbox));
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = tasks.join_next() => {}
                line = messages.recv() => {
                    let Some(line) = line else { break };
                    let dispatched = dispatch(&shared, line, &mut tasks);
                    if stop.run_until_cancelled(dispatched).await.is_none() {
                        break;
                    }
                }
            }
        }
        let drain =
            async { while shared.has_ordinary_calls() && tasks.join_next().await.is_some() {} };
        let _ = stop
            .run_until_cancelled(tokio::time::timeout(DRAIN, drain))
            .await;
        tasks.shutdown().await;
        reader.abort();
        shared.end_session().await;
        shared.disconnect();
        match tokio::time::timeout(FLUSH, writer).await {
            Ok(Ok(written)) => written,
            _ => Ok(()),
        }
    }
}

/// Takes one line of the host.
async fn dispatch(shared: &Arc<Shared>, line: lines::Line, tasks: &mut JoinSet<()>) {
    let text = match line {
        lines::Line::Text(text) => text,
        lines::Line::TooLong => {
            let message = format!("the message is over {} bytes", lines::LINE_BYTES_MAX);
            return shared
                .complain(reply::code::INVALID_REQUEST, &message)
                .await;
        }
    };
    let message = match parse(text) {
        Ok(message) => message,
        Err(error) => {
            let code = match &error {
                MessageError::Envelope(_) | MessageError::Batch => reply::code::INVALID_REQUEST,
                MessageError::Json(_) | MessageError::Utf8(_) => reply::code::PARSE,
            };
            return shared.complain(code, &error.to_string()).await;
        }
    };
    match message.kind() {
        Kind::Request => match shared.open(&message) {
            Ok(opened) => {
                let shared = Arc::clone(shared);
                tasks.spawn(async move { call::run(&shared, message, opened).await });
            }
            Err(error) => shared.fail(&message, &error).await,
        },
        Kind::Notification if message.method() == "notifications/cancelled" => {
            cancel(shared, &message).await;
        }
        Kind::Notification => {
            post(shared, &message).await;
            if message.method() == "notifications/initialized" && shared.era() == Era::Legacy {
                let shared = Arc::clone(shared);
                tasks.spawn(async move { session::listen(&shared).await });
            }
        }
        Kind::Result | Kind::Error => post(shared, &message).await,
    }
}

/// Ends a call for the host. In the modern era closing its stream tells the server; in the
/// legacy era the notification does.
async fn cancel(shared: &Arc<Shared>, message: &Message) {
    let Some(call) = message.body("requestId").and_then(|id| shared.close(id)) else {
        return;
    };
    if call.era == Era::Legacy {
        post(shared, message).await;
    }
    call.cancel.cancel();
}

/// Sends what has no answer.
async fn post(shared: &Arc<Shared>, message: &Message) {
    if let Err(error) = send::post(shared, message).await {
        tracing::warn!(
            method = message.method(),
            code = error.code(),
            "not delivered: {error}"
        );
    }
}

fn parse(text: Bytes) -> Result<Message, MessageError> {
    Message::parse(text, &Limits::default())
}

impl Shared {
    /// Answers `message` with an error.
    async fn fail(&self, message: &Message, error: &ConnectError) {
        let mut data = serde_json::json!({"code": error.code()});
        if let (true, Some(data)) = (error.retryable(), data.as_object_mut()) {
            data.insert("retryable".into(), true.into());
        }
        let id = message.id().map(cardea_mcp::Id::raw);
        let text = reply::error(id, self.era(), error.rpc(), &error.to_string(), Some(data));
        self.say(text.into()).await;
    }

    /// Tells the host about a line that is no message.
    async fn complain(&self, code: i64, message: &str) {
        let text = reply::error(None, self.era(), code, message, None);
        self.say(text.into()).await;
    }
}

/// A call's slot is given back when its task ends, however it ends.
impl Drop for Opened {
    fn drop(&mut self) {
        self.shared.forget(&self.key, self.number);
    }
}
