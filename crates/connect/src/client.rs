//! How this program is known at one authorization server, and how it proves that.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_domain::Clock;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    ConnectError,
    discovery::Server,
    form::{self, Form},
    jws::{self, SigningKey},
};

/// A client secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret, without the line end that files have.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A client of one authorization server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) proof: Proof,
}

/// How a client proves at the token endpoint who it is (RFC 6749, section 2.3).
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// It does not: a public client.
    None,
    /// `client_secret_basic`.
    Basic(Secret),
    /// `client_secret_post`.
    Post(Secret),
    /// `private_key_jwt` (RFC 7523, section 2.2).
    Key(Arc<SigningKey>),
}

/// An assertion is used at once; this covers clocks that differ.
const ASSERTION_LIFE_S: u64 = 60;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Proof {
    /// The way a secret is sent: as the registration says, else as the server takes it.
    pub(crate) fn of(secret: Option<Secret>, method: Option<&str>, server: &Server) -> Self {
        let Some(secret) = secret else {
            return Self::None;
        };
        let listed = server.token_endpoint_auth_methods_supported.as_deref();
        let takes = |name: &str| match listed {
            Some(listed) => listed.iter().any(|m| m == name),
            // RFC 8414 section 2: what is omitted means `client_secret_basic`.
            None => name == "client_secret_basic",
        };
        match method {
            Some("none") => Self::None,
            Some("client_secret_post") => Self::Post(secret),
            Some(_) => Self::Basic(secret),
            None if takes("client_secret_basic") => Self::Basic(secret),
            None if takes("client_secret_post") => Self::Post(secret),
            None if takes("none") => Self::None,
            None => Self::Basic(secret),
        }
    }
}

impl Proof {
    /// The name of the way (RFC 7591, section 2).
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::Key(_) => "private_key_jwt",
        }
    }
}

impl Client {
    /// Adds who it is to a request for the token endpoint of `issuer`.
    pub(crate) fn authenticate(
        &self,
        issuer: &str,
        clock: &Clock,
        form: &mut Form,
        headers: &mut HeaderMap,
    ) -> Result<(), ConnectError> {
        match &self.proof {
            Proof::None => form.set("client_id", &self.id),
            Proof::Post(secret) => {
                form.set("client_id", &self.id);
                form.set("client_secret", secret.expose());
            }
            Proof::Basic(secret) => {
                let pair = format!(
                    "{}:{}",
                    form::escape(&self.id),
                    form::escape(secret.expose())
                );
                let value = format!("Basic {}", STANDARD.encode(pair));
                let mut value = HeaderValue::try_from(value)
                    .map_err(|_| ConnectError::Crypto("the client secret cannot be sent"))?;
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            Proof::Key(key) => {
                let now = clock.unix_s();
                let claims = json!({
                    "iss": self.id, "sub": self.id, "aud": issuer, "jti": jws::random()?,
                    "iat": now, "exp": now.saturating_add(ASSERTION_LIFE_S),
                });
                form.set("client_id", &self.id);
                form.set("client_assertion_type", ASSERTION_TYPE);
                form.set(
                    "client_assertion",
                    key.sign(json!({"typ": "JWT"}), &claims)?,
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(methods: Option<&[&str]>) -> Server {
        serde_json::from_value(
            json!({"issuer": "https://as", "token_endpoint_auth_methods_supported": methods}),
        )
        .unwrap()
    }

    #[test]
    fn a_secret_goes_the_way_that_the_server_takes_it() {
        let (basic, post) = ("client_secret_basic", "client_secret_post");
        let of = |method, methods: Option<&[&str]>| {
            Proof::of(Some(Secret::new("s")), method, &server(methods)).name()
        };
        assert_eq!(of(None, None), basic);
        assert_eq!(of(None, Some(&[post])), post);
        assert_eq!(of(None, Some(&["none"])), "none");
        assert_eq!(of(Some(post), Some(&[basic])), post);
    }

    #[test]
    fn name_and_secret_are_encoded_before_they_are_joined() {
        let client = Client {
            id: "a:b".into(),
            proof: Proof::Basic(Secret::new("c d\n")),
        };
        let mut headers = HeaderMap::new();
        client
            .authenticate(
                "https://as",
                &Clock::manual(0),
                &mut Form::default(),
                &mut headers,
            )
            .unwrap();
        let value = headers[header::AUTHORIZATION].to_str().unwrap();
        let pair = STANDARD
            .decode(value.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(pair, b"a%3Ab:c+d");
        assert!(headers[header::AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(..)");
    }
}
