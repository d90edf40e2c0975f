//! The gateway's own development key: tokens without an identity provider.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
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
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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
        let folder = state_dir.join("keys");
        let path = folder.join("embedded-es256.pk8");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed("create", &folder))?;
        let pkcs8 = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path)?,
            Err(error) => return Err(failed("read", &path)(error)),
        };
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

/// Makes a key. Of two processes that try at once, both use the one that was linked first.
fn create(path: &Path) -> Result<Vec<u8>, EmbeddedKeyError> {
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|e| EmbeddedKeyError::Crypto(e.to_string()))?;
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed("create", &draft))?;
    file.write_all(pkcs8.as_ref())
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &draft))?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed("remove", &draft))?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("create", path)(error)),
    }
    fs::read(path).map_err(failed("read", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EmbeddedKeyError {
    let path = path.to_owned();
    move |source| EmbeddedKeyError::Io {
        action,
        path,
        source,
    }
}
