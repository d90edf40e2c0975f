//! Sealed texts: what the gateway gives to a client and must recognise when it comes back.
//!
//! A legacy session's id holds the upstream's own session id, a stream position its own event
//! id. Both are encrypted and bound to the principal and the upstream, so the gateway keeps no
//! table of sessions, any replica can serve any request, and a stolen id is worth nothing to
//! another principal.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Principal, UpstreamId};
use thiserror::Error;

/// Seals and opens texts.
pub struct Sealer(LessSafeKey);

/// The key material cannot be used.
#[derive(Debug, Error)]
#[error("the sealing key must be at least 32 bytes of key material")]
pub struct SealError;

/// What a sealed text is for; one cannot be used as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    Position,
}

struct Aes256;

impl KeyType for Aes256 {
    fn len(&self) -> usize {
        32
    }
}

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
            .expand(&[b"session and position sealing v1"], Aes256)
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(|_| SealError)?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals `text` for this principal at this upstream; `None` when there is no randomness.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        principal: &Principal,
        upstream: &UpstreamId,
        text: &str,
    ) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut sealed = text.as_bytes().to_vec();
        let aad = Aad::from(binding(purpose, principal, upstream));
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        let mut whole = nonce.to_vec();
        whole.append(&mut sealed);
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
        let (nonce, text) = whole.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(binding(purpose, principal, upstream));
        let text = self.0.open_in_place(nonce, aad, text).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// Not the run: a session lives on when its token is renewed. But the key, where the token is bound
/// to one: to whoever comes with another key, or with none, the session is somebody else's.
fn binding(purpose: Purpose, principal: &Principal, upstream: &UpstreamId) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Session => "session",
        Purpose::Position => "position",
    };
    // No identifier holds a control character, so NUL keeps them apart.
    let mut bytes = [
        purpose,
        principal.tenant.as_str(),
        principal.subject.as_str(),
        principal.actor.as_str(),
        upstream.as_str(),
    ]
    .join("\0")
    .into_bytes();
    for (kind, key) in [
        (b"\0d", principal.binding.dpop),
        (b"\0c", principal.binding.certificate),
    ] {
        if let Some(key) = key {
            bytes.extend_from_slice(kind);
            bytes.extend_from_slice(key.as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cardea_domain::{ActorId, KeyBinding, RunId, RunSource, SubjectId, TenantId, Thumbprint};

    use super::*;

    fn principal(tenant: &str, subject: &str, actor: &str) -> Principal {
        Principal {
            tenant: TenantId::parse(tenant).unwrap(),
            subject: SubjectId::parse(subject).unwrap(),
            actor: ActorId::parse(actor).unwrap(),
            run: RunId::parse("r").unwrap(),
            run_source: RunSource::Token,
            binding: KeyBinding::NONE,
            groups: Arc::from([]),
            task: None,
        }
    }

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
