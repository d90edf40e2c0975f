//! From a schema to nodes, each once, however often it is referred to.

mod keywords;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{
    Documents, SUBSCHEMAS_MAX, Schema, UnknownMembers,
    error::{SchemaError, Unusable},
    keyword::{Keyword, Node, NodeId, ResourceId},
    reference::{Draft, Resources, Target},
    violation::push_step,
};

pub(super) fn compile(
    value: &Value,
    unknown_members: UnknownMembers,
    documents: &Documents,
) -> Result<Schema, SchemaError> {
    let mut compiler = Compiler {
        resources: Resources::of(value, documents)?,
        nodes: Vec::new(),
        known: HashMap::new(),
        waiting: Vec::new(),
        patterns: 0,
        pattern_bytes: 0,
    };
    let resource = compiler.resources.resource_of(value, 0);
    let root = compiler.node(Target { value, resource }, String::new());
    // A list, not recursion: references chain as long as the text allows.
    while let Some(waiting) = compiler.waiting.pop() {
        if compiler.nodes.len() > SUBSCHEMAS_MAX {
            return Err(SchemaError::at_root(Unusable::Wide));
        }
        compiler.fill(waiting)?;
    }
    compiler.check_ends()?;
    let dynamic = compiler.dynamic_anchors()?;
    Ok(Schema {
        root,
        nodes: compiler.nodes.into(),
        dynamic,
        unknown_members,
    })
}

struct Compiler<'a> {
    resources: Resources<'a>,
    nodes: Vec<Node>,
    /// By the address of the schema's value.
    known: HashMap<*const Value, NodeId>,
    waiting: Vec<Waiting<'a>>,
    patterns: usize,
    pattern_bytes: usize,
}

/// A schema that has a place among the nodes, and nothing in it yet.
struct Waiting<'a> {
    id: NodeId,
    target: Target<'a>,
    pointer: String,
}

/// A schema's own members, with what is needed to read them.
struct Reading<'a> {
    members: &'a Map<String, Value>,
    resource: ResourceId,
    draft: Draft,
    validates: bool,
    pointer: String,
}

impl Reading<'_> {
    fn wrong(&self, keyword: &'static str, expected: &'static str) -> SchemaError {
        SchemaError {
            pointer: self.pointer.clone(),
            why: Unusable::Keyword { keyword, expected },
        }
    }

    /// Where the value of a keyword stands.
    fn below(&self, keyword: &str, step: Option<&str>) -> String {
        let mut pointer = self.pointer.clone();
        push_step(&mut pointer, keyword);
        if let Some(step) = step {
            push_step(&mut pointer, step);
        }
        pointer
    }
}

impl<'a> Compiler<'a> {
    /// The node of a schema, made when it is met first.
    fn node(&mut self, target: Target<'a>, pointer: String) -> NodeId {
        let address = std::ptr::from_ref(target.value);
        if let Some(id) = self.known.get(&address) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        self.known.insert(address, id);
        self.waiting.push(Waiting {
            id,
            target,
            pointer,
        });
        id
    }

    fn fill(&mut self, waiting: Waiting<'a>) -> Result<(), SchemaError> {
        let Waiting {
            id,
            target,
            pointer,
        } = waiting;
        let Some(resource) = self.resources.resource(target.resource) else {
            return Err(SchemaError::at_root(Unusable::NotASchema));
        };
        let (draft, validates) = (resource.draft, resource.validates);
        let keywords = match target.value {
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Keyword::Nothing],
            Value::Object(members) => self.keywords(&Reading {
                members,
                resource: target.resource,
                draft,
                validates,
                pointer,
            })?,
            _ => {
                return Err(SchemaError {
                    pointer,
                    why: Unusable::NotASchema,
                });
            }
        };
        if let Some(node) = self.nodes.get_mut(id) {
            *node = Node {
                resource: target.resource,
                keywords,
            };
        }
        Ok(())
    }

    /// Refuses a schema that would apply itself to one value forever.
    fn check_ends(&self) -> Result<(), SchemaError> {
        let mut entered = vec![0_usize; self.nodes.len()];
        for next in self.nodes.iter().flat_map(in_place) {
            if let Some(count) = entered.get_mut(next) {
                *count += 1;
            }
        }
        let mut free: Vec<NodeId> = (0..self.nodes.len())
            .filter(|id| entered.get(*id) == Some(&0))
            .collect();
        let mut left = self.nodes.len();
        while let Some(id) = free.pop() {
            left -= 1;
            for next in self.nodes.get(id).into_iter().flat_map(in_place) {
                let Some(count) = entered.get_mut(next) else {
                    continue;
                };
                *count -= 1;
                if *count == 0 {
                    free.push(next);
                }
            }
        }
        match left {
            0 => Ok(()),
            _ => Err(SchemaError::at_root(Unusable::Endless)),
        }
    }

    fn dynamic_anchors(&mut self) -> Result<Box<[BTreeMap<String, NodeId>]>, SchemaError> {
        let mut all = Vec::new();
        for id in 0..self.resources.len() {
            let anchors = self.resources.resource(id).map(|r| r.dynamic.clone());
            let anchors: Vec<_> = anchors.unwrap_or_default().into_iter().collect();
            let nodes = anchors.into_iter().map(|(name, value)| {
                (
                    name,
                    self.node(
                        Target {
                            value,
                            resource: id,
                        },
                        String::new(),
                    ),
                )
            });
            all.push(nodes.collect());
        }
        while let Some(waiting) = self.waiting.pop() {
            self.fill(waiting)?;
        }
        if self.nodes.len() > SUBSCHEMAS_MAX {
            return Err(SchemaError::at_root(Unusable::Wide));
        }
        self.check_ends()?;
        Ok(all.into())
    }
}

/// The schemas that a schema applies to the same value. Where a dynamic reference leads is known only with a
/// value; [`super::NESTING_MAX`] ends it.
fn in_place(node: &Node) -> Vec<NodeId> {
    let mut next = Vec::new();
    for keyword in &node.keywords {
        match keyword {
            Keyword::AllOf(nodes) | Keyword::AnyOf(nodes) | Keyword::OneOf(nodes) => {
                next.extend(nodes)
            }
            Keyword::Not(id) | Keyword::Reference(id) => next.push(*id),
            Keyword::If {
                condition,
                then,
                otherwise,
            } => {
                next.push(*condition);
                next.extend(then.iter().chain(otherwise));
            }
            Keyword::DependentSchemas(nodes) => next.extend(nodes.iter().map(|(_, id)| id)),
            _ => {}
        }
    }
    next
}
