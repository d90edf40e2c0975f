//! What a schema is compiled to.

use std::collections::HashMap;

use serde_json::{Number, Value};

use super::pattern::Pattern;

/// Where a compiled schema stands among all of its document.
pub(super) type NodeId = usize;
/// Which resource of a document: what has an `$id` of its own.
pub(super) type ResourceId = usize;

/// One schema, compiled.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The resource that it stands in; the dynamic scope is made of these.
    pub(super) resource: ResourceId,
    /// In the order of their evaluation: what asks for what others have evaluated comes last.
    pub(super) keywords: Vec<Keyword>,
}

#[derive(Debug)]
pub(super) enum Keyword {
    /// The schema `false`.
    Nothing,
    Type(Types),
    Enum(Vec<Value>),
    Const(Value),
    MultipleOf(Number),
    Bound(Bound, Number),
    Length(Length, u64),
    Pattern(Pattern),
    Unique,
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    Members(Box<Members>),
    PropertyNames(NodeId),
    Elements {
        prefix: Vec<NodeId>,
        rest: Option<NodeId>,
        word: &'static str,
    },
    Contains(Box<Contains>),
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    DependentSchemas(Vec<(String, NodeId)>),
    Reference(NodeId),
    Dynamic {
        target: NodeId,
        anchor: String,
    },
    UnevaluatedElements(NodeId),
    UnevaluatedMembers(NodeId),
}

/// `properties`, `patternProperties` and `additionalProperties`, which know of each other.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) named: HashMap<String, NodeId>,
    pub(super) matching: Vec<(Pattern, NodeId)>,
    pub(super) others: Option<NodeId>,
    /// Whether the schema describes an object by its members, so that others are unknown.
    pub(super) describes: bool,
}

#[derive(Debug)]
pub(super) struct Contains {
    pub(super) schema: NodeId,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    /// Since 2020-12 what it finds counts as evaluated.
    pub(super) evaluates: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Minimum,
    ExclusiveMinimum,
    Maximum,
    ExclusiveMaximum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    CharsMin,
    CharsMax,
    ElementsMin,
    ElementsMax,
    MembersMin,
    MembersMax,
}

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Types(u8);

const NAMES: [&str; 7] = [
    "null", "boolean", "object", "array", "number", "string", "integer",
];

impl Types {
    /// Adds a type by its name; `None` when there is none of that name.
    pub(super) fn with(self, name: &str) -> Option<Self> {
        let index = NAMES.iter().position(|known| *known == name)?;
        Some(Self(self.0 | 1 << index))
    }

    pub(super) fn holds(self, value: &Value) -> bool {
        let has = |index: u8| self.0 & 1 << index != 0;
        match value {
            Value::Null => has(0),
            Value::Bool(_) => has(1),
            Value::Object(_) => has(2),
            Value::Array(_) => has(3),
            Value::Number(number) => has(4) || has(6) && super::number::is_integer(number),
            Value::String(_) => has(5),
        }
    }

    /// The names, for people.
    pub(super) fn names(self) -> String {
        let names = NAMES.iter().enumerate();
        let names: Vec<_> = names
            .filter(|(index, _)| self.0 & 1 << index != 0)
            .map(|(_, name)| *name)
            .collect();
        names.join(" or ")
    }
}
