//! One definition: what a server says of a tool, a prompt, a resource template, or of itself.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use cardea_mcp::{Limits, canonical::canonical, param_header::Mirrored};

/// What a definition is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefinitionKind {
    /// An item of `tools/list`, by its `name`.
    Tool,
    /// An item of `prompts/list`, by its `name`.
    Prompt,
    /// An item of `resources/templates/list`, by its `uriTemplate`.
    Template,
    /// The `instructions` of the handshake or of `server/discover`; their name is empty.
    Instructions,
}

/// A definition as its server showed it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Arguments that must be repeated in headers; of tools alone.
    pub mirrored: Vec<Mirrored>,
    /// The definition as raw JSON, exactly as it was shown.
    pub raw: Arc<str>,
    /// SHA-256 of the definition's canonical form (RFC 8785); `None` when it has none or is too long, so that
    /// nothing can be bound to it.
    pub digest: Option<[u8; 32]>,
}

/// Longer than the definitions of a hundred tools together. What nobody would read, nobody can approve.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;

/// Definitions nest by their schemas; the bound is for the stack alone.
const DEPTH_MAX: usize = 256;

impl DefinitionKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Template, Self::Instructions];

    /// The word in records and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Template => "template",
            Self::Instructions => "instructions",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for DefinitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of the canonical form of a definition.
///
/// # Source
/// RFC 8785.
#[must_use]
pub fn digest_of(raw: &str) -> Option<[u8; 32]> {
    if raw.len() > DEFINITION_BYTES_MAX {
        return None;
    }
    let limits = Limits {
        depth_max: DEPTH_MAX,
    };
    let text = canonical(raw, &limits).ok()?;
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().ok()
}

/// A digest as people compare it: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn digest_text(digest: &[u8; 32]) -> String {
    use fmt::Write as _;
    let mut text = String::from("sha256:");
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
