//! Media types, as rules name them and as servers say them.

use thiserror::Error;

/// A media type that a rule admits: `image/png`, or all of a type: `image/*`.
///
/// # Source
/// RFC 9110, section 8.3.1; RFC 6838, section 4.2, for the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    kind: String,
    /// `None`: every one.
    subtype: Option<String>,
}

/// A text that is no media type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no media type such as `image/png` or `image/*`")]
pub struct InvalidMediaType(String);

impl MediaType {
    /// Reads one, in any case and without parameters.
    ///
    /// # Errors
    /// [`InvalidMediaType`].
    pub fn parse(text: &str) -> Result<Self, InvalidMediaType> {
        let invalid = || InvalidMediaType(crate::schema::shown(text));
        let (kind, subtype) = text.split_once('/').ok_or_else(invalid)?;
        if !is_name(kind) || !(subtype == "*" || is_name(subtype)) {
            return Err(invalid());
        }
        Ok(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: (subtype != "*").then(|| subtype.to_ascii_lowercase()),
        })
    }

    /// Whether what a server says is this; its parameters make no difference.
    #[must_use]
    pub fn matches(&self, said: &str) -> bool {
        let essence = said.split(';').next().unwrap_or_default();
        let essence = essence.trim_matches([' ', '\t']).to_ascii_lowercase();
        let Some((kind, subtype)) = essence.split_once('/') else {
            return false;
        };
        kind == self.kind
            && is_name(subtype)
            && self.subtype.as_ref().is_none_or(|own| own == subtype)
    }
}

/// The longest name that may be registered.
const NAME_BYTES_MAX: usize = 127;

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    first
        && text.len() <= NAME_BYTES_MAX
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}
