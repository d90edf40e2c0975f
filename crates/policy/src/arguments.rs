//! What policies can read of a tool's arguments: `context.args`.
//!
//! The types come from the tool's `inputSchema`. A type is a promise to the policies that were validated against it: a
//! value that does not keep it is never shown to them, and the call is refused.

mod read;
mod value;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value, json};

pub(crate) use self::value::{Unfit, record};

/// The arguments of one tool as policies see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    members: BTreeMap<String, Member>,
}

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Whether it is always there, and never `null`.
    is_required: bool,
    /// Its type, or why policies cannot read it.
    kind: Result<Kind, Opaque>,
}

/// What a value can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Long,
    Decimal,
    Text,
    Set(Box<Kind>),
    Record(BTreeMap<String, Member>),
    /// One of several, by the names of their kinds.
    Choice(BTreeMap<&'static str, Kind>),
}

/// Why policies cannot read a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opaque {
    /// The schema does not say what it is.
    Untyped,
    /// An object whose members the schema does not name.
    Open,
    /// A list of anything, or of different things at different places.
    Loose,
    /// A schema within itself.
    Recursive,
    /// A reference that leads nowhere.
    Unresolved,
    /// Too deep, or too much of it.
    Large,
    /// The schema says that nothing is good.
    Never,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untyped => "its schema does not say of which type it is",
            Self::Open => "it is an object whose members its schema does not name",
            Self::Loose => "it is a list whose items its schema does not describe as of one type",
            Self::Recursive => "its schema refers to itself",
            Self::Unresolved => "its schema refers to something that is not there",
            Self::Large => "its schema is too deep or too large",
            Self::Never => "its schema admits nothing",
        })
    }
}

impl Arguments {
    /// The arguments that a definition describes, by its raw JSON as `tools/list` has it. What the schema leaves open is
    /// not there; a definition that cannot be read has no arguments.
    #[must_use]
    pub fn of_definition(raw: &str) -> Self {
        let definition: Value = serde_json::from_str(raw).unwrap_or_default();
        Self::of_schema(definition.get("inputSchema").unwrap_or(&Value::Null))
    }

    /// The arguments that an `inputSchema` describes.
    #[must_use]
    pub fn of_schema(schema: &Value) -> Self {
        Self {
            members: read::members(schema),
        }
    }

    /// What is left when all but these are forgotten.
    pub(crate) fn only(&self, wanted: &Wanted) -> Self {
        let Wanted::These(names) = wanted else {
            return self.clone();
        };
        let members = self.members.iter();
        let those = members.filter(|(name, _)| names.contains(*name));
        Self {
            members: those
                .map(|(name, member)| (name.clone(), member.clone()))
                .collect(),
        }
    }

    /// The arguments that policies cannot read, and why, as `path: reason`.
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        let mut found = Vec::new();
        unreadable(&self.members, "", &mut found);
        found
    }

    /// Why an argument of this name cannot be read; `None` where it can be, or does not exist.
    pub(crate) fn why_unreadable(&self, name: &str) -> Option<Opaque> {
        self.members.get(name)?.kind.as_ref().err().copied()
    }

    /// The names of all arguments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The type `Args` in the JSON form of Cedar's schema language.
    #[must_use]
    pub fn to_cedar_json(&self) -> Value {
        record_type(&self.members)
    }
}

/// Which arguments a policy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    These(std::collections::BTreeSet<String>),
}

/// A call's arguments, with what the gateway knows of the tool.
#[derive(Debug, Clone)]
pub struct Given {
    /// The arguments as they will go upstream: an object.
    pub value: Arc<Value>,
    /// The tool's definition as it was listed last; `None` when it was not.
    pub definition: Option<Arc<str>>,
}

fn unreadable(members: &BTreeMap<String, Member>, before: &str, found: &mut Vec<String>) {
    for (name, member) in members {
        let path = match before {
            "" => name.clone(),
            before => format!("{before}.{name}"),
        };
        match &member.kind {
            Err(why) => found.push(format!("{path}: {why}")),
            Ok(Kind::Record(members)) => unreadable(members, &path, found),
            Ok(_) => {}
        }
    }
}

fn record_type(members: &BTreeMap<String, Member>) -> Value {
    let mut attributes = Map::new();
    for (name, member) in members {
        let Ok(kind) = &member.kind else { continue };
        let mut attribute = cedar_type(kind);
        if let Some(attribute) = attribute.as_object_mut() {
            attribute.insert("required".to_owned(), member.is_required.into());
        }
        attributes.insert(name.clone(), attribute);
    }
    json!({ "type": "Record", "attributes": attributes })
}

fn cedar_type(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "Boolean" }),
        Kind::Long => json!({ "type": "Long" }),
        Kind::Decimal => json!({ "type": "Extension", "name": "decimal" }),
        Kind::Text => json!({ "type": "String" }),
        Kind::Set(item) => json!({ "type": "Set", "element": cedar_type(item) }),
        Kind::Record(members) => record_type(members),
        Kind::Choice(kinds) => {
            let attributes: Map<String, Value> = kinds
                .iter()
                .map(|(name, kind)| {
                    let mut attribute = cedar_type(kind);
                    if let Some(attribute) = attribute.as_object_mut() {
                        attribute.insert("required".to_owned(), false.into());
                    }
                    ((*name).to_owned(), attribute)
                })
                .collect();
            json!({ "type": "Record", "attributes": attributes })
        }
    }
}

impl Kind {
    /// The name by which a choice has it.
    fn name(&self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Long => "long",
            Self::Decimal => "decimal",
            Self::Text => "text",
            Self::Set(_) => "set",
            Self::Record(_) => "record",
            Self::Choice(_) => "choice",
        }
    }
}

#[cfg(test)]
mod tests;
