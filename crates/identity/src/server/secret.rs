//! Random secrets, their hashes, sealed texts, and tags that bind a form to its browser.

use std::{io, path::Path};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_store::SecretHash;
use serde::{Serialize, de::DeserializeOwned};

use super::error::Refusal;
use crate::key_file::{self, KeyFileError};

/// What a sealed text is for; one purpose's text is no other's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// What a browser is on its way to.
    Next,
    /// A login at another provider.
    Login,
}

/// The server's own secret, by which it recognises what it handed out itself.
pub(super) struct Secrets {
    sealing: RandomizedNonceKey,
    tagging: hmac::Key,
}

/// 256 bits: nothing can be found by trying.
const SECRET_BYTES: usize = 32;

/// A new secret, in base64url.
pub(super) fn random() -> Result<String, Refusal> {
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Refusal::unavailable())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a secret.
pub(super) fn hash(secret: &str) -> SecretHash {
    SecretHash::new(sha256(secret.as_bytes()))
}

/// A short name that does not give its text away.
pub(super) fn digest_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl Secrets {
    /// Reads `state_dir/keys/authorization.key`, or makes it.
    pub(super) fn open(state_dir: &Path) -> Result<Self, KeyFileError> {
        let path = state_dir.join("keys").join("authorization.key");
        let secret = key_file::read_or_make(&path, || {
            let mut secret = vec![0; SECRET_BYTES];
            aws_lc_rs::rand::fill(&mut secret).map_err(io::Error::other)?;
            Ok(secret)
        })?;
        Ok(Self::new(&secret))
    }

    fn new(secret: &[u8]) -> Self {
        // A key for each use, so that no text of one can be taken for a text of the other.
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sealing = hmac::sign(&master, b"cardea authorization seal");
        let tagging = hmac::sign(&master, b"cardea authorization tag");
        #[expect(clippy::expect_used, reason = "the key's length is the algorithm's")]
        // INVARIANT: HMAC-SHA-256 gives 32 bytes, which is what AES-256 takes.
        let sealing =
            RandomizedNonceKey::new(&AES_256_GCM, sealing.as_ref()).expect("32 bytes are a key");
        Self {
            sealing,
            tagging: hmac::Key::new(hmac::HMAC_SHA256, tagging.as_ref()),
        }
    }

    /// Encrypts a value so that only [`Self::open_sealed`] reads it, for the same purpose.
    pub(super) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Result<String, Refusal> {
        let mut text = serde_json::to_vec(value).map_err(|_| Refusal::unavailable())?;
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(purpose.name()), &mut text)
            .map_err(|_| Refusal::unavailable())?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What was sealed; `None` when it was not sealed here for this purpose.
    pub(super) fn open_sealed<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        text: &str,
    ) -> Option<T> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self
            .sealing
            .open_in_place(nonce, Aad::from(purpose.name()), rest)
            .ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// A tag over parts that only this server makes, for forms.
    pub(super) fn tag(&self, parts: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.tagging, &joined(parts)))
    }

    /// Whether a tag is over these parts.
    pub(super) fn is_tag(&self, tag: &str, parts: &[&str]) -> bool {
        URL_SAFE_NO_PAD
            .decode(tag)
            .is_ok_and(|tag| hmac::verify(&self.tagging, &joined(parts), &tag).is_ok())
    }
}

impl Purpose {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Next => b"next",
            Self::Login => b"login",
        }
    }
}

/// Parts with their lengths, so that no two lists of parts become the same bytes.
fn joined(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_for_its_purpose_alone_and_unchanged_alone() {
        let secrets = Secrets::new(&[7; 32]);
        let sealed = secrets.seal(Purpose::Next, &"ada").unwrap();
        let opened: Option<String> = secrets.open_sealed(Purpose::Next, &sealed);
        assert_eq!(opened.as_deref(), Some("ada"));
        assert_eq!(secrets.open_sealed::<String>(Purpose::Login, &sealed), None);
        let other = Secrets::new(&[8; 32]);
        assert_eq!(other.open_sealed::<String>(Purpose::Next, &sealed), None);
        for n in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[n] = if bytes[n] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(
                secrets.open_sealed::<String>(Purpose::Next, &changed),
                None,
                "{n}"
            );
        }
    }

    #[test]
    fn a_tag_is_over_its_parts_and_no_others() {
        let secrets = Secrets::new(&[7; 32]);
        let tag = secrets.tag(&["ab", "c"]);
        assert!(secrets.is_tag(&tag, &["ab", "c"]));
        assert!(!secrets.is_tag(&tag, &["a", "bc"]));
        assert!(!secrets.is_tag("", &["ab", "c"]));
    }
}
