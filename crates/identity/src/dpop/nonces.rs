//! Nonces that nobody has to remember: when they were issued, by which memory, and a seal over both.

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Makes nonces and knows its own again.
pub(super) struct Nonces {
    key: hmac::Key,
    /// Tells the nonces of this memory from those of the one before a restart, and of replicas.
    memory: Option<[u8; MEMORY_BYTES]>,
}

/// A nonce of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Issued {
    /// When.
    pub(super) at_s: u64,
    /// Whether by this memory: then a proof that carries it was made since it began.
    pub(super) is_own: bool,
}

/// A nonce is good for this long: a client keeps one over many requests.
const LIFE_S: u64 = 300;

/// After this a new one is offered with each answer, so that no request has to be sent twice.
const FRESH_S: u64 = 150;

/// Replicas that share a secret may be apart by this much.
const SKEW_S: u64 = 5;

/// Half a SHA-256, which nobody can guess within a nonce's life.
const SEAL_BYTES: usize = 16;

const MEMORY_BYTES: usize = 8;

const TIME_BYTES: usize = 8;

struct HmacKey;

impl KeyType for HmacKey {
    fn len(&self) -> usize {
        32
    }
}

impl Nonces {
    /// Nonces under a key that is derived from `secret` for this purpose.
    pub(super) fn new(secret: &[u8], purpose: &str) -> Self {
        let mut key = [0; 32];
        let pseudo_random = Salt::new(HKDF_SHA256, b"cardea").extract(secret);
        let info = [b"dpop nonces v1".as_slice(), purpose.as_bytes()];
        let filled = pseudo_random
            .expand(&info, HmacKey)
            .and_then(|okm| okm.fill(&mut key));
        if filled.is_err() {
            // Not for any length that is asked for here. A random key would only make replicas
            // refuse each other's nonces, which clients are used to; a known one must not be.
            let _ = aws_lc_rs::rand::fill(&mut key);
        }
        let mut memory = [0; MEMORY_BYTES];
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            memory: aws_lc_rs::rand::fill(&mut memory).ok().map(|()| memory),
        }
    }

    pub(super) fn issue(&self, now_s: u64) -> String {
        let mut nonce = now_s.to_be_bytes().to_vec();
        nonce.extend(self.memory.unwrap_or_default());
        nonce.extend(self.seal(&nonce));
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// When and by whom a nonce was issued; `None` when it is not one of ours.
    pub(super) fn open(&self, nonce: &str) -> Option<Issued> {
        let mut bytes = [0; TIME_BYTES + MEMORY_BYTES + SEAL_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok()?;
        let (said, seal) = bytes.split_first_chunk::<{ TIME_BYTES + MEMORY_BYTES }>()?;
        let is_ours = length == bytes.len()
            && aws_lc_rs::constant_time::verify_slices_are_equal(&self.seal(said), seal).is_ok();
        let (time, memory) = said.split_first_chunk::<TIME_BYTES>()?;
        is_ours.then(|| Issued {
            at_s: u64::from_be_bytes(*time),
            is_own: self.memory.is_some_and(|own| own == *memory),
        })
    }

    fn seal(&self, said: &[u8]) -> Vec<u8> {
        let tag = hmac::sign(&self.key, said);
        tag.as_ref().iter().copied().take(SEAL_BYTES).collect()
    }
}

/// Whether a nonce that was issued then may still be used.
pub(super) fn is_good(issued_s: u64, now_s: u64) -> bool {
    issued_s <= now_s + SKEW_S && now_s <= issued_s.saturating_add(LIFE_S)
}

/// Whether the next request should carry a newer one.
pub(super) fn is_due(issued_s: u64, now_s: u64) -> bool {
    now_s > issued_s.saturating_add(FRESH_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_nonce_is_known_and_only_for_its_purpose() {
        let mine = Nonces::new(&[1; 32], "resource");
        let nonce = mine.issue(1000);
        let issued = |is_own| Some(Issued { at_s: 1000, is_own });
        assert_eq!(mine.open(&nonce), issued(true));
        let replica = Nonces::new(&[1; 32], "resource");
        assert_eq!(replica.open(&nonce), issued(false));
        for other in [
            Nonces::new(&[1; 32], "token"),
            Nonces::new(&[2; 32], "resource"),
        ] {
            assert_eq!(other.open(&nonce), None);
        }
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(mine.open(&changed), None, "{at}");
        }
        for wrong in ["", "AAAA", &format!("{nonce}A"), &nonce[1..]] {
            assert_eq!(mine.open(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_nonce_grows_old() {
        assert!(is_good(1000, 1300) && !is_good(1000, 1301));
        assert!(is_good(1005, 1000) && !is_good(1006, 1000));
        assert!(!is_due(1000, 1150) && is_due(1000, 1151));
    }
}
