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

/// Where the metadata of an issuer without a path is (RFC 8414; OpenID Connect Discovery).
const WELL_KNOWN: [&str; 2] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

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
    origin: String,
    metadata_paths: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Vec<Value>,
    /// The issuer that the metadata names.
    issuer: String,
    /// Where the metadata say that the keys are, if not where they are.
    keys_said_at: Option<String>,
    /// What `Cache-Control` says of the key set, in seconds.
    max_age_s: Option<u64>,
    /// Where the key set is said to have moved to.
    moved_to: Option<String>,
    is_down: bool,
    requests: Vec<String>,
}

impl IdentityProvider {
    /// Starts with one ES256 key, in the runtime of the caller.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_at("", &WELL_KNOWN).await
    }

    /// Starts as an issuer whose name ends with `path`, and whose metadata is at these paths.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_at(path: &str, metadata_paths: &[&str]) -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let origin = format!("http://{address}");
        let issuer = format!("{origin}{path}");
        let key = Key::es256("first");
        let shared = Arc::new(Shared {
            origin,
            metadata_paths: metadata_paths.iter().map(ToString::to_string).collect(),
            state: Mutex::new(State {
                keys: vec![key.jwk()],
                issuer: issuer.clone(),
                keys_said_at: None,
                max_age_s: None,
                moved_to: None,
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
        format!("{}{JWKS_PATH}", self.shared.origin)
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

    /// Names another issuer in the metadata.
    pub fn claim_to_be(&self, issuer: &str) {
        issuer.clone_into(&mut self.shared.state.lock().unwrap().issuer);
    }

    /// Says in the metadata that the keys are there.
    pub fn say_keys_are_at(&self, url: &str) {
        self.shared.state.lock().unwrap().keys_said_at = Some(url.to_owned());
    }

    /// Sends whoever asks for the key set elsewhere.
    pub fn move_keys_to(&self, url: &str) {
        self.shared.state.lock().unwrap().moved_to = Some(url.to_owned());
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
        let is_metadata = self.metadata_paths.iter().any(|known| known == path);
        let document = match path {
            _ if state.is_down => Err(StatusCode::SERVICE_UNAVAILABLE),
            _ if is_metadata => Ok(json!({
                "issuer": state.issuer,
                "jwks_uri": state
                    .keys_said_at
                    .clone()
                    .unwrap_or_else(|| format!("{}{JWKS_PATH}", self.origin)),
            })),
            JWKS_PATH if state.moved_to.is_some() => Err(StatusCode::FOUND),
            JWKS_PATH => Ok(json!({ "keys": state.keys })),
            _ => Err(StatusCode::NOT_FOUND),
        };
        match document {
            Ok(document) => *response.body_mut() = Full::from(document.to_string()),
            Err(status) => *response.status_mut() = status,
        }
        if let (StatusCode::FOUND, Some(url)) = (response.status(), &state.moved_to) {
            let url = url.parse().expect("a header value");
            response.headers_mut().insert(header::LOCATION, url);
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
