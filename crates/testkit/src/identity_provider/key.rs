//! Signing keys, and tokens of any shape.

use std::sync::Arc;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A signing key with its name; clones share it.
#[derive(Debug, Clone)]
pub struct Key {
    kid: String,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Key {
    /// A new P-256 key.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a new key");
        Self {
            kid: kid.to_owned(),
            pair: Arc::new(Pair::Es256(pair)),
        }
    }

    /// A new RSA key of 2048 bits.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn rs256(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a new key");
        Self {
            kid: kid.to_owned(),
            pair: Arc::new(Pair::Rs256(pair)),
        }
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(&self, kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            pair: self.pair.clone(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as it is published.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.pair {
            Pair::Es256(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "alg": "ES256",
                    "x": encode(&point[1..33]), "y": encode(&point[33..65]),
                })
            }
            Pair::Rs256(_) => {
                // SEQUENCE { INTEGER modulus, INTEGER 65537 }: two heads of 4 bytes and a zero before the modulus.
                let der = self.public_bytes();
                json!({ "kty": "RSA", "alg": "RS256", "n": encode(&der[9..265]), "e": "AQAB" })
            }
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The public key's bytes: a point of the curve, or an RSA key in DER.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match &*self.pair {
            Pair::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rs256(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// The header of a good access token of this key (RFC 9068).
    #[must_use]
    pub fn header(&self) -> Value {
        let alg = match &*self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
        };
        json!({ "alg": alg, "typ": "at+jwt", "kid": self.kid })
    }

    /// An access token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    /// Signs any header over any claims, whatever the header says of it.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signing_input(header, claims);
        let random = SystemRandom::new();
        let signature = match &*self.pair {
            Pair::Es256(pair) => {
                let signature = pair.sign(&random, signed.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    signed.as_bytes(),
                    &mut signature,
                )
                .expect("a signature");
                signature
            }
        };
        format!("{signed}.{}", encode(&signature))
    }
}

/// A token with an empty signature.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", signing_input(header, claims))
}

/// A token signed with a shared secret (HS256).
#[must_use]
pub fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = signing_input(header, claims);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        signed.as_bytes(),
    );
    format!("{signed}.{}", encode(tag.as_ref()))
}

fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
