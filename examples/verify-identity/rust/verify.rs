//! Verifies who calls: the statement that a Cardea gateway signs for each request.
//!
//! Crates: `jsonwebtoken` (with `aws_lc_rs`), `serde_json_canonicalizer`, `aws-lc-rs`, `base64`, `serde`, `serde_json`.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde::Deserialize;
use serde_json::Value;

/// The claims of a statement.
#[derive(Debug, Clone, Deserialize)]
pub struct Statement {
    pub sub: String,
    pub act: Act,
    pub exp: u64,
    pub txn: String,
    pub tctx: Context,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Act {
    pub sub: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Context {
    pub tenant: String,
    pub tool: Option<String>,
    pub args_sha256: Option<String>,
}

/// Verifies statements of one gateway for one server; each statement is good once.
pub struct Verifier {
    keys: JwkSet,
    validation: Validation,
    seen: HashMap<String, u64>,
}

impl Verifier {
    /// `keys` is what the gateway publishes at `/.well-known/jwks.json`; fetch it again when a key is missing.
    pub fn new(keys: JwkSet, issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.leeway = 0;
        Self {
            keys,
            validation,
            seen: HashMap::new(),
        }
    }

    /// The claims of a statement about this very call, at `now_s` seconds since the Unix epoch.
    pub fn verify(
        &mut self,
        token: &str,
        tool: &str,
        arguments: &Value,
        now_s: u64,
    ) -> Result<Statement, String> {
        let header = decode_header(token).map_err(|e| e.to_string())?;
        if header.typ.as_deref() != Some("txntoken+jwt") {
            return Err("not a transaction token".into());
        }
        let kid = header.kid.ok_or("no key is named")?;
        let key = self.keys.find(&kid).ok_or("the key is not the gateway's")?;
        let key = DecodingKey::from_jwk(key).map_err(|e| e.to_string())?;
        let claims = decode::<Statement>(token, &key, &self.validation)
            .map_err(|e| e.to_string())?
            .claims;
        if claims.tctx.tool.as_deref() != Some(tool) {
            return Err("made for another tool".into());
        }
        let canonical = serde_json_canonicalizer::to_vec(arguments).map_err(|e| e.to_string())?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &canonical);
        if claims.tctx.args_sha256 != Some(URL_SAFE_NO_PAD.encode(digest)) {
            return Err("made for other arguments".into());
        }
        self.seen.retain(|_, expires_s| *expires_s > now_s);
        if self.seen.insert(claims.txn.clone(), claims.exp).is_some() {
            return Err("seen before".into());
        }
        Ok(claims)
    }
}
