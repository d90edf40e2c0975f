//! One P-256 key: its private half for signing, its public half as a JWK.

use std::io;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

/// A key with the second from which it signs.
pub(super) struct SigningKey {
    pub(super) from_s: u64,
    pub(super) kid: String,
    pub(super) encoding: EncodingKey,
    x: String,
    y: String,
}

/// A new key in PKCS#8.
pub(super) fn generate() -> io::Result<Vec<u8>> {
    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map(|key| key.as_ref().to_vec())
        .map_err(io::Error::other)
}

impl SigningKey {
    /// `None` when the bytes are not a P-256 key in PKCS#8.
    pub(super) fn read(from_s: u64, pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        // The uncompressed point: one byte of form, 32 of x, 32 of y.
        let point = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(point.get(1..33)?);
        let y = URL_SAFE_NO_PAD.encode(point.get(33..65)?);
        // RFC 7638: the members in this order, without white space.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Some(Self {
            from_s,
            kid: URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())),
            encoding: EncodingKey::from_ec_der(pkcs8),
            x,
            y,
        })
    }

    /// The public half (RFC 7517, RFC 7518 section 6.2.1).
    pub(super) fn public(&self) -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": self.x, "y": self.y,
            "kid": self.kid, "alg": "ES256", "use": "sig"})
    }
}
