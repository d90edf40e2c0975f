//! Results that hold nothing of another tenant.
//!
//! A result says the same thing up to twice: as `structuredContent` and as texts. Each is read by
//! its own means and filtered by the same rules. What cannot be read is not passed on.
//!
//! | module | what it reads |
//! |---|---|
//! | `document` | JSON, by pointers |
//! | `text` | a text: JSON, lines of JSON, or a table |
//! | `table` | CSV, TSV, tables of pipes, tables of blanks |
//! | `content` | the blocks of `content` |

mod content;
mod cut;
mod document;
#[cfg(test)]
pub(super) mod made;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

use cardea_mcp::{
    Message,
    json::{self, Cursor, Level},
};
use thiserror::Error;

use self::cut::{Cut, Fault, Reading};
use super::{Pointer, TenantValue};
use crate::skeleton::skeleton;

/// What the results of a tool may hold.
#[derive(Debug, Clone)]
pub struct ResultRules {
    paths: Vec<Pointer>,
    /// Skeletons of the columns' names.
    columns: Vec<String>,
    foreign: OnForeign,
    untyped: OnUntyped,
}

/// What becomes of a row that is not the tenant's, or does not say whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnForeign {
    /// The row is left out.
    Drop,
    /// The whole result is refused.
    Refuse,
}

/// What becomes of content that cannot be read as rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUntyped {
    /// The whole result is refused.
    Refuse,
    /// The block of content is left out.
    Drop,
}

/// Why nothing of a result may be seen. Who called is not told which.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResultRefused {
    /// Something in it is another tenant's.
    #[error("{0} of another tenant")]
    Foreign(&'static str),
    /// Something in it does not say whose it is.
    #[error("{0} without the tenant's value")]
    Unlabelled(&'static str),
    /// Something in it cannot be read as rows.
    #[error("{0}")]
    Untyped(&'static str),
    /// Results would come by a way on which they are not checked.
    #[error("{0}")]
    OtherWay(&'static str),
}

/// What is left of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The whole message anew; `None` when it is right as it is.
    pub text: Option<Vec<u8>>,
    /// Rows left out that are another tenant's.
    pub foreign: usize,
    /// Rows left out that do not say whose they are.
    pub unlabelled: usize,
    /// Blocks of content left out that could not be read as rows.
    pub untyped: usize,
}

impl ResultRules {
    /// Rules; without columns these are the last names of the paths.
    #[must_use]
    pub fn new(
        paths: Vec<Pointer>,
        columns: &[String],
        foreign: OnForeign,
        untyped: OnUntyped,
    ) -> Self {
        let last = |path: &Pointer| match path.segments().last() {
            Some(super::pointer::Segment::Name(name)) => Some(skeleton(name)),
            _ => None,
        };
        let columns: Vec<_> = match columns {
            [] => paths.iter().filter_map(last).collect(),
            given => given.iter().map(|name| skeleton(name)).collect(),
        };
        Self {
            paths,
            columns,
            foreign,
            untyped,
        }
    }
}

/// The members of a result that the protocol knows and that hold no rows, or rows that are looked at.
///
/// # Source
/// MCP 2025-11-25 and 2026-07-28, schema, `CallToolResult`.
const KNOWN_MEMBERS: [&str; 7] = [
    "_meta",
    "cacheScope",
    "content",
    "isError",
    "resultType",
    "structuredContent",
    "ttlMs",
];

/// The result without what is not the tenant's.
pub(super) fn filter(
    message: &Message,
    rules: &ResultRules,
    value: &TenantValue,
) -> Result<Filtered, ResultRefused> {
    let check = Check { rules, value };
    check.no_other_way(message)?;
    let mut edits = Edits::default();
    if let Some(span) = message.span(Level::Body, "structuredContent") {
        let raw = message.body("structuredContent").unwrap_or_default();
        check.structured(span.start, raw, &mut edits)?;
    }
    if let Some(span) = message.span(Level::Body, "content") {
        let raw = message.body("content").unwrap_or_default();
        check.content(span.start, raw, &mut edits)?;
    }
    Ok(edits.applied(message))
}

/// The rules with the value that is looked for.
#[derive(Clone, Copy)]
struct Check<'a> {
    rules: &'a ResultRules,
    value: &'a TenantValue,
}

/// What is to be replaced in the message, and why.
#[derive(Default)]
struct Edits {
    spans: Vec<(Range<usize>, String)>,
    foreign: usize,
    unlabelled: usize,
    untyped: usize,
}

impl Edits {
    fn replace(&mut self, span: Range<usize>, new: String) {
        self.spans.push((span, new));
    }

    fn count(&mut self, fault: Fault) {
        match fault {
            Fault::Foreign => self.foreign += 1,
            Fault::Unlabelled => self.unlabelled += 1,
        }
    }

    fn applied(mut self, message: &Message) -> Filtered {
        self.spans.sort_by_key(|(span, _)| span.start);
        let spans: Vec<_> = self
            .spans
            .iter()
            .map(|(span, new)| (span.clone(), new.as_bytes()))
            .collect();
        Filtered {
            text: (!spans.is_empty()).then(|| json::splice(message.text(), &spans)),
            foreign: self.foreign,
            unlabelled: self.unlabelled,
            untyped: self.untyped,
        }
    }
}

impl Check<'_> {
    /// A task, a question to the client or a member that nobody knows would bring rows past the
    /// check, now or later.
    fn no_other_way(self, message: &Message) -> Result<(), ResultRefused> {
        let kind = message.body("resultType").map(json::as_str);
        match kind.as_ref().map(Option::as_deref) {
            None | Some(Some("complete")) => {}
            Some(Some("task")) => {
                return Err(ResultRefused::OtherWay("a task instead of a result"));
            }
            Some(_) => return Err(ResultRefused::OtherWay("not a complete result")),
        }
        let raw = message.top("result").unwrap_or_default();
        let mut cursor = Cursor::new(raw);
        cursor.enter();
        while let Some(key) = cursor.next_key() {
            if !KNOWN_MEMBERS.contains(&&*key) {
                return Err(ResultRefused::OtherWay(
                    "a member that the protocol does not know",
                ));
            }
            let span = cursor.skip();
            if key == "_meta" {
                self.nothing_foreign(cursor.text(span), "metadata")?;
            }
        }
        Ok(())
    }

    /// Looks at JSON that need not hold rows.
    fn nothing_foreign(self, raw: &str, what: &'static str) -> Result<(), ResultRefused> {
        match document::examine(raw, &self.rules.paths, self.value) {
            Reading::Rows(cuts) => match cuts.first() {
                Some(cut) => Err(refused(cut.fault, what)),
                None => Ok(()),
            },
            Reading::Whole(fault) => Err(refused(fault, what)),
            Reading::Unreadable(_) => Ok(()),
        }
    }

    fn structured(self, at: usize, raw: &str, edits: &mut Edits) -> Result<(), ResultRefused> {
        // Tools that give a text have it here as `{"result": "…"}` (the SDKs' wrapping).
        if let Some(span) = wrapped_text(raw) {
            let start = at + span.start;
            let raw = raw.get(span).unwrap_or_default();
            return match self.string(start, raw, edits)? {
                Block::Kept => Ok(()),
                Block::Faulty(fault) => Err(refused(fault, "structured content")),
                Block::Untyped(why) => Err(ResultRefused::Untyped(why)),
            };
        }
        match document::examine(raw, &self.rules.paths, self.value) {
            Reading::Rows(cuts) => self.cut(at, cuts, edits),
            Reading::Whole(fault) => Err(refused(fault, "structured content")),
            Reading::Unreadable(why) => Err(ResultRefused::Untyped(why)),
        }
    }

    /// Takes rows out of JSON that stands in the message as it is.
    fn cut(self, at: usize, cuts: Vec<Cut>, edits: &mut Edits) -> Result<(), ResultRefused> {
        self.may_drop(&cuts)?;
        for cut in cuts {
            edits.count(cut.fault);
            edits.replace(at + cut.span.start..at + cut.span.end, String::new());
        }
        Ok(())
    }

    /// Takes rows out of a text that stands in the message as a JSON string at `at`.
    fn string(self, at: usize, raw: &str, edits: &mut Edits) -> Result<Block, ResultRefused> {
        let Some(text) = json::as_str(raw) else {
            return Ok(Block::Untyped("a text that is not valid Unicode"));
        };
        match text::examine(&text, self.rules, self.value) {
            Reading::Rows(cuts) => {
                self.may_drop(&cuts)?;
                if !cuts.is_empty() {
                    let left = cut::without(&text, &cuts);
                    edits.replace(
                        at..at + raw.len(),
                        serde_json::Value::from(left).to_string(),
                    );
                }
                for cut in cuts {
                    edits.count(cut.fault);
                }
                Ok(Block::Kept)
            }
            Reading::Whole(fault) => Ok(Block::Faulty(fault)),
            Reading::Unreadable(why) => Ok(Block::Untyped(why)),
        }
    }

    fn may_drop(self, cuts: &[Cut]) -> Result<(), ResultRefused> {
        match (self.rules.foreign, cuts.first()) {
            (OnForeign::Refuse, Some(cut)) => Err(refused(cut.fault, "a row")),
            _ => Ok(()),
        }
    }
}

/// What became of one block of content.
enum Block {
    /// It may stay, perhaps with fewer rows.
    Kept,
    /// All of it is one row that may not be seen.
    Faulty(Fault),
    /// It cannot be read as rows.
    Untyped(&'static str),
}

fn refused(fault: Fault, what: &'static str) -> ResultRefused {
    match fault {
        Fault::Foreign => ResultRefused::Foreign(what),
        Fault::Unlabelled => ResultRefused::Unlabelled(what),
    }
}

/// The span of the text in `{"result": "…"}`, if that is all there is.
fn wrapped_text(raw: &str) -> Option<Range<usize>> {
    let mut cursor = Cursor::new(raw);
    if cursor.kind() != json::ValueKind::Object {
        return None;
    }
    cursor.enter();
    if cursor.next_key()? != "result" || cursor.kind() != json::ValueKind::String {
        return None;
    }
    let span = cursor.skip();
    cursor.next_key().is_none().then_some(span)
}
