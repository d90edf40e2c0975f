//! An access token in use: what it adds to a request.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use url::Url;

use crate::{
    ConnectError,
    dpop::{self, Prover},
    jws,
};

/// An access token in use. `Debug` is not there on purpose.
pub(crate) struct Token {
    pub(super) access: String,
    pub(super) expires_at_s: Option<u64>,
    /// The key that it is bound to.
    pub(super) prover: Option<Arc<Prover>>,
    pub(super) renewable: bool,
}

impl Token {
    /// Adds the token, and the proof that it needs, to a request.
    pub(crate) fn authorise(
        &self,
        method: &http::Method,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ConnectError> {
        let unusable = |_| ConnectError::Crypto("the token cannot be sent");
        let scheme = match &self.prover {
            Some(prover) => {
                let proof = prover.proof(method.as_str(), url, Some(&self.access))?;
                headers.insert(dpop::DPOP, HeaderValue::try_from(proof).map_err(unusable)?);
                "DPoP"
            }
            None => "Bearer",
        };
        let value = format!("{scheme} {}", self.access);
        let mut value = HeaderValue::try_from(value).map_err(unusable)?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }

    /// Keeps the nonce of an answer; true where a request must be sent again with it.
    pub(crate) fn learn(&self, url: &Url, answer: &HeaderMap) -> bool {
        let prover = self.prover.as_ref();
        prover.is_some_and(|prover| prover.learn(url, answer))
    }
}

/// The run that a token belongs to, where it says so.
pub(super) fn run(access: &str) -> Option<String> {
    let claims = jws::peek(access)?;
    claims.get("sid")?.as_str().map(str::to_owned)
}
