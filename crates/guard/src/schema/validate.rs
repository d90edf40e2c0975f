//! A value against a compiled schema, within a budget of steps.
//!
//! What a schema has evaluated is written to one log and struck out again where the schema turns
//! out not to apply. The log answers `unevaluatedProperties` and `unevaluatedItems`, and at the end
//! which members nothing spoke of.

mod containers;
mod evaluated;
mod scalars;

use serde_json::Value;

use self::evaluated::Evaluated;
use super::{
    NESTING_MAX, Schema, UnknownMembers,
    budget::{Budget, Exhausted},
    equal::equal,
    keyword::{Keyword, Node, NodeId, ResourceId},
    violation::{Violation, push_step, shown},
};

pub(super) fn check(schema: &Schema, value: &Value) -> Result<(), Violation> {
    let mut run = Run {
        schema,
        budget: Budget::default(),
        log: Vec::new(),
        scope: Vec::new(),
        path: Vec::new(),
        depth: 0,
        quiet: 0,
        violation: None,
    };
    match run.apply(schema.root, value) {
        Ok(true) => {}
        Ok(false) => return Err(run.violation.unwrap_or_else(Violation::untold)),
        Err(Stop) => return Err(Violation::too_much_work()),
    }
    if schema.unknown_members == UnknownMembers::Refuse
        && let Some(unknown) = evaluated::unknown_member(value, &run.log)
    {
        return Err(unknown);
    }
    Ok(())
}

/// The check took too much work or nested too deeply: nothing is known of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stop;

impl From<Exhausted> for Stop {
    fn from(Exhausted: Exhausted) -> Self {
        Self
    }
}

/// Whether the value is as the schema says.
type Verdict = Result<bool, Stop>;

struct Run<'s, 'v> {
    schema: &'s Schema,
    budget: Budget,
    log: Vec<Evaluated<'v>>,
    /// The resources that were entered and not left, the outermost first.
    scope: Vec<ResourceId>,
    path: Vec<Step<'v>>,
    depth: usize,
    /// Above zero while a schema may fail without harm.
    quiet: usize,
    violation: Option<Violation>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'v> {
    Member(&'v str),
    Element(usize),
}

impl<'s, 'v> Run<'s, 'v> {
    fn apply(&mut self, id: NodeId, value: &'v Value) -> Verdict {
        self.budget.spend(1)?;
        let schema = self.schema;
        let node = schema.nodes.get(id).ok_or(Stop)?;
        if self.depth >= NESTING_MAX {
            return Err(Stop);
        }
        self.depth += 1;
        let enters = self.scope.last() != Some(&node.resource);
        if enters {
            self.scope.push(node.resource);
        }
        let mark = self.log.len();
        let verdict = self.keywords(node, value, mark)?;
        if !verdict {
            self.log.truncate(mark);
        }
        if enters {
            self.scope.pop();
        }
        self.depth -= 1;
        Ok(verdict)
    }

    /// What the node evaluates is in the log from `mark` on.
    fn keywords(&mut self, node: &'s Node, value: &'v Value, mark: usize) -> Verdict {
        for keyword in &node.keywords {
            if !self.keyword(keyword, value, mark)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn keyword(&mut self, keyword: &'s Keyword, value: &'v Value, mark: usize) -> Verdict {
        match keyword {
            Keyword::AllOf(nodes) => {
                for node in nodes {
                    if !self.apply(*node, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Keyword::AnyOf(nodes) => self.any_of(nodes, value),
            Keyword::OneOf(nodes) => self.one_of(nodes, value),
            Keyword::Not(node) => {
                let mark = self.log.len();
                let holds = self.quietly(*node, value)?;
                self.log.truncate(mark);
                match holds {
                    true => self.fail("not", || "something else than what `not` describes".into()),
                    false => Ok(true),
                }
            }
            Keyword::If {
                condition,
                then,
                otherwise,
            } => {
                let next = match self.quietly(*condition, value)? {
                    true => then,
                    false => otherwise,
                };
                next.map_or(Ok(true), |node| self.apply(node, value))
            }
            Keyword::Reference(node) => self.apply(*node, value),
            Keyword::Dynamic { target, anchor } => {
                let outermost = self
                    .scope
                    .iter()
                    .find_map(|resource| self.schema.dynamic.get(*resource)?.get(anchor));
                self.apply(*outermost.unwrap_or(target), value)
            }
            Keyword::Enum(values) => {
                for allowed in values {
                    if equal(allowed, value, &mut self.budget)? {
                        return Ok(true);
                    }
                }
                self.fail("enum", || format!("one of {}", listed(values)))
            }
            Keyword::Const(allowed) => match equal(allowed, value, &mut self.budget)? {
                true => Ok(true),
                false => self.fail("const", || shown(&allowed.to_string())),
            },
            _ => match value {
                Value::Object(members) => self.object(keyword, value, members, mark),
                Value::Array(elements) => self.array(keyword, value, elements, mark),
                _ => self.scalar(keyword, value),
            },
        }
    }

    fn any_of(&mut self, nodes: &'s [NodeId], value: &'v Value) -> Verdict {
        let mut holds = false;
        // All of them: each that holds may speak of other members.
        for node in nodes {
            holds |= self.quietly(*node, value)?;
        }
        match holds {
            true => Ok(true),
            false => self.explain("anyOf", nodes, value),
        }
    }

    fn one_of(&mut self, nodes: &'s [NodeId], value: &'v Value) -> Verdict {
        let mut holding = 0;
        for node in nodes {
            holding += usize::from(self.quietly(*node, value)?);
            if holding > 1 {
                return self.fail("oneOf", || {
                    "exactly one of the alternatives, and several fit".into()
                });
            }
        }
        match holding {
            0 => self.explain("oneOf", nodes, value),
            _ => Ok(true),
        }
    }

    fn quietly(&mut self, node: NodeId, value: &'v Value) -> Verdict {
        self.quiet += 1;
        let verdict = self.apply(node, value)?;
        self.quiet -= 1;
        Ok(verdict)
    }

    /// Fails with what is wrong with the one alternative of the value's type, if there is only one.
    fn explain(&mut self, word: &'static str, nodes: &'s [NodeId], value: &'v Value) -> Verdict {
        if self.quiet == 0 {
            let is_for = |id: &NodeId| {
                let node = self.schema.nodes.get(*id);
                node.is_some_and(|node| {
                    let mut keywords = node.keywords.iter();
                    keywords.all(|k| !matches!(k, Keyword::Type(types) if !types.holds(value)))
                })
            };
            let fitting: Vec<_> = nodes.iter().copied().filter(is_for).collect();
            if let [node] = *fitting {
                self.apply(node, value)?;
            }
        }
        self.fail(word, || "one of the alternatives, and none fits".into())
    }

    /// The first failure that matters is kept.
    fn fail(&mut self, keyword: &'static str, expected: impl FnOnce() -> String) -> Verdict {
        if self.quiet == 0 && self.violation.is_none() {
            self.violation = Some(Violation {
                pointer: self.pointer(),
                keyword,
                expected: expected(),
            });
        }
        Ok(false)
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) => push_step(&mut pointer, name),
                Step::Element(index) => push_step(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }

    /// Applies a schema to a member or an element.
    fn below(&mut self, step: Step<'v>, node: NodeId, value: &'v Value) -> Verdict {
        self.path.push(step);
        let verdict = self.apply(node, value)?;
        self.path.pop();
        Ok(verdict)
    }
}

impl Violation {
    fn too_much_work() -> Self {
        Self {
            pointer: String::new(),
            keyword: "steps",
            expected: "something smaller: to check this takes too much work".to_owned(),
        }
    }

    /// INVARIANT: a failure that is not quiet was told; a mistake of ours denies all the same.
    fn untold() -> Self {
        Self {
            pointer: String::new(),
            keyword: "schema",
            expected: "a value that the schema describes".to_owned(),
        }
    }
}

/// Some values of the schema's, for people.
fn listed(values: &[Value]) -> String {
    let texts: Vec<_> = values.iter().take(20).map(Value::to_string).collect();
    let more = if values.len() > texts.len() {
        ", …"
    } else {
        ""
    };
    shown(&format!("{}{more}", texts.join(", ")))
}
