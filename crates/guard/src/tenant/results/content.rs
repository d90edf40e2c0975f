//! The blocks of a result's `content`.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, schema, `ContentBlock`.

use std::ops::Range;

use cardea_mcp::json::{self, Cursor, ValueKind};

use super::{
    Block, Check, Edits, OnForeign, OnUntyped, Reading, ResultRefused,
    cut::{self, Element, Fault},
    document, refused,
};

/// Blocks of one result; each is held until the array ends.
const BLOCKS_MAX: usize = 100_000;

/// What a block has that the checks need.
#[derive(Default)]
struct Parts {
    kind: Option<String>,
    text: Option<Range<usize>>,
    resource: Option<Range<usize>>,
}

impl Check<'_> {
    /// Checks every block; `at` is where `raw` stands in the message.
    pub(super) fn content(
        self,
        at: usize,
        raw: &str,
        edits: &mut Edits,
    ) -> Result<(), ResultRefused> {
        let mut cursor = Cursor::new(raw);
        if cursor.kind() != ValueKind::Array {
            return Err(ResultRefused::Untyped("content that is not a list"));
        }
        let mut blocks = Vec::new();
        cursor.enter();
        while cursor.next_element() {
            if blocks.len() >= BLOCKS_MAX {
                return Err(ResultRefused::Untyped("too many blocks of content"));
            }
            let span = cursor.skip();
            let block = self.block(at + span.start, cursor.text(span.clone()), edits)?;
            let fault = self.may_stay(block, edits)?;
            blocks.push(Element { span, fault });
        }
        for cut in cut::elements(&blocks) {
            edits.replace(at + cut.span.start..at + cut.span.end, String::new());
        }
        Ok(())
    }

    /// Whether a block stays, and why not.
    fn may_stay(self, block: Block, edits: &mut Edits) -> Result<Option<Fault>, ResultRefused> {
        match (block, self.rules.foreign, self.rules.untyped) {
            (Block::Kept, _, _) => Ok(None),
            (Block::Faulty(fault), OnForeign::Drop, _) => {
                edits.count(fault);
                Ok(Some(fault))
            }
            (Block::Faulty(fault), OnForeign::Refuse, _) => Err(refused(fault, "a block")),
            (Block::Untyped(_), _, OnUntyped::Drop) => {
                edits.untyped += 1;
                Ok(Some(Fault::Unlabelled))
            }
            (Block::Untyped(why), _, OnUntyped::Refuse) => Err(ResultRefused::Untyped(why)),
        }
    }

    fn block(self, at: usize, raw: &str, edits: &mut Edits) -> Result<Block, ResultRefused> {
        let Some(parts) = parts(raw) else {
            return Ok(Block::Untyped("a block that is no object"));
        };
        // Annotations and metadata stand beside the text.
        if let Some(fault) = self.fault_beside(raw) {
            return Ok(Block::Faulty(fault));
        }
        match (parts.kind.as_deref(), parts.text, parts.resource) {
            (Some("text"), Some(text), None) => {
                self.string(at + text.start, raw.get(text).unwrap_or_default(), edits)
            }
            (Some("resource"), None, Some(resource)) => {
                let start = at + resource.start;
                self.resource(start, raw.get(resource).unwrap_or_default(), edits)
            }
            _ => Ok(Block::Untyped("a block that is not text")),
        }
    }

    /// An embedded resource (`TextResourceContents`).
    fn resource(self, at: usize, raw: &str, edits: &mut Edits) -> Result<Block, ResultRefused> {
        match parts(raw) {
            Some(Parts {
                text: Some(text), ..
            }) => self.string(at + text.start, raw.get(text).unwrap_or_default(), edits),
            _ => Ok(Block::Untyped("an embedded resource that is not text")),
        }
    }

    fn fault_beside(self, raw: &str) -> Option<Fault> {
        match document::examine(raw, &self.rules.paths, self.value) {
            Reading::Rows(cuts) => cuts.first().map(|cut| cut.fault),
            Reading::Whole(fault) => Some(fault),
            Reading::Unreadable(_) => None,
        }
    }
}

/// The parts of a block or of a resource; `None` when it is no object.
fn parts(raw: &str) -> Option<Parts> {
    let mut cursor = Cursor::new(raw);
    if cursor.kind() != ValueKind::Object {
        return None;
    }
    let mut parts = Parts::default();
    cursor.enter();
    while let Some(key) = cursor.next_key() {
        let kind = cursor.kind();
        let span = cursor.skip();
        match (&*key, kind) {
            ("type", ValueKind::String) => {
                parts.kind = json::as_str(cursor.text(span)).map(|t| t.into_owned());
            }
            ("text", ValueKind::String) => parts.text = Some(span),
            ("resource", ValueKind::Object) => parts.resource = Some(span),
            _ => {}
        }
    }
    Some(parts)
}
