//! DPoP proofs of the load generator, most of them made before the clock runs: signing is a client's cost, not the hop's.

use std::{
    fmt,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// A client's key; it signs proofs for one address and one token.
pub struct Prover {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    x: String,
    y: String,
}

impl Prover {
    /// Makes a key and writes it to `path` (PKCS #8).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| anyhow!("no key can be made"))?;
        std::fs::write(path, document.as_ref())?;
        Self::read(path)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(path: &Path) -> Result<Self> {
        let document = std::fs::read(path).context("the DPoP key")?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document)
            .map_err(|_| anyhow!("`{}` is not a P-256 key", path.display()))?;
        // An uncompressed point: 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
        Ok(Self {
            pair,
            random: SystemRandom::new(),
            x,
            y,
        })
    }

    /// The thumbprint of the key (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let Self { x, y, .. } = self;
        hash(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
        ))
    }

    /// A proof for one request; `unique` must be new each time.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn proof(&self, method: &str, url: &str, token: &str, unique: &str) -> Result<String> {
        let Self { x, y, .. } = self;
        let header = format!(
            r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}}}"#
        );
        let (iat, ath) = (unix_s(), hash(token));
        let claims = format!(
            r#"{{"jti":"{unique}","htm":"{method}","htu":"{url}","iat":{iat},"ath":"{ath}"}}"#
        );
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self
            .pair
            .sign(&self.random, signed.as_bytes())
            .map_err(|_| anyhow!("no signature can be made"))?;
        Ok(format!("{signed}.{}", encode(signature)))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "proofs are good or stale by the machine's clock"
)]
fn unix_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

fn hash(text: &str) -> String {
    encode(digest(&SHA256, text.as_bytes()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}
