//! Sealed texts: what the gateway gives to a client and must recognise when it comes back.
//!
//! A legacy session's id holds the upstream's own session id, a stream position its own event
//! id. Both are encrypted and bound to the principal and the upstream, so the gateway keeps no
//! table of sessions, any replica can serve any request, and a stolen id is worth nothing to
//! another principal.
//!
//! AES-256-GCM-SIV (RFC 8452), because one key seals for as long as its file lives, by any number
//! of replicas, and nonces are drawn at random. Under plain GCM two equal nonces give away the key
//! that authenticates, so that one could seal for anybody; they become likely after some 2^32
//! seals (NIST SP 800-38D section 8.3), which a busy stream's positions reach. Here the worst that
//! equal nonces show is that the same text was sealed for the same purpose and principal.
//!
//! A sealed text is `version (1 byte), nonce (12), ciphertext, tag (16)` in base64url. What another
//! version sealed is unknown here, and its session begins anew.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Principal, UpstreamId};
use thiserror::Error;

use crate::owner::owner;

/// Seals and opens texts.
pub struct Sealer(RandomizedNonceKey);

/// The key material cannot be used.
#[derive(Debug, Error)]
#[error("the sealing key must be at least 32 bytes of key material")]
pub struct SealError;

/// What a sealed text is for; one cannot be used as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    Position,
    /// What a client hands back that asked for access.
    Access,
}

struct Aes256;

impl KeyType for Aes256 {
    fn len(&self) -> usize {
        32
    }
}

/// The first byte of everything that is sealed as described above.
const VERSION: u8 = 3;

/// Longer texts are refused before anything is decrypted.
const SEALED_CHARS_MAX: usize = 8 * 1024;

impl Sealer {
    /// A sealer whose key is derived from `secret`; the same secret opens what it sealed before.
    ///
    /// # Errors
    /// [`SealError`] when the secret is too short.
    pub fn new(secret: &[u8]) -> Result<Self, SealError> {
        if secret.len() < 32 {
            return Err(SealError);
        }
        let mut bytes = [0; 32];
        let pseudo_random = Salt::new(HKDF_SHA256, b"cardea").extract(secret);
        pseudo_random
            .expand(&[b"session and position sealing v3"], Aes256)
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(|_| SealError)?;
        RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes)
            .map(Self)
            .map_err(|_| SealError)
    }

    /// Seals `text` for this principal at this upstream; `None` when there is no randomness.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        principal: &Principal,
        upstream: &UpstreamId,
        text: &str,
    ) -> Option<String> {
        let mut sealed = text.as_bytes().to_vec();
        let aad = Aad::from(binding(purpose, principal, upstream));
        let nonce = self.0.seal_in_place_append_tag(aad, &mut sealed).ok()?;
        let whole = [&[VERSION][..], nonce.as_ref(), &sealed].concat();
        Some(URL_SAFE_NO_PAD.encode(whole))
    }

    /// Opens what [`Sealer::seal`] made for the same purpose, principal and upstream.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        principal: &Principal,
        upstream: &UpstreamId,
        sealed: &str,
    ) -> Option<String> {
        if sealed.len() > SEALED_CHARS_MAX {
            return None;
        }
        let mut whole = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (version, rest) = whole.split_at_mut_checked(1)?;
        if *version != [VERSION] {
            return None;
        }
        let (nonce, text) = rest.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(binding(purpose, principal, upstream));
        let text = self.0.open_in_place(nonce, aad, text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// What a text is sealed for, and for whom.
fn binding(purpose: Purpose, principal: &Principal, upstream: &UpstreamId) -> Vec<u8> {
    let purpose: &[u8] = match purpose {
        Purpose::Session => b"session 2\0",
        Purpose::Position => b"position\0",
        Purpose::Access => b"access\0",
    };
    [purpose, &owner(principal, upstream)].concat()
}

#[cfg(test)]
mod tests {
    use cardea_domain::{KeyBinding, Thumbprint};

    use super::*;
    use crate::owner::tests::principal;

    #[test]
    fn a_sealed_text_opens_for_its_principal_upstream_and_purpose_only() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let time = UpstreamId::parse("time").unwrap();
        let sealed = sealer.seal(Purpose::Session, &ada, &files, "up-1").unwrap();
        let open = |who: &Principal, at: &UpstreamId, purpose, text: &str| {
            sealer.open(purpose, who, at, text)
        };
        assert_eq!(
            open(&ada, &files, Purpose::Session, &sealed).as_deref(),
            Some("up-1")
        );
        for other in [
            principal("globex", "ada", "bot"),
            principal("acme", "bob", "bot"),
            principal("acme", "ada", "bot2"),
        ] {
            assert_eq!(open(&other, &files, Purpose::Session, &sealed), None);
        }
        assert_eq!(open(&ada, &time, Purpose::Session, &sealed), None);
        assert_eq!(open(&ada, &files, Purpose::Position, &sealed), None);
        let mut changed = sealed.clone();
        changed.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        assert_eq!(open(&ada, &files, Purpose::Session, &changed), None);
        assert_eq!(open(&ada, &files, Purpose::Session, "up-1"), None);
    }

    #[test]
    fn a_sealed_text_of_a_bound_principal_opens_for_the_same_key_only() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let files = UpstreamId::parse("files").unwrap();
        let key = |byte| Some(Thumbprint::new([byte; 32]));
        let bound = |dpop, certificate| Principal {
            binding: KeyBinding { dpop, certificate },
            ..principal("acme", "ada", "bot")
        };
        let holders = [
            bound(None, None),
            bound(key(1), None),
            bound(key(2), None),
            bound(None, key(1)),
            bound(key(1), key(1)),
        ];
        for (mine, holder) in holders.iter().enumerate() {
            let sealed = sealer.seal(Purpose::Session, holder, &files, "up-1");
            let sealed = sealed.unwrap();
            for (theirs, other) in holders.iter().enumerate() {
                let opened = sealer.open(Purpose::Session, other, &files, &sealed);
                assert_eq!(opened.is_some(), mine == theirs, "{mine} for {theirs}");
            }
        }
    }

    #[test]
    fn every_bit_of_a_sealed_text_counts() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let sealed = sealer.seal(Purpose::Session, &ada, &files, "up-1").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(
                sealer.open(Purpose::Session, &ada, &files, &changed),
                None,
                "bit {bit}"
            );
        }
        for len in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..len]);
            assert_eq!(sealer.open(Purpose::Session, &ada, &files, &cut), None);
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let sealer = Sealer::new(&[7; 32]).unwrap();
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let seal = || sealer.seal(Purpose::Session, &ada, &files, "up-1").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn what_the_first_version_sealed_is_unknown() {
        use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
        let (ada, files) = (
            principal("acme", "ada", "bot"),
            UpstreamId::parse("files").unwrap(),
        );
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, b"cardea")
            .extract(&[7; 32])
            .expand(&[b"session and position sealing v1"], Aes256)
            .and_then(|okm| okm.fill(&mut key))
            .unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let sealer = Sealer::new(&[7; 32]).unwrap();
        // Its first byte was random: also when it is this version's, the text does not open.
        for first in [0, 1, VERSION, 255] {
            let mut nonce = [9; NONCE_LEN];
            nonce[0] = first;
            let mut text = b"up-1".to_vec();
            let aad = Aad::from(binding(Purpose::Session, &ada, &files));
            key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
                .unwrap();
            let old = URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat());
            assert_eq!(sealer.open(Purpose::Session, &ada, &files, &old), None);
        }
    }

    #[test]
    fn a_restart_with_the_same_secret_opens_old_sessions() {
        let ada = principal("acme", "ada", "bot");
        let files = UpstreamId::parse("files").unwrap();
        let sealed = Sealer::new(&[7; 32])
            .unwrap()
            .seal(Purpose::Session, &ada, &files, "up-1")
            .unwrap();
        let again = Sealer::new(&[7; 32]).unwrap();
        let other = Sealer::new(&[8; 32]).unwrap();
        assert!(
            again
                .open(Purpose::Session, &ada, &files, &sealed)
                .is_some()
        );
        assert!(
            other
                .open(Purpose::Session, &ada, &files, &sealed)
                .is_none()
        );
    }
}
