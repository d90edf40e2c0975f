//! One call of the host, from its request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use cardea_mcp::{Era, Id, Kind, Message, reply::code, sse};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{
    lines, parse, send,
    session::{self, Position},
    shared::{Opened, Shared},
};
use crate::{ConnectError, http::read};

/// Runs a call until it is answered or cancelled.
pub(super) async fn run(shared: &Arc<Shared>, message: Message, opened: Opened) {
    let answered = tokio::time::timeout(send::CALL_MAX, exchange(shared, &message, &opened));
    let ended = tokio::select! {
        biased;
        () = opened.cancel.cancelled() => return,
        answered = answered => answered.unwrap_or(Err(ConnectError::Closed)),
    };
    if let Err(error) = ended
        && shared.claim(&opened)
    {
        shared.fail(&message, &error).await;
    }
}

async fn exchange(
    shared: &Arc<Shared>,
    message: &Message,
    opened: &Opened,
) -> Result<(), ConnectError> {
    let mut answer = send::message_to(shared, message).await?;
    if opened.era == Era::Legacy && answer.status() == StatusCode::NOT_FOUND {
        // The server has forgotten the session (MCP 2025-11-25, Session Management).
        if session::reopen(shared, message).await? {
            answer = send::message_to(shared, message).await?;
        }
    }
    if opened.era == Era::Modern && answer.status() == StatusCode::BAD_REQUEST {
        return refused(shared, message, opened, answer).await;
    }
    finish(shared, message, opened, answer).await
}

/// Reads the answer in whatever form it comes.
async fn finish(
    shared: &Arc<Shared>,
    message: &Message,
    opened: &Opened,
    answer: Response<Incoming>,
) -> Result<(), ConnectError> {
    if !answer.status().is_success() {
        let status = answer.status();
        let text = whole(answer).await?;
        return failed(shared, message, opened, status, text).await;
    }
    if message.method() == "initialize" {
        shared.session.lock().begin(message, answer.headers());
    }
    if is_stream(&answer) {
        return follow(shared, message, opened, answer.into_body()).await;
    }
    let text = whole(answer).await?;
    let response = parse(text).map_err(|e| ConnectError::Malformed(e.to_string()))?;
    if !answers(&response, message) {
        return Err(ConnectError::Malformed(
            "it does not answer this call".into(),
        ));
    }
    deliver(shared, message, opened, response).await;
    Ok(())
}

/// A modern server's 400: a call whose mirrored arguments were not known is sent again once,
/// after a look at the list.
async fn refused(
    shared: &Arc<Shared>,
    message: &Message,
    opened: &Opened,
    answer: Response<Incoming>,
) -> Result<(), ConnectError> {
    let status = answer.status();
    let text = whole(answer).await?;
    let tool = (message.method() == "tools/call")
        .then(|| message.body_str("name"))
        .flatten();
    let mismatch = parse(text.clone())
        .is_ok_and(|error| error.body("code") == Some(&*code::HEADER_MISMATCH.to_string()));
    if let (true, Some(tool)) = (mismatch, tool)
        && !shared.tools.lock().knows(&tool)
        && session::learn_tools(shared, message).await?
        && shared.tools.lock().knows(&tool)
    {
        let answer = send::message_to(shared, message).await?;
        return finish(shared, message, opened, answer).await;
    }
    failed(shared, message, opened, status, text).await
}

/// Hands on the error that came with a status, as the answer to this call.
async fn failed(
    shared: &Arc<Shared>,
    message: &Message,
    opened: &Opened,
    status: StatusCode,
    text: Bytes,
) -> Result<(), ConnectError> {
    let error = parse(text).ok().filter(|m| m.kind() == Kind::Error);
    let Some((error, id)) = error.zip(message.id()) else {
        return Err(ConnectError::Status(status.as_u16()));
    };
    let told = match error.id() {
        Some(_) if answers(&error, message) => error.text().clone(),
        Some(_) => {
            return Err(ConnectError::Malformed(
                "it does not answer this call".into(),
            ));
        }
        // An error about the request's form may come without its id.
        None => {
            let raw = error.top("error").unwrap_or("{}");
            format!(r#"{{"jsonrpc":"2.0","id":{},"error":{raw}}}"#, id.raw()).into()
        }
    };
    if shared.claim(opened) {
        shared.say(told).await;
    }
    Ok(())
}

/// Reads a stream until it answers the call; a legacy one that breaks off is taken up again.
async fn follow(
    shared: &Arc<Shared>,
    message: &Message,
    opened: &Opened,
    body: Incoming,
) -> Result<(), ConnectError> {
    let mut position = Position::default();
    let mut body = body;
    loop {
        let broken = match events(shared, Some((message, opened)), body, &mut position).await {
            Ok(Ended::Answered) => return Ok(()),
            Ok(Ended::Closed) => ConnectError::Closed,
            Err(error) => error,
        };
        if opened.era == Era::Modern || !position.can_resume() {
            return Err(broken);
        }
        body = session::resume(shared, &position).await?.ok_or(broken)?;
    }
}

/// How a stream came to its end.
pub(super) enum Ended {
    /// With the answer to the call.
    Answered,
    /// Without.
    Closed,
}

/// Hands on what a stream brings, until it answers `call` or ends.
pub(super) async fn events(
    shared: &Arc<Shared>,
    call: Option<(&Message, &Opened)>,
    mut body: Incoming,
    position: &mut Position,
) -> Result<Ended, ConnectError> {
    let broken = |reason: String| ConnectError::Malformed(reason);
    let mut parser = sse::Parser::new(lines::LINE_BYTES_MAX);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Ok(Ended::Closed);
        };
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        parser.feed(&chunk);
        while let Some(event) = parser.next_event().map_err(|e| broken(e.to_string()))? {
            position.note(&event);
            let Some(data) = event.data.filter(|data| !data.is_empty()) else {
                continue;
            };
            let arrived = parse(data).map_err(|e| broken(e.to_string()))?;
            if let Some((message, opened)) = call
                && answers(&arrived, message)
            {
                deliver(shared, message, opened, arrived).await;
                return Ok(Ended::Answered);
            }
            hand_on(shared, arrived).await;
        }
    }
    Ok(Ended::Closed)
}

/// A message on a stream that does not answer the stream's own call.
async fn hand_on(shared: &Arc<Shared>, message: Message) {
    if matches!(message.kind(), Kind::Request | Kind::Notification) {
        return shared.say(message.text().clone()).await;
    }
    // A legacy server may answer a call on a later stream than the call's own.
    match message.id().and_then(|id| shared.close(id.raw())) {
        Some(call) => {
            call.cancel.cancel();
            shared.say(message.text().clone()).await;
        }
        None => tracing::warn!("dropped an answer to no open call"),
    }
}

/// Gives the host its answer, once.
async fn deliver(shared: &Shared, message: &Message, opened: &Opened, answer: Message) {
    let mut text = answer.text().clone();
    if answer.kind() == Kind::Result {
        match (message.method(), opened.era) {
            ("initialize", _) => shared.session.lock().agree(&answer),
            ("tools/list", Era::Modern) => {
                if let Some(without) = shared.tools.lock().learn(&answer) {
                    text = without;
                }
            }
            _ => {}
        }
    }
    if shared.claim(opened) {
        shared.say(text).await;
    }
}

fn answers(response: &Message, request: &Message) -> bool {
    let same =
        |a: Option<Id<'_>>, b: Option<Id<'_>>| matches!((a, b), (Some(a), Some(b)) if a == b);
    matches!(response.kind(), Kind::Result | Kind::Error) && same(response.id(), request.id())
}

pub(super) async fn whole(answer: Response<Incoming>) -> Result<Bytes, ConnectError> {
    read(answer.into_body(), lines::LINE_BYTES_MAX)
        .await
        .map_err(ConnectError::Malformed)
}

/// Whether the answer is a stream of events.
pub(super) fn is_stream(answer: &Response<Incoming>) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.and_then(|v| v.to_str().ok()).is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/event-stream")
    })
}
