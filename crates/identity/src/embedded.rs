//! The gateway's own development key: tokens without an identity provider.

use std::{
    io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{ActorId, Clock, SubjectId, TenantId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use thiserror::Error;
use uuid::Uuid;

use crate::key_file::{self, KeyFileError};

/// An ES256 key in the state folder, and the tokens it signs.
pub struct EmbeddedIssuer {
    issuer: String,
    signing: EncodingKey,
    kid: String,
    jwks: String,
}

/// The key could not be made or read.
#[derive(Debug, Error)]
pub enum EmbeddedKeyError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The file is not a P-256 key in PKCS#8.
    #[error("{0} is not a signing key; move it away and a new one is made (old tokens end)")]
    NotAKey(PathBuf),
    /// The library refused to make or use a key.
    #[error("cannot make a signing key or token: {0}")]
    Crypto(String),
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct MintRequest {
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// The agent.
    pub actor: ActorId,
    /// The task, in the person's words.
    pub task: Option<String>,
    /// The resource it is for (RFC 8707).
    pub audience: String,
    /// How long it is good for, in seconds.
    pub ttl_s: u64,
}

impl EmbeddedIssuer {
    /// Reads the key in `state_dir/keys`, or makes it.
    ///
    /// # Errors
    /// [`EmbeddedKeyError`] when the folder is not writable or the file is not a key.
    pub fn open(issuer: &str, state_dir: &Path) -> Result<Self, EmbeddedKeyError> {
        let path = state_dir.join("keys").join("embedded-es256.pk8");
        let pkcs8 = key_file::read_or_make(&path, || {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map(|key| key.as_ref().to_vec())
                .map_err(io::Error::other)
        })?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8)
            .map_err(|_| EmbeddedKeyError::NotAKey(path.clone()))?;
        let point = pair.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err(EmbeddedKeyError::NotAKey(path));
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638: the members in this order, without white space.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y,
            "kid": kid, "alg": "ES256", "use": "sig"}]})
        .to_string();
        Ok(Self {
            issuer: issuer.to_owned(),
            signing: EncodingKey::from_ec_der(&pkcs8),
            kid,
            jwks,
        })
    }

    /// The public keys as a JWKS document.
    #[must_use]
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// Signs an access token (RFC 9068); each one is a new run.
    ///
    /// # Errors
    /// [`EmbeddedKeyError::Crypto`] when the library refuses.
    pub fn mint(&self, request: &MintRequest, clock: &Clock) -> Result<String, EmbeddedKeyError> {
        let now = clock.unix_s();
        let mut claims = json!({
            "iss": self.issuer,
            "aud": request.audience,
            "sub": request.subject,
            "client_id": request.actor,
            "act": {"sub": request.actor},
            "tenant": request.tenant,
            "sid": Uuid::now_v7().to_string(),
            "jti": Uuid::new_v4().to_string(),
            "iat": now,
            "exp": now.saturating_add(request.ttl_s),
        });
        if let (Some(task), Some(claims)) = (&request.task, claims.as_object_mut()) {
            claims.insert("task".into(), json!(task));
        }
        let header = Header {
            typ: Some("at+jwt".into()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|e| EmbeddedKeyError::Crypto(e.to_string()))
    }
}
