//! One request to the server, with a token that it takes.

use std::time::Duration;

use bytes::Bytes;
use cardea_mcp::Message;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;

use super::{headers, shared::Shared};
use crate::ConnectError;

/// Sends a message that has no answer.
pub(super) async fn post(shared: &Shared, message: &Message) -> Result<(), ConnectError> {
    let headers = headers::of(shared, message);
    let body = message.text().clone();
    let answer = request(shared, Method::POST, headers, body, PROMPT).await?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(ConnectError::Status(status.as_u16())),
    }
}

/// What a server does without thinking: accepting a notification, opening a stream.
pub(super) const PROMPT: Duration = Duration::from_secs(60);

/// A call that takes longer is lost; hosts give up long before.
pub(super) const CALL_MAX: Duration = Duration::from_secs(24 * 3600);

/// Sends a call, whatever comes back.
pub(super) async fn message_to(
    shared: &Shared,
    message: &Message,
) -> Result<Response<Incoming>, ConnectError> {
    let headers = headers::of(shared, message);
    let body = message.text().clone();
    request(shared, Method::POST, headers, body, CALL_MAX).await
}

/// Sends a request to the server, whose answer begins `within` some time.
pub(super) async fn request(
    shared: &Shared,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    within: Duration,
) -> Result<Response<Incoming>, ConnectError> {
    let credentials = &shared.credentials;
    let server = &credentials.settings.server;
    credentials
        .send(method, server, headers, body, within)
        .await
}
