//! The approved registry as one signed file, so that a fleet shares one list: verified offline, and never an older one after a
//! newer one.
//!
//! The signature is Ed25519 over the canonical form (RFC 8785) of format and content, so that however the file is laid out,
//! what was signed is one text.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_mcp::{Limits, canonical::canonical};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{Pinned, digest_of, digest_text};

/// What a signed file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Which file of its key it is; a higher one is a later one.
    pub serial: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub issued_ms: u64,
    /// What added servers were locked to: by name, the spec and the digests of what is started.
    pub servers: BTreeMap<String, ManifestServer>,
    /// What is approved.
    pub pins: Vec<ManifestPin>,
}

/// A server that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestServer {
    /// What it was added by.
    pub spec: String,
    /// SHA-256 of each thing that is locked, in hexadecimal.
    pub digests: Vec<String>,
}

/// An approved definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestPin {
    /// The server.
    pub server: String,
    /// `tool`, `prompt`, `template` or `instructions`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `sha256:` and 64 digits.
    pub digest: String,
    /// The definition as raw JSON.
    pub definition: String,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// It is not a file of this kind.
    #[error("this is no signed registry: {0}")]
    Form(String),
    /// It is signed by another key than the one that is trusted.
    #[error("it is signed by {found}, and not by the key that was given")]
    Key {
        /// The key that the file names.
        found: String,
    },
    /// The signature is not one of its content.
    #[error("its signature does not hold: somebody has changed it")]
    Signature,
    /// A definition is not what its digest says.
    #[error("the digest of `{0}` is not that of its definition")]
    Digest(String),
}

const FORMAT: &str = "cardea-registry-1";
const DEPTH_MAX: usize = 64;
/// More than a tenant's registry can have.
pub(crate) const MANIFEST_BYTES_MAX: usize = 256 << 20;

impl From<&Pinned> for ManifestPin {
    fn from(pinned: &Pinned) -> Self {
        Self {
            server: pinned.upstream.to_string(),
            kind: pinned.kind.as_str().to_owned(),
            name: pinned.name.clone(),
            digest: digest_text(&pinned.digest),
            definition: pinned.definition.clone(),
        }
    }
}

impl Manifest {
    /// The file, signed.
    ///
    /// # Errors
    /// [`ManifestError::Form`] when it has no canonical form.
    pub fn sign(&self, key: &Ed25519KeyPair) -> Result<String, ManifestError> {
        let form = |error: serde_json::Error| ManifestError::Form(error.to_string());
        let content = serde_json::to_value(self).map_err(form)?;
        let signature = key.sign(signed(&content)?.as_bytes());
        let file = json!({
            "format": FORMAT,
            "manifest": content,
            "key": key_text(key.public_key().as_ref()),
            "signature": STANDARD.encode(signature),
        });
        serde_json::to_string_pretty(&file).map_err(form)
    }

    /// Reads a file that this key has signed.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn open(text: &str, trusted: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            format: String,
            manifest: Value,
            key: String,
            signature: String,
        }
        let form = |error: String| ManifestError::Form(error);
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(form(format!(
                "it is longer than {MANIFEST_BYTES_MAX} bytes"
            )));
        }
        // A key that is there twice could be read in two ways: the canonical form refuses it.
        let limits = Limits {
            depth_max: DEPTH_MAX,
        };
        let text = canonical(text, &limits).map_err(|error| form(error.to_string()))?;
        let file: File = serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
        if file.format != FORMAT {
            return Err(form(format!(
                "its format is `{}`",
                file.format.escape_debug()
            )));
        }
        if file.key != trusted {
            return Err(ManifestError::Key {
                found: file.key.escape_debug().to_string(),
            });
        }
        let key = key_of(trusted).ok_or_else(|| form("the key is none".to_owned()))?;
        let signature = STANDARD.decode(&file.signature);
        let signature = signature.map_err(|_| ManifestError::Signature)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(signed(&file.manifest)?.as_bytes(), &signature)
            .map_err(|_| ManifestError::Signature)?;
        let manifest: Self =
            serde_json::from_value(file.manifest).map_err(|error| form(error.to_string()))?;
        for pin in &manifest.pins {
            if digest_of(&pin.definition).map(|digest| digest_text(&digest))
                != Some(pin.digest.clone())
            {
                return Err(ManifestError::Digest(pin.name.escape_debug().to_string()));
            }
        }
        Ok(manifest)
    }
}

/// A public key as it is typed: `ed25519/` and base64.
#[must_use]
pub fn key_text(key: &[u8]) -> String {
    format!("ed25519/{}", STANDARD.encode(key))
}

fn key_of(text: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(text.strip_prefix("ed25519/")?).ok()?;
    (key.len() == 32).then_some(key)
}

fn signed(content: &Value) -> Result<String, ManifestError> {
    let text = json!({ "format": FORMAT, "manifest": content }).to_string();
    let limits = Limits {
        depth_max: DEPTH_MAX,
    };
    canonical(&text, &limits).map_err(|error| ManifestError::Form(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let definition = r#"{"name":"read","description":"Reads."}"#;
        Manifest {
            serial: 7,
            issued_ms: 1_795_000_000_000,
            servers: BTreeMap::from([(
                "files".to_owned(),
                ManifestServer {
                    spec: "npm:a@1.0.0".to_owned(),
                    digests: vec!["ab".repeat(32)],
                },
            )]),
            pins: vec![ManifestPin {
                server: "files".to_owned(),
                kind: "tool".to_owned(),
                name: "read".to_owned(),
                digest: digest_text(&digest_of(definition).unwrap()),
                definition: definition.to_owned(),
            }],
        }
    }

    fn key() -> (Ed25519KeyPair, String) {
        let key = Ed25519KeyPair::generate().unwrap();
        let text = key_text(key.public_key().as_ref());
        (key, text)
    }

    #[test]
    fn what_was_signed_is_read_however_it_is_laid_out() {
        let (key, trusted) = key();
        let file = manifest().sign(&key).unwrap();
        assert_eq!(Manifest::open(&file, &trusted), Ok(manifest()));
        let compact: Value = serde_json::from_str(&file).unwrap();
        assert_eq!(
            Manifest::open(&compact.to_string(), &trusted),
            Ok(manifest())
        );
    }

    #[test]
    fn whatever_was_changed_and_whoever_else_signed_is_refused() {
        let (key, trusted) = key();
        let file = manifest().sign(&key).unwrap();
        for (was, is) in [
            ("Reads.", "Writes"),
            ("\"serial\": 7", "\"serial\": 8"),
            ("a@1.0.0", "a@1.0.1"),
        ] {
            assert!(file.contains(was));
            let changed = Manifest::open(&file.replace(was, is), &trusted);
            assert_eq!(changed, Err(ManifestError::Signature), "{was}");
        }
        let (other, named) = self::key();
        let foreign = manifest().sign(&other).unwrap();
        assert!(matches!(
            Manifest::open(&foreign, &trusted),
            Err(ManifestError::Key { .. })
        ));
        let claimed = foreign.replace(&named, &trusted);
        assert_eq!(
            Manifest::open(&claimed, &trusted),
            Err(ManifestError::Signature)
        );
        let twice = file.replacen("\"format\"", "\"key\": \"x\", \"format\"", 1);
        assert!(matches!(
            Manifest::open(&twice, &trusted),
            Err(ManifestError::Form(_))
        ));
    }

    #[test]
    fn a_definition_that_is_not_its_digest_s_is_refused_even_when_it_is_signed() {
        let (key, trusted) = key();
        let mut wrong = manifest();
        wrong.pins[0].definition = r#"{"name":"read","description":"Writes."}"#.to_owned();
        let file = wrong.sign(&key).unwrap();
        assert_eq!(
            Manifest::open(&file, &trusted),
            Err(ManifestError::Digest("read".into()))
        );
    }
}
