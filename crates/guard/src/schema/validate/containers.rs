//! Keywords that look into objects and arrays.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    Run, Step, Verdict,
    evaluated::{Evaluated, What, elements_since, members_since},
};
use crate::schema::{
    equal::write_key,
    keyword::{Contains, Keyword, Length, Members, NodeId},
    violation::shown,
};

impl<'s, 'v> Run<'s, 'v> {
    pub(super) fn object(
        &mut self,
        keyword: &'s Keyword,
        value: &'v Value,
        members: &'v Map<String, Value>,
        mark: usize,
    ) -> Verdict {
        match keyword {
            Keyword::Required(names) => self.required("required", names, members),
            Keyword::DependentRequired(needs) => {
                for (key, names) in needs {
                    if members.contains_key(key)
                        && !self.required("dependentRequired", names, members)?
                    {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Keyword::DependentSchemas(schemas) => {
                for (key, node) in schemas {
                    if members.contains_key(key) && !self.apply(*node, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Keyword::Length(Length::MembersMin, limit) => {
                self.count("minProperties", true, members.len(), *limit, "members")
            }
            Keyword::Length(Length::MembersMax, limit) => {
                self.count("maxProperties", false, members.len(), *limit, "members")
            }
            Keyword::Members(schemas) => self.members(schemas, value, members),
            Keyword::PropertyNames(node) => self.names(*node, members),
            Keyword::UnevaluatedMembers(node) => self.unevaluated(*node, value, members, mark),
            _ => self.scalar(keyword, value),
        }
    }

    pub(super) fn array(
        &mut self,
        keyword: &'s Keyword,
        value: &'v Value,
        elements: &'v [Value],
        mark: usize,
    ) -> Verdict {
        match keyword {
            Keyword::Length(Length::ElementsMin, limit) => {
                self.count("minItems", true, elements.len(), *limit, "elements")
            }
            Keyword::Length(Length::ElementsMax, limit) => {
                self.count("maxItems", false, elements.len(), *limit, "elements")
            }
            Keyword::Unique => self.unique(elements),
            Keyword::Elements { prefix, rest, word } => {
                self.elements(prefix, *rest, word, value, elements)
            }
            Keyword::Contains(contains) => self.contains(contains, value, elements),
            Keyword::UnevaluatedElements(node) => {
                let done = elements_since(&self.log, mark, value);
                self.budget.spend((self.log.len() - mark) / 4)?;
                for (index, element) in elements.iter().enumerate() {
                    if !done.has(index) && !self.below(Step::Element(index), *node, element)? {
                        return self.fail("unevaluatedItems", || "no further elements".into());
                    }
                }
                self.note(value, What::All);
                Ok(true)
            }
            _ => self.scalar(keyword, value),
        }
    }

    fn note(&mut self, at: &'v Value, what: What<'v>) {
        self.log.push(Evaluated { at, what });
    }

    fn required(
        &mut self,
        word: &'static str,
        names: &'s [String],
        members: &'v Map<String, Value>,
    ) -> Verdict {
        self.budget.spend(names.len())?;
        match names.iter().find(|name| !members.contains_key(*name)) {
            None => Ok(true),
            Some(missing) => self.fail(word, || format!("a member `{}`", shown(missing))),
        }
    }

    fn members(
        &mut self,
        schemas: &'s Members,
        value: &'v Value,
        members: &'v Map<String, Value>,
    ) -> Verdict {
        for (key, member) in members {
            self.budget.spend(1)?;
            let mut is_evaluated = false;
            if let Some(node) = schemas.named.get(key) {
                is_evaluated = true;
                if !self.below(Step::Member(key), *node, member)? {
                    return Ok(false);
                }
            }
            for (pattern, node) in &schemas.matching {
                if pattern.matches(key, &mut self.budget)? {
                    is_evaluated = true;
                    if !self.below(Step::Member(key), *node, member)? {
                        return Ok(false);
                    }
                }
            }
            if let (false, Some(node)) = (is_evaluated, schemas.others) {
                is_evaluated = true;
                if !self.other(node, "additionalProperties", key, member)? {
                    return Ok(false);
                }
            }
            if is_evaluated {
                self.note(value, What::Member(key));
            }
        }
        if schemas.describes {
            self.note(value, What::Described);
        }
        Ok(true)
    }

    /// A member that the schema does not name; where it may not be, that is what is told.
    fn other(
        &mut self,
        node: NodeId,
        word: &'static str,
        key: &'v str,
        member: &'v Value,
    ) -> Verdict {
        let schema = self.schema;
        let is_nothing = (schema.nodes.get(node))
            .is_some_and(|node| matches!(*node.keywords, [Keyword::Nothing]));
        if is_nothing {
            self.path.push(Step::Member(key));
            self.fail(word, || "no such member".into())?;
            self.path.pop();
            return Ok(false);
        }
        self.below(Step::Member(key), node, member)
    }

    fn unevaluated(
        &mut self,
        node: NodeId,
        value: &'v Value,
        members: &'v Map<String, Value>,
        mark: usize,
    ) -> Verdict {
        let done = members_since(&self.log, mark, value);
        self.budget.spend((self.log.len() - mark) / 4)?;
        for (key, member) in members {
            if !done.has(key) && !self.other(node, "unevaluatedProperties", key, member)? {
                return Ok(false);
            }
        }
        self.note(value, What::All);
        Ok(true)
    }

    /// Names are values of their own, which no log and no path knows.
    fn names(&mut self, node: NodeId, members: &'v Map<String, Value>) -> Verdict {
        for key in members.keys() {
            let name = Value::String(key.clone());
            let mut run = Run {
                schema: self.schema,
                budget: std::mem::take(&mut self.budget),
                log: Vec::new(),
                scope: self.scope.clone(),
                path: Vec::new(),
                depth: self.depth,
                quiet: 1,
                violation: None,
            };
            let verdict = run.apply(node, &name);
            self.budget = run.budget;
            if !verdict? {
                return self.fail("propertyNames", || {
                    format!("no member called `{}`", shown(key))
                });
            }
        }
        Ok(true)
    }

    fn unique(&mut self, elements: &'v [Value]) -> Verdict {
        let mut seen = HashSet::with_capacity(elements.len());
        for element in elements {
            let mut key = String::new();
            write_key(element, &mut key, &mut self.budget)?;
            if !seen.insert(key) {
                return self.fail("uniqueItems", || "elements that differ".into());
            }
        }
        Ok(true)
    }

    fn elements(
        &mut self,
        prefix: &'s [NodeId],
        rest: Option<NodeId>,
        word: &'static str,
        value: &'v Value,
        elements: &'v [Value],
    ) -> Verdict {
        for (index, element) in elements.iter().enumerate() {
            let Some(node) = prefix.get(index).copied().or(rest) else {
                break;
            };
            if !self.below(Step::Element(index), node, element)? {
                return self.fail(word, || "other elements".into());
            }
            self.note(value, What::Element(index));
        }
        if rest.is_some() {
            self.note(value, What::All);
        }
        Ok(true)
    }

    fn contains(
        &mut self,
        contains: &'s Contains,
        value: &'v Value,
        elements: &'v [Value],
    ) -> Verdict {
        let mut found = 0;
        for (index, element) in elements.iter().enumerate() {
            self.quiet += 1;
            let holds = self.below(Step::Element(index), contains.schema, element)?;
            self.quiet -= 1;
            if holds {
                found += 1;
                if contains.evaluates {
                    self.note(value, What::Element(index));
                }
            }
        }
        if found < contains.min {
            return self.fail("contains", || {
                format!("at least {} elements of a kind", contains.min)
            });
        }
        match contains.max {
            Some(max) if found > max => self.fail("maxContains", || {
                format!("at most {max} elements of a kind")
            }),
            _ => Ok(true),
        }
    }
}
