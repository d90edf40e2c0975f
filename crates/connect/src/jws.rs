//! Keys that sign, and the compact JWS that they make (RFC 7515).

use std::path::Path;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::ConnectError;

/// A private key. `Debug` shows its kind only.
pub struct SigningKey(Kind);

enum Kind {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// A new P-256 key, and its PKCS#8 form.
    pub(crate) fn generate() -> Result<(Self, Vec<u8>), ConnectError> {
        let failed = |_| ConnectError::Crypto("no key can be made");
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(failed)?;
        let pkcs8 = document.as_ref().to_vec();
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// A key in PKCS#8: P-256, Ed25519 or RSA.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, ConnectError> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
        let kind = p256
            .map(Kind::P256)
            .or_else(|_| Ed25519KeyPair::from_pkcs8(pkcs8).map(Kind::Ed25519))
            .or_else(|_| RsaKeyPair::from_pkcs8(pkcs8).map(Kind::Rsa));
        kind.map(Self)
            .map_err(|_| ConnectError::Crypto("the key is not P-256, Ed25519 or RSA in PKCS#8"))
    }

    /// A key in a PEM file (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// [`ConnectError::File`].
    pub fn from_pem_file(path: &Path) -> Result<Self, ConnectError> {
        let failed = |reason: String| ConnectError::File {
            path: path.to_owned(),
            reason,
        };
        let key = PrivateKeyDer::from_pem_file(path).map_err(|e| failed(e.to_string()))?;
        let PrivateKeyDer::Pkcs8(pkcs8) = key else {
            return Err(failed("expected PKCS#8 (`BEGIN PRIVATE KEY`)".into()));
        };
        Self::from_pkcs8(pkcs8.secret_pkcs8_der()).map_err(|e| failed(e.to_string()))
    }

    /// The algorithm's name (RFC 7518, RFC 8037).
    fn algorithm(&self) -> &'static str {
        match &self.0 {
            Kind::P256(_) => "ES256",
            Kind::Ed25519(_) => "EdDSA",
            Kind::Rsa(_) => "RS256",
        }
    }

    /// The public key of a P-256 key as a JWK; `None` for other kinds.
    pub(crate) fn public_jwk(&self) -> Option<PublicJwk> {
        let Kind::P256(pair) = &self.0 else {
            return None;
        };
        let point = pair.public_key().as_ref();
        Some(PublicJwk {
            x: URL_SAFE_NO_PAD.encode(point.get(1..33)?),
            y: URL_SAFE_NO_PAD.encode(point.get(33..65)?),
        })
    }

    /// Signs `claims`; `header` gets the algorithm.
    pub(crate) fn sign(&self, mut header: Value, claims: &Value) -> Result<String, ConnectError> {
        if let Some(header) = header.as_object_mut() {
            header.insert("alg".into(), json!(self.algorithm()));
        }
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    fn signature(&self, text: &[u8]) -> Result<Vec<u8>, ConnectError> {
        let failed = |_| ConnectError::Crypto("the key cannot sign");
        let random = SystemRandom::new();
        match &self.0 {
            Kind::P256(pair) => pair
                .sign(&random, text)
                .map(|s| s.as_ref().to_vec())
                .map_err(failed),
            Kind::Ed25519(pair) => Ok(pair.sign(text).as_ref().to_vec()),
            Kind::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey")
            .field(&self.algorithm())
            .finish()
    }
}

/// The public half of a P-256 key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicJwk {
    x: String,
    y: String,
}

impl PublicJwk {
    pub(crate) fn value(&self) -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": self.x, "y": self.y})
    }

    /// RFC 7638: the members in this order, without white space.
    pub(crate) fn thumbprint(&self) -> String {
        let (x, y) = (&self.x, &self.y);
        sha256(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
        ))
    }
}

/// The SHA-256 of a text, in base64url.
pub(crate) fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// Random text of 256 bits, in base64url: states, verifiers.
pub(crate) fn random() -> Result<String, ConnectError> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ConnectError::Crypto("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The claims of a JWT that somebody else signed, unverified: for hints only.
pub(crate) fn peek(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_example_of_rfc_9449_has_its_thumbprint() {
        let jwk = PublicJwk {
            x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".into(),
            y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".into(),
        };
        assert_eq!(
            jwk.thumbprint(),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn what_is_signed_verifies_with_the_public_half() {
        let (key, pkcs8) = SigningKey::generate().unwrap();
        assert!(!pkcs8.is_empty());
        let token = key.sign(json!({"typ": "x"}), &json!({"a": 1})).unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let Kind::P256(pair) = &key.0 else {
            panic!("another kind of key")
        };
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
            .verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        assert_eq!(peek(&token), Some(json!({"a": 1})));
    }

    #[test]
    fn a_key_is_not_shown() {
        let (key, _) = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), r#"SigningKey("ES256")"#);
    }
}
