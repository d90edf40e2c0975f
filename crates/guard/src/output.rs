//! What the results of a tool may hold: kinds of content, media types, bytes.
//!
//! What the protocol does not know is refused, rules or no rules: a client may show it, and nobody has looked at it. A media
//! type is the server's word for its bytes, which are not looked into.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, schema, `ContentBlock`.

mod media_type;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, ops::Range};

use cardea_mcp::json::{self, Cursor, ValueKind};
use thiserror::Error;

pub use self::media_type::{InvalidMediaType, MediaType};
use crate::skeleton::skeleton;

/// A kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentKind {
    /// Text.
    Text,
    /// An image, as data.
    Image,
    /// Sound, as data.
    Audio,
    /// The address of a resource.
    ResourceLink,
    /// A resource, as text or data.
    Resource,
}

/// What results may hold. What is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputRule {
    /// The kinds of content.
    pub kinds: Option<BTreeSet<ContentKind>>,
    /// The media types of content that is no plain text; such content has to say one of them.
    pub media_types: Option<Vec<MediaType>>,
    /// The whole result, as its server spelt it, in bytes.
    pub bytes_max: Option<usize>,
}

/// Why a result is not passed on. Nothing of the result is in it but kinds and media types.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OutputRefused {
    /// More bytes than a rule admits.
    #[error("{bytes} bytes, and {bytes_max} are admitted")]
    Bytes {
        /// How many there are.
        bytes: usize,
        /// How many may be.
        bytes_max: usize,
    },
    /// `content` is not as the protocol says.
    #[error("{0}")]
    Shape(&'static str),
    /// A kind of content that the protocol does not know.
    #[error("content of the kind `{0}`, which the protocol does not know")]
    Unknown(String),
    /// A kind of content that a rule does not admit.
    #[error("content of the kind `{}`, which is not admitted", .0.as_str())]
    Kind(ContentKind),
    /// A media type that a rule does not admit.
    #[error("content of the media type `{0}`, which is not admitted")]
    MediaType(String),
    /// No media type, where a rule admits only some.
    #[error("content of the kind `{}` without a media type", .0.as_str())]
    Untyped(ContentKind),
}

/// Blocks of one result.
const BLOCKS_MAX: usize = 100_000;
/// The names by which a block says what it is.
const NAMES: [&str; 4] = ["type", "mimeType", "resource", "blob"];
/// The names by which a result says what it is.
const RESULT_NAMES: [&str; 5] = [
    "content",
    "structuredContent",
    "isError",
    "resultType",
    "task",
];

impl ContentKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Image,
        Self::Audio,
        Self::ResourceLink,
        Self::Resource,
    ];

    /// The protocol's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::ResourceLink => "resource_link",
            Self::Resource => "resource",
        }
    }
}

/// Checks the `result` of a `tools/call` or of its task, as raw JSON, against each of the rules.
///
/// # Errors
/// [`OutputRefused`], of the first that does not hold.
pub fn check<'r>(
    rules: impl IntoIterator<Item = &'r OutputRule> + Clone,
    result: &str,
) -> Result<(), OutputRefused> {
    let bytes = result.len();
    let bounds = rules.clone().into_iter().filter_map(|rule| rule.bytes_max);
    if let Some(bytes_max) = bounds.min().filter(|max| bytes > *max) {
        return Err(OutputRefused::Bytes { bytes, bytes_max });
    }
    let Some(content) = content(result)? else {
        return Ok(());
    };
    let mut cursor = Cursor::new(content);
    if cursor.kind() != ValueKind::Array {
        return Err(OutputRefused::Shape("`content` is no list"));
    }
    let mut blocks = 0;
    cursor.enter();
    while cursor.next_element() {
        blocks += 1;
        if blocks > BLOCKS_MAX {
            return Err(OutputRefused::Shape("too many blocks of content"));
        }
        let span = cursor.skip();
        let block = Block::read(cursor.text(span))?;
        for rule in rules.clone() {
            block.check(rule)?;
        }
    }
    Ok(())
}

/// What a block says that it is.
struct Block {
    kind: ContentKind,
    media_type: Option<String>,
    /// An embedded resource that is a text needs no media type.
    is_text: bool,
}

impl Block {
    fn read(raw: &str) -> Result<Self, OutputRefused> {
        let block = Members::of(raw)?;
        let Some(kind) = block.kind else {
            return Err(OutputRefused::Shape("a block of content without a `type`"));
        };
        let known = ContentKind::ALL.into_iter().find(|k| k.as_str() == kind);
        let Some(kind) = known else {
            return Err(OutputRefused::Unknown(crate::schema::shown(&kind)));
        };
        if kind != ContentKind::Resource {
            return Ok(Self {
                kind,
                media_type: block.media_type,
                is_text: kind == ContentKind::Text,
            });
        }
        let inner = block.resource.and_then(|span| raw.get(span));
        let resource = Members::of(inner.unwrap_or_default())?;
        Ok(Self {
            kind,
            media_type: resource.media_type,
            is_text: !resource.has_blob,
        })
    }

    fn check(&self, rule: &OutputRule) -> Result<(), OutputRefused> {
        let kinds = rule.kinds.as_ref();
        if kinds.is_some_and(|kinds| !kinds.contains(&self.kind)) {
            return Err(OutputRefused::Kind(self.kind));
        }
        let Some(admitted) = &rule.media_types else {
            return Ok(());
        };
        match &self.media_type {
            None if self.is_text => Ok(()),
            None => Err(OutputRefused::Untyped(self.kind)),
            Some(said) if admitted.iter().any(|one| one.matches(said)) => Ok(()),
            Some(said) => Err(OutputRefused::MediaType(crate::schema::shown(said))),
        }
    }
}

/// The members of a block, or of its resource, that say what it is.
#[derive(Default)]
struct Members {
    kind: Option<String>,
    media_type: Option<String>,
    resource: Option<Range<usize>>,
    has_blob: bool,
}

impl Members {
    fn of(raw: &str) -> Result<Self, OutputRefused> {
        let mut cursor = Cursor::new(raw);
        if cursor.kind() != ValueKind::Object {
            return Err(OutputRefused::Shape("a block of content that is no object"));
        }
        let mut members = Self::default();
        cursor.enter();
        while let Some(key) = cursor.next_key() {
            let kind = cursor.kind();
            let span = cursor.skip();
            let text = || json::as_str(cursor.text(span.clone())).map(|text| text.into_owned());
            match (&*key, kind) {
                ("type", ValueKind::String) => members.kind = text(),
                ("mimeType", ValueKind::String) => members.media_type = text(),
                ("resource", ValueKind::Object) => members.resource = Some(span),
                ("blob", _) => members.has_blob = true,
                (name, _) if NAMES.contains(&name) => {
                    return Err(OutputRefused::Shape(
                        "a block of content whose members are not as the protocol says",
                    ));
                }
                // Some readers match names without regard to case.
                (name, _) => {
                    let read = skeleton(name);
                    if NAMES.iter().any(|known| skeleton(known) == read) {
                        return Err(OutputRefused::Shape(
                            "a block of content that can be read in two ways",
                        ));
                    }
                }
            }
        }
        Ok(members)
    }
}

/// The `content` of a result, as raw JSON; refuses names that some readers take for the protocol's.
fn content(result: &str) -> Result<Option<&str>, OutputRefused> {
    let mut cursor = Cursor::new(result);
    if cursor.kind() != ValueKind::Object {
        return Err(OutputRefused::Shape("a result that is no object"));
    }
    let mut content = None;
    cursor.enter();
    while let Some(key) = cursor.next_key() {
        let span = cursor.skip();
        if key == "content" {
            content = Some(cursor.text(span));
        } else if !RESULT_NAMES.contains(&&*key) {
            let read = skeleton(&key);
            if RESULT_NAMES.iter().any(|known| skeleton(known) == read) {
                return Err(OutputRefused::Shape(
                    "a result that can be read in two ways",
                ));
            }
        }
    }
    Ok(content)
}
