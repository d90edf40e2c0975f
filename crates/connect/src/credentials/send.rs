//! One request to the server, with a token that it takes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use url::Url;

use super::Credentials;
use crate::{ConnectError, challenge::Wanted};

/// Times that a refused token is replaced for one request: one that ended, and one whose
/// authorization server has changed meanwhile.
const REPLACED_MAX: usize = 2;

impl Credentials {
    /// Sends a request to an address of the server, whose answer begins `within` some time, and
    /// again with a nonce, another token or more scopes where the server asks.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<Response<Incoming>, ConnectError> {
        let (mut nonce_given, mut replaced) = (false, 0);
        loop {
            let token = self.token().await?;
            let mut headers = headers.clone();
            if let Some(token) = &token {
                token.authorise(&method, url, &mut headers)?;
            }
            let sending = self.http.open(method.clone(), url, headers, body.clone());
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
                    self.rejected(token.as_ref(), &wanted).await?;
                }
                StatusCode::FORBIDDEN => {
                    let wanted = Wanted::read(answer.headers());
                    if wanted.insufficient_scope().is_none() {
                        return Ok(answer);
                    }
                    self.step_up(token.as_ref(), &wanted).await?;
                }
                _ => return Ok(answer),
            }
        }
    }
}
