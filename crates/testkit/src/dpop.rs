//! Proofs of possession (RFC 9449), right ones and wrong ones.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::identity_provider::{Key, unix_s};

/// A client's key, and the proofs that it makes.
#[derive(Debug)]
pub struct Prover {
    key: Key,
    made: AtomicU64,
}

impl Prover {
    /// A client with a new P-256 key.
    #[must_use]
    pub fn new() -> Self {
        Self {
            key: Key::es256("proof"),
            made: AtomicU64::new(0),
        }
    }

    /// The public key, as a proof carries it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let published = self.key.jwk();
        json!({"kty": "EC", "crv": "P-256", "x": published["x"], "y": published["y"]})
    }

    /// The thumbprint of the key: what `cnf.jkt` holds (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            jwk["x"], jwk["y"]
        );
        hash(&canonical)
    }

    /// The header of a good proof.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    /// The claims of a good proof for this request with this token; new ones each time.
    #[must_use]
    pub fn claims(&self, method: &str, url: &str, token: &str) -> Value {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        json!({
            "jti": format!("{}-{made}", self.thumbprint()),
            "htm": method,
            "htu": url,
            "iat": unix_s(),
            "ath": hash(token),
        })
    }

    /// A proof of any header and claims, signed by this key.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.key.sign(header, claims)
    }

    /// A good proof; `nonce` where the gateway gave one.
    #[must_use]
    pub fn proof(&self, method: &str, url: &str, token: &str, nonce: Option<&str>) -> String {
        let mut claims = self.claims(method, url, token);
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        self.sign(&self.header(), &claims)
    }
}

impl Default for Prover {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
