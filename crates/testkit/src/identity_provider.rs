//! An identity provider over loopback HTTP: metadata, a key set that can be exchanged, and tokens, right and wrong.
//!
//! [`IdentityProvider`] serves and counts; [`Key`] signs any header over any claims, so that a test can make the token
//! that no library would make.

mod key;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use serde_json::{Value, json};

pub use self::key::{Key, hmac_signed, unsigned};
use crate::listen::{Running, bind_loopback, serve_http};

/// The path of the key set.
const JWKS_PATH: &str = "/jwks";

/// An identity provider at work; it stops when this value is dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    issuer: String,
    key: Key,
    shared: Arc<Shared>,
    _running: Running,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Vec<Value>,
    /// What `Cache-Control` says of the key set, in seconds.
    max_age_s: Option<u64>,
    is_down: bool,
    requests: Vec<String>,
}

impl IdentityProvider {
    /// Starts with one ES256 key, in the runtime of the caller.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let issuer = format!("http://{address}");
        let key = Key::es256("first");
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            state: Mutex::new(State {
                keys: vec![key.jwk()],
                max_age_s: None,
                is_down: false,
                requests: Vec::new(),
            }),
        });
        let served = shared.clone();
        let service = service_fn(move |request| {
            let answer = served.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        Ok(Self {
            issuer,
            key,
            shared,
            _running: Running::spawn(serve_http(listener, service)),
        })
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}{JWKS_PATH}", self.issuer)
    }

    /// The key it began with.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its entry in a gateway's configuration: the tenant is a claim.
    #[must_use]
    pub fn entry(&self) -> Value {
        json!({ "issuer": self.issuer, "tenant_claim": "/tenant" })
    }

    /// Publishes these keys in place of those before.
    pub fn publish(&self, keys: &[&Key]) {
        self.publish_documents(keys.iter().map(|key| key.jwk()).collect());
    }

    /// Publishes these JWKs, whatever they are.
    pub fn publish_documents(&self, keys: Vec<Value>) {
        self.shared.state.lock().unwrap().keys = keys;
    }

    /// Lets the key set be kept for this long.
    pub fn max_age(&self, seconds: u64) {
        self.shared.state.lock().unwrap().max_age_s = Some(seconds);
    }

    /// Answers everything with 503, or as before.
    pub fn down(&self, is_down: bool) {
        self.shared.state.lock().unwrap().is_down = is_down;
    }

    /// The paths that were asked for, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// How often the key set was asked for.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        let asked = self.requests();
        asked.iter().filter(|path| *path == JWKS_PATH).count()
    }

    /// The claims of a good access token (RFC 9068) for `audience`, without a `sid`, so that a host can name the run.
    #[must_use]
    pub fn claims(&self, tenant: &str, subject: &str, audience: &str) -> Value {
        let now = unix_s();
        json!({
            "iss": self.issuer,
            "aud": audience,
            "sub": subject,
            "client_id": "bot",
            "tenant": tenant,
            "jti": format!("{subject}-{now}"),
            "iat": now,
            "exp": now + 600,
        })
    }

    /// A token with these claims, signed by the first key.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.key.token(claims)
    }
}

/// Now, in seconds since the Unix epoch.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tokens are good or stale by the machine's clock"
)]
pub fn unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is after 1970").as_secs()
}

impl Shared {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let mut state = self.state.lock().unwrap();
        state.requests.push(path.to_owned());
        let mut response = Response::new(Full::default());
        let document = match path {
            _ if state.is_down => Err(StatusCode::SERVICE_UNAVAILABLE),
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                Ok(json!({
                    "issuer": self.issuer,
                    "jwks_uri": format!("{}{JWKS_PATH}", self.issuer),
                }))
            }
            JWKS_PATH => Ok(json!({ "keys": state.keys })),
            _ => Err(StatusCode::NOT_FOUND),
        };
        match document {
            Ok(document) => *response.body_mut() = Full::from(document.to_string()),
            Err(status) => *response.status_mut() = status,
        }
        if let Some(seconds) = state.max_age_s {
            let value = format!("max-age={seconds}")
                .parse()
                .expect("a header value");
            response.headers_mut().insert(header::CACHE_CONTROL, value);
        }
        response
    }
}
