//! The token endpoint: what is sent there and what comes back.

use cardea_domain::Clock;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use url::Url;

use crate::{
    ConnectError,
    client::Client,
    dpop::{self, Prover},
    error::foreign,
    form::{self, Form},
    http::Http,
};

/// The token endpoint of one authorization server, as one client uses it.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    pub(crate) http: &'a Http,
    pub(crate) url: &'a Url,
    pub(crate) issuer: &'a str,
    pub(crate) client: &'a Client,
    /// Asks for tokens that are bound to this key.
    pub(crate) prover: Option<&'a Prover>,
    pub(crate) clock: &'a Clock,
}

/// Tokens as they were issued. `Debug` is not there on purpose.
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) scheme: Scheme,
    pub(crate) expires_at_s: Option<u64>,
    pub(crate) refresh: Option<String>,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Whoever has it may use it (RFC 6750).
    Bearer,
    /// With a proof of the key that it is bound to (RFC 9449).
    Dpop,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// A token that is said to live longer than this is renewed after it all the same.
const LIFE_S_MAX: u64 = 24 * 3600;

/// A token is a header of each request; servers refuse larger heads.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

impl Endpoint<'_> {
    /// Asks for an access token.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] with the OAuth error.
    pub(crate) async fn tokens(&self, form: &Form) -> Result<Tokens, ConnectError> {
        let answer: Answer = self.read(&self.send(form).await?)?;
        let scheme = if answer.token_type.eq_ignore_ascii_case("bearer") {
            Scheme::Bearer
        } else if answer.token_type.eq_ignore_ascii_case("dpop") && self.prover.is_some() {
            Scheme::Dpop
        } else {
            return Err(self.malformed("a token of an unknown type"));
        };
        let usable = |token: &str| {
            (1..=TOKEN_BYTES_MAX).contains(&token.len())
                && token.bytes().all(|b| b.is_ascii_graphic())
        };
        if !usable(&answer.access_token) {
            return Err(self.malformed("a token that cannot be sent"));
        }
        let now = self.clock.unix_s();
        Ok(Tokens {
            access: answer.access_token,
            scheme,
            expires_at_s: answer
                .expires_in
                .map(|life| now.saturating_add(life.min(LIFE_S_MAX))),
            refresh: answer.refresh_token.filter(|token| !token.is_empty()),
        })
    }

    /// Asks for a token that is not for a resource but to be handed on (RFC 8693); its type is
    /// the caller's to check.
    pub(crate) async fn exchange(&self, form: &Form, kind: &str) -> Result<String, ConnectError> {
        #[derive(Deserialize)]
        struct Issued {
            access_token: String,
            issued_token_type: String,
        }
        let issued: Issued = self.read(&self.send(form).await?)?;
        if issued.issued_token_type != kind {
            return Err(self.malformed("a token of another type than was asked for"));
        }
        Ok(issued.access_token)
    }

    /// Sends a form with the client's proof, and again with the nonce that the server asks for.
    pub(crate) async fn send(&self, form: &Form) -> Result<Vec<u8>, ConnectError> {
        let mut nonce_given = false;
        loop {
            let (mut form, mut headers) = (form.clone(), HeaderMap::new());
            self.client
                .authenticate(self.issuer, self.clock, &mut form, &mut headers)?;
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(form::CONTENT_TYPE),
            );
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            if let Some(prover) = self.prover {
                let proof = prover.proof("POST", self.url, None)?;
                let proof = HeaderValue::try_from(proof)
                    .map_err(|_| ConnectError::Crypto("the proof cannot be sent"))?;
                headers.insert(dpop::DPOP, proof);
            }
            let answer = self
                .http
                .whole(Method::POST, self.url, headers, form.encode())
                .await?;
            let named = self
                .prover
                .is_some_and(|prover| prover.learn(self.url, answer.headers()));
            let status = answer.status();
            if status.is_success() {
                return Ok(answer.into_body().into());
            }
            let refusal = serde_json::from_slice::<Refusal>(answer.body()).ok();
            let wants_nonce = refusal
                .as_ref()
                .is_some_and(|refusal| refusal.error == "use_dpop_nonce");
            if wants_nonce && named && !nonce_given {
                nonce_given = true;
                continue;
            }
            return Err(self.refused(status, refusal));
        }
    }

    fn refused(&self, status: StatusCode, refusal: Option<Refusal>) -> ConnectError {
        match refusal {
            Some(refusal) => ConnectError::Refused {
                error: foreign(&refusal.error),
                description: refusal.error_description.as_deref().map(foreign),
            },
            None => ConnectError::Transport {
                url: self.url.to_string(),
                reason: format!("status {status} without an OAuth error"),
            },
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, text: &[u8]) -> Result<T, ConnectError> {
        // The parser's words could quote a token.
        serde_json::from_slice(text).map_err(|_| self.malformed("no token answer"))
    }

    fn malformed(&self, what: &str) -> ConnectError {
        ConnectError::Transport {
            url: self.url.to_string(),
            reason: format!("the token endpoint sent {what}"),
        }
    }
}
