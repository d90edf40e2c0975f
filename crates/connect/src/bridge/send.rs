//! One request to the server, with a token that it takes.

use std::time::Duration;

use bytes::Bytes;
use cardea_mcp::Message;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;

use super::{headers, shared::Shared};
use crate::{ConnectError, challenge::Wanted};

/// Times that a refused token is replaced for one request: one that ended, and one whose
/// authorization server has changed meanwhile.
const REPLACED_MAX: usize = 2;

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

/// Sends a request whose answer begins `within` some time, and again with a nonce, another token or more scopes where the server asks.
pub(super) async fn request(
    shared: &Shared,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    within: Duration,
) -> Result<Response<Incoming>, ConnectError> {
    let credentials = &shared.credentials;
    let url = &credentials.settings.server;
    let (mut nonce_given, mut replaced) = (false, 0);
    loop {
        let token = credentials.token().await?;
        let mut headers = headers.clone();
        if let Some(token) = &token {
            token.authorise(&method, url, &mut headers)?;
        }
        let sending = credentials
            .http
            .open(method.clone(), url, headers, body.clone());
        let answer = tokio::time::timeout(within, sending)
            .await
            .map_err(|_| ConnectError::Closed)??;
        let named_nonce = token
            .as_ref()
            .is_some_and(|token| token.learn(url, answer.headers()));
        match answer.status() {
            StatusCode::UNAUTHORIZED => {
                let wanted = Wanted::read(answer.headers());
                let wants_nonce = wanted.error.as_deref() == Some("use_dpop_nonce");
                if wants_nonce && named_nonce && !nonce_given {
                    nonce_given = true;
                    continue;
                }
                if replaced >= REPLACED_MAX {
                    return Ok(answer);
                }
                replaced += 1;
                nonce_given = false;
                credentials.rejected(token.as_ref(), &wanted).await?;
            }
            StatusCode::FORBIDDEN => {
                let wanted = Wanted::read(answer.headers());
                if wanted.insufficient_scope().is_none() {
                    return Ok(answer);
                }
                credentials.step_up(token.as_ref(), &wanted).await?;
            }
            _ => return Ok(answer),
        }
    }
}
