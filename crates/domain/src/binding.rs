//! The key that a token is bound to.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The SHA-256 of a public key (RFC 7638) or of a certificate (RFC 8705, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// A thumbprint by its 32 bytes.
    #[must_use]
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The thumbprint that a `cnf` claim spells: 43 characters of base64url, without padding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut digest).ok()?;
        (length == digest.len()).then_some(Self(digest))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// The keys whose possession a request has shown because its token names them.
///
/// A token that names both was used with both.
///
/// # Source
/// RFC 7800 section 3.1; `jkt` of RFC 9449 section 6.1, `x5t#S256` of RFC 8705 section 3.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyBinding {
    /// The key that signs the DPoP proofs.
    pub dpop: Option<Thumbprint>,
    /// The client's certificate.
    pub certificate: Option<Thumbprint>,
}

impl KeyBinding {
    /// A token that whoever holds it can use.
    pub const NONE: Self = Self {
        dpop: None,
        certificate: None,
    };

    /// Whether a thief of the token needs nothing else.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_it_is_written_and_no_other_way() {
        let text = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let read = Thumbprint::parse(text).map(|thumbprint| thumbprint.to_string());
        assert_eq!(read.as_deref(), Some(text));
        for wrong in [
            "",
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=",
            "0ZcOCORZNYy+DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J",
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4",
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4IA",
        ] {
            assert_eq!(Thumbprint::parse(wrong), None, "{wrong}");
        }
    }
}
