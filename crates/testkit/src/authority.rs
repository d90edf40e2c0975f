//! An authorization server over loopback HTTP that a gateway trusts: it asks nobody, rotates refresh tokens, notices
//! when one is used twice, and remembers every form.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    identity_provider::{Key, unix_s},
    listen::{Running, bind_loopback, serve_http},
};

/// A form or query, by name.
pub type Form = HashMap<String, String>;

/// An authorization server at work; it stops when this value is dropped.
#[derive(Debug)]
pub struct Authority {
    issuer: String,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    _running: Running,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    key: Key,
    state: Mutex<State>,
    /// Whether the token endpoint answers.
    open: watch::Receiver<bool>,
}

#[derive(Debug, Default)]
struct State {
    serial: u64,
    codes: HashMap<String, Form>,
    /// Refresh tokens, and whether each was used.
    refresh: HashMap<String, bool>,
    run: String,
    reused: usize,
    life_s: u64,
    binds: bool,
    device_polls: usize,
    seen: Vec<(String, Form)>,
}

impl Authority {
    /// Starts in the runtime of the caller; access tokens live for `life_s`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(life_s: u64) -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let issuer = format!("http://{address}");
        let (open, opened) = watch::channel(true);
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            key: Key::es256("authority"),
            state: Mutex::new(State {
                life_s,
                ..State::default()
            }),
            open: opened,
        });
        let served = shared.clone();
        let service = service_fn(move |request| {
            let served = served.clone();
            async move { Ok::<_, Infallible>(served.answer(request).await) }
        });
        Ok(Self {
            issuer,
            shared,
            open,
            _running: Running::spawn(serve_http(listener, service)),
        })
    }

    /// Its entry in a gateway's configuration: the tenant is a claim.
    #[must_use]
    pub fn entry(&self) -> Value {
        json!({ "issuer": self.issuer, "tenant_claim": "/tenant" })
    }

    /// The forms that came to `path`, oldest first.
    #[must_use]
    pub fn seen(&self, path: &str) -> Vec<Form> {
        let seen = &self.shared.state.lock().unwrap().seen;
        let at = seen.iter().filter(|(at, _)| at == path);
        at.map(|(_, form)| form.clone()).collect()
    }

    /// How often a refresh token came a second time.
    #[must_use]
    pub fn reused(&self) -> usize {
        self.shared.state.lock().unwrap().reused
    }

    /// Offers to bind tokens to keys, and does so for whoever brings one.
    pub fn bind_tokens(&self) {
        self.shared.state.lock().unwrap().binds = true;
    }

    /// Lets requests at the token endpoint wait, or answers them.
    pub fn hold_tokens(&self, is_held: bool) {
        let _ = self.open.send(!is_held);
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let query = pairs(request.uri().query().unwrap_or_default());
        let proof = request.headers().get("dpop").cloned();
        let body = request.into_body().collect().await.map(|b| b.to_bytes());
        let body = pairs(&String::from_utf8_lossy(&body.unwrap_or_default()));
        let form = if method == Method::GET { query } else { body };
        self.state
            .lock()
            .unwrap()
            .seen
            .push((path.clone(), form.clone()));
        let answered = match path.as_str() {
            "/.well-known/oauth-authorization-server" => Ok(self.metadata()),
            "/jwks" => Ok(json!({ "keys": [self.key.jwk()] })),
            "/authorize" => return self.authorize(form),
            "/token" => {
                let mut open = self.open.clone();
                let _ = open.wait_for(|open| *open).await;
                let jkt = proof.and_then(|proof| thumbprint(proof.to_str().ok()?));
                self.token(&form, jkt)
            }
            "/device" => Ok(
                json!({"device_code": "d", "user_code": "WDJB-MJHT", "interval": 1, "expires_in": 60,
                "verification_uri": format!("{}/verify", self.issuer)}),
            ),
            "/revoke" => {
                self.state.lock().unwrap().refresh.clear();
                Ok(json!({}))
            }
            _ => Err("not_found"),
        };
        let mut response = Response::new(Full::default());
        match answered {
            Ok(document) => *response.body_mut() = Full::from(document.to_string()),
            Err(error) => {
                *response.status_mut() = match error {
                    "not_found" => StatusCode::NOT_FOUND,
                    _ => StatusCode::BAD_REQUEST,
                };
                *response.body_mut() = Full::from(json!({ "error": error }).to_string());
            }
        }
        response
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let algorithms: &[&str] = match self.state.lock().unwrap().binds {
            true => &["ES256"],
            false => &[],
        };
        json!({
            "dpop_signing_alg_values_supported": algorithms,
            "issuer": self.issuer, "jwks_uri": at("/jwks"),
            "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "device_authorization_endpoint": at("/device"), "revocation_endpoint": at("/revoke"),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "token_endpoint_auth_methods_supported": ["none"],
        })
    }

    fn authorize(&self, form: Form) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        state.serial += 1;
        let code = format!("code-{}", state.serial);
        let location = format!(
            "{}?code={code}&state={}&iss={}",
            form["redirect_uri"], form["state"], self.issuer
        );
        state.codes.insert(code, form);
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::FOUND;
        let location = location.parse().expect("a header value");
        response.headers_mut().insert(header::LOCATION, location);
        response
    }

    fn token(&self, form: &Form, jkt: Option<String>) -> Result<Value, &'static str> {
        let mut state = self.state.lock().unwrap();
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        match text("grant_type") {
            "authorization_code" => {
                let asked = state.codes.remove(text("code")).ok_or("invalid_grant")?;
                let digest = aws_lc_rs::digest::digest(
                    &aws_lc_rs::digest::SHA256,
                    text("code_verifier").as_bytes(),
                );
                let right = asked["code_challenge"] == URL_SAFE_NO_PAD.encode(digest)
                    && asked["redirect_uri"] == text("redirect_uri")
                    && asked["resource"] == text("resource");
                if !right {
                    return Err("invalid_grant");
                }
                state.new_run();
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                state.device_polls += 1;
                if state.device_polls < 2 {
                    return Err("authorization_pending");
                }
                state.new_run();
            }
            "refresh_token" => {
                match state.refresh.insert(text("refresh_token").into(), true) {
                    Some(false) => {}
                    used => {
                        state.reused += usize::from(used.is_some());
                        state.refresh.clear();
                        return Err("invalid_grant");
                    }
                }
                if text("cardea_run") == "new" {
                    state.new_run();
                }
            }
            _ => return Err("unsupported_grant_type"),
        }
        state.serial += 1;
        let refresh = format!("refresh-{}", state.serial);
        state.refresh.insert(refresh.clone(), false);
        let now = unix_s();
        let jkt = jkt.filter(|_| state.binds);
        let kind = if jkt.is_some() { "DPoP" } else { "Bearer" };
        let mut claims = json!({
            "iss": self.issuer, "aud": text("resource"), "sub": "ada", "client_id": text("client_id"),
            "tenant": "demo", "jti": format!("j{}", state.serial), "sid": state.run,
            "iat": now, "exp": now + state.life_s,
        });
        if let Some(jkt) = jkt {
            claims["cnf"] = json!({ "jkt": jkt });
        }
        let access = self.key.token(&claims);
        Ok(
            json!({"access_token": access, "token_type": kind, "expires_in": state.life_s,
            "refresh_token": refresh}),
        )
    }
}

impl State {
    fn new_run(&mut self) {
        self.serial += 1;
        self.run = format!("run-{}", self.serial);
    }
}

/// The thumbprint (RFC 7638) of the P-256 key that a proof brings. The signature is not looked at: the gateway does that.
fn thumbprint(proof: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(proof.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    let (x, y) = (header["jwk"]["x"].as_str()?, header["jwk"]["y"].as_str()?);
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
    Some(URL_SAFE_NO_PAD.encode(digest))
}

/// `a=b&c=d`, decoded.
fn pairs(text: &str) -> Form {
    let decode = |part: &str| {
        let part = part.replace('+', " ");
        let mut out = Vec::new();
        let mut bytes = part.bytes();
        while let Some(b) = bytes.next() {
            if b == b'%' {
                let hex: Vec<u8> = bytes.by_ref().take(2).collect();
                let hex = String::from_utf8(hex).expect("ASCII");
                out.push(u8::from_str_radix(&hex, 16).expect("two hexadecimal digits"));
            } else {
                out.push(b);
            }
        }
        String::from_utf8(out).expect("UTF-8")
    };
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}
