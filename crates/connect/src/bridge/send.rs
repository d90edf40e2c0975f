//! One request to the server, with a token that it takes.

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
    let sending = message_to(shared, message);
    let answer = tokio::time::timeout(POST_TIMEOUT, sending)
        .await
        .map_err(|_| ConnectError::Closed)??;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(ConnectError::Status(status.as_u16())),
    }
}

/// A server accepts without thinking; with a login before it, a person thinks.
const POST_TIMEOUT: std::time::Duration =
    std::time::Duration::from_secs(60 * (crate::loopback::LOGIN_MINUTES_MAX + 1));

/// Sends a message, whatever comes back.
pub(super) async fn message_to(
    shared: &Shared,
    message: &Message,
) -> Result<Response<Incoming>, ConnectError> {
    let headers = headers::of(shared, message);
    request(shared, Method::POST, headers, message.text().clone()).await
}

/// Sends a request, and again with a nonce, another token or more scopes where the server asks.
pub(super) async fn request(
    shared: &Shared,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
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
        let answer = credentials
            .http
            .open(method.clone(), url, headers, body.clone())
            .await?;
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
