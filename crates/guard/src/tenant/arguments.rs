//! Arguments that name the caller's tenant, whatever the caller wrote.
//!
//! Rules are applied one after the other, each to the text that the one before left; what no rule
//! is about stays byte for byte. The text was checked as part of its message: it has no duplicate
//! keys and is nested within bounds.

use std::ops::Range;

use cardea_mcp::json::{self, Cursor, ValueKind};
use thiserror::Error;

use super::{
    TenantValue,
    pointer::{Pointer, Segment},
};
use crate::skeleton::skeleton;

/// One argument that names the tenant.
#[derive(Debug, Clone)]
pub struct ArgumentRule {
    /// Where it stands.
    pub at: Pointer,
    /// What is done about it.
    pub binding: Binding,
}

/// What is done about an argument. `null` counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// It is set, whatever the caller wrote; objects on the way to it are made.
    Force,
    /// It must be there and be the tenant's.
    Check,
    /// It is set when it is absent, and must be the tenant's when it is there.
    Default,
}

/// Why a call cannot be made with these arguments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgumentRefused {
    /// The arguments are no object.
    #[error("`arguments` must be an object")]
    NotAnObject,
    /// The argument must be there and is not.
    #[error("the argument `{0}` must name the tenant")]
    Missing(String),
    /// The argument names something else than the caller's tenant.
    #[error("the argument `{0}` does not name the caller's tenant")]
    Differs(String),
    /// Something on the way to the argument is of another type.
    #[error("the argument `{0}` cannot be reached: something on the way is of another type")]
    Shape(String),
    /// Beside the argument stands one that a server might take for it.
    #[error("beside the argument `{0}` stands one that could be mistaken for it")]
    Lookalike(String),
}

/// The arguments with every rule applied; `None` when they are right as they are.
pub(super) fn shape(
    arguments: Option<&str>,
    rules: &[ArgumentRule],
    value: &TenantValue,
) -> Result<Option<String>, ArgumentRefused> {
    let given = arguments.unwrap_or("null");
    let mut shaped = match Cursor::new(given).kind() {
        ValueKind::Object => None,
        ValueKind::Null => Some("{}".to_owned()),
        _ => return Err(ArgumentRefused::NotAnObject),
    };
    let made_up = shaped.is_some();
    for rule in rules {
        let text = shaped.as_deref().unwrap_or(given);
        let mut application = Application {
            rule,
            value,
            edits: Vec::new(),
        };
        application.visit(&mut Cursor::new(text), rule.at.segments())?;
        if !application.edits.is_empty() {
            shaped = Some(spliced(text, &application.edits));
        }
    }
    // An empty object in the place of nothing says nothing.
    Ok(shaped.filter(|text| !made_up || text != "{}"))
}

fn spliced(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let edits: Vec<_> = edits
        .iter()
        .map(|(span, new)| (span.clone(), new.as_bytes()))
        .collect();
    // INVARIANT: spans of a cursor lie between characters, so the pieces are UTF-8.
    String::from_utf8(json::splice(text.as_bytes(), &edits)).unwrap_or_default()
}

/// One rule on its way through the arguments.
struct Application<'a> {
    rule: &'a ArgumentRule,
    value: &'a TenantValue,
    edits: Vec<(Range<usize>, String)>,
}

impl Application<'_> {
    /// Applies what is left of the way to the next value, and steps behind it.
    fn visit(&mut self, cursor: &mut Cursor<'_>, way: &[Segment]) -> Result<(), ArgumentRefused> {
        let kind = cursor.kind();
        match (way.split_first(), kind) {
            (None, _) => self.leaf(cursor, kind),
            (Some((Segment::Elements, rest)), ValueKind::Array) => {
                cursor.enter();
                while cursor.next_element() {
                    self.visit(cursor, rest)?;
                }
                Ok(())
            }
            (Some((Segment::Name(name), rest)), ValueKind::Object) => {
                self.member(cursor, name, rest)
            }
            (Some(_), ValueKind::Null) => {
                let span = cursor.skip();
                if let Some(made) = self.absent(way)? {
                    self.edits.push((span, made));
                }
                Ok(())
            }
            (Some(_), _) => Err(ArgumentRefused::Shape(self.at())),
        }
    }

    fn leaf(&mut self, cursor: &mut Cursor<'_>, kind: ValueKind) -> Result<(), ArgumentRefused> {
        let span = cursor.skip();
        if self.value.is(cursor.text(span.clone())) {
            return Ok(());
        }
        match self.rule.binding {
            Binding::Force => {}
            Binding::Default if kind == ValueKind::Null => {}
            Binding::Check if kind == ValueKind::Null => {
                return Err(ArgumentRefused::Missing(self.at()));
            }
            Binding::Check | Binding::Default => return Err(ArgumentRefused::Differs(self.at())),
        }
        self.edits.push((span, self.value.raw().to_owned()));
        Ok(())
    }

    fn member(
        &mut self,
        cursor: &mut Cursor<'_>,
        name: &str,
        rest: &[Segment],
    ) -> Result<(), ArgumentRefused> {
        cursor.enter();
        let alike = skeleton(name);
        let first = cursor.position();
        let (mut end, mut is_empty, mut found) = (first, true, false);
        while let Some(key) = cursor.next_key() {
            if key == name {
                found = true;
                self.visit(cursor, rest)?;
            } else if skeleton(&key) == alike {
                return Err(ArgumentRefused::Lookalike(self.at()));
            } else {
                cursor.skip();
            }
            is_empty = false;
            end = cursor.position();
        }
        if found {
            return Ok(());
        }
        let way = [&[Segment::Name(name.into())], rest].concat();
        let Some(made) = self.absent(&way)? else {
            return Ok(());
        };
        // Made as an object of its own; only its inside is added to this one.
        let inside = made.strip_prefix('{').and_then(|m| m.strip_suffix('}'));
        let comma = if is_empty { "" } else { "," };
        let added = format!("{comma}{}", inside.unwrap_or_default());
        self.edits.push((end..end, added));
        Ok(())
    }

    /// What is to stand where nothing does; `None` when that is nothing: no element of a list that
    /// is not there names a tenant.
    fn absent(&self, way: &[Segment]) -> Result<Option<String>, ArgumentRefused> {
        if way.contains(&Segment::Elements) {
            return Ok(None);
        }
        if self.rule.binding == Binding::Check {
            return Err(ArgumentRefused::Missing(self.at()));
        }
        let made = way
            .iter()
            .rev()
            .fold(self.value.raw().to_owned(), |inside, step| {
                match step {
                    Segment::Name(name) => {
                        format!("{{{}:{inside}}}", serde_json::Value::from(&**name))
                    }
                    // Not reached: see above, and `Pointer::for_arguments`.
                    Segment::Elements | Segment::AnyDepth => inside,
                }
            });
        Ok(Some(made))
    }

    fn at(&self) -> String {
        self.rule.at.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests;
