//! The words of one schema.

use serde_json::{Number, Value};

use super::{Compiler, Reading};
use crate::schema::{
    PATTERNS_COMPILED_BYTES_MAX, PATTERNS_MAX,
    error::{SchemaError, Unusable},
    keyword::{Bound, Contains, Keyword, Length, Members, NodeId, Types},
    pattern::Pattern,
    reference::{Draft, Target},
    violation::shown,
};

impl<'a> Compiler<'a> {
    pub(super) fn keywords(&mut self, r: &Reading<'a>) -> Result<Vec<Keyword>, SchemaError> {
        let mut out = Vec::new();
        if r.draft == Draft::Seven && r.members.contains_key("$ref") {
            self.references(r, &mut out)?;
            return Ok(out);
        }
        if r.validates {
            self.assertions(r, &mut out)?;
        }
        self.references(r, &mut out)?;
        self.in_place(r, &mut out)?;
        self.members(r, &mut out)?;
        self.elements(r, &mut out)?;
        if r.draft == Draft::Latest {
            if let Some(node) = self.one(r, "unevaluatedItems")? {
                out.push(Keyword::UnevaluatedElements(node));
            }
            if let Some(node) = self.one(r, "unevaluatedProperties")? {
                out.push(Keyword::UnevaluatedMembers(node));
            }
        }
        Ok(out)
    }

    fn references(&mut self, r: &Reading<'a>, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        if let Some(value) = r.members.get("$ref") {
            let text = value.as_str().ok_or_else(|| r.wrong("$ref", "a string"))?;
            let target = self
                .resources
                .resolve(text, r.resource)
                .map_err(|e| at(e, r))?;
            out.push(Keyword::Reference(self.node(target, shown(text))));
        }
        if r.draft == Draft::Latest
            && let Some(value) = r.members.get("$dynamicRef")
        {
            let text = value
                .as_str()
                .ok_or_else(|| r.wrong("$dynamicRef", "a string"))?;
            let found = self
                .resources
                .resolve_dynamic(text, r.resource)
                .map_err(|e| at(e, r))?;
            let target = self.node(found.target, shown(text));
            out.push(match found.anchor {
                Some(anchor) => Keyword::Dynamic { target, anchor },
                None => Keyword::Reference(target),
            });
        }
        Ok(())
    }

    fn assertions(&mut self, r: &Reading<'a>, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        if let Some(value) = r.members.get("type") {
            out.push(Keyword::Type(
                types(value).ok_or_else(|| r.wrong("type", "a type or a list of types"))?,
            ));
        }
        if let Some(value) = r.members.get("enum") {
            let values = value.as_array().ok_or_else(|| r.wrong("enum", "a list"))?;
            out.push(Keyword::Enum(values.clone()));
        }
        if let Some(value) = r.members.get("const") {
            out.push(Keyword::Const(value.clone()));
        }
        if let Some(number) = number(r, "multipleOf")? {
            if !number.as_f64().is_some_and(|n| n > 0.0) {
                return Err(r.wrong("multipleOf", "over zero"));
            }
            out.push(Keyword::MultipleOf(number.clone()));
        }
        for (word, bound) in [
            ("minimum", Bound::Minimum),
            ("exclusiveMinimum", Bound::ExclusiveMinimum),
            ("maximum", Bound::Maximum),
            ("exclusiveMaximum", Bound::ExclusiveMaximum),
        ] {
            if let Some(number) = number(r, word)? {
                out.push(Keyword::Bound(bound, number.clone()));
            }
        }
        for (word, length) in [
            ("minLength", Length::CharsMin),
            ("maxLength", Length::CharsMax),
            ("minItems", Length::ElementsMin),
            ("maxItems", Length::ElementsMax),
            ("minProperties", Length::MembersMin),
            ("maxProperties", Length::MembersMax),
        ] {
            if let Some(count) = count(r, word)? {
                out.push(Keyword::Length(length, count));
            }
        }
        if let Some(value) = r.members.get("required") {
            out.push(Keyword::Required(
                names(value).ok_or_else(|| r.wrong("required", "a list of names"))?,
            ));
        }
        if r.draft == Draft::Latest
            && let Some(value) = r.members.get("dependentRequired")
        {
            let wrong = || r.wrong("dependentRequired", "an object of lists of names");
            let members = value.as_object().ok_or_else(wrong)?;
            let needs = members
                .iter()
                .map(|(key, value)| Some((key.clone(), names(value)?)));
            out.push(Keyword::DependentRequired(
                needs.collect::<Option<_>>().ok_or_else(wrong)?,
            ));
        }
        // What costs most comes last: most values fail before it.
        match r.members.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => out.push(Keyword::Unique),
            Some(_) => return Err(r.wrong("uniqueItems", "a boolean")),
        }
        if let Some(value) = r.members.get("pattern") {
            let text = value
                .as_str()
                .ok_or_else(|| r.wrong("pattern", "a string"))?;
            out.push(Keyword::Pattern(self.pattern(r, text)?));
        }
        Ok(())
    }

    fn in_place(&mut self, r: &Reading<'a>, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        if let Some(nodes) = self.list(r, "allOf")? {
            out.push(Keyword::AllOf(nodes));
        }
        if let Some(nodes) = self.list(r, "anyOf")? {
            out.push(Keyword::AnyOf(nodes));
        }
        if let Some(nodes) = self.list(r, "oneOf")? {
            out.push(Keyword::OneOf(nodes));
        }
        if let Some(node) = self.one(r, "not")? {
            out.push(Keyword::Not(node));
        }
        if let Some(condition) = self.one(r, "if")? {
            let then = self.one(r, "then")?;
            let otherwise = self.one(r, "else")?;
            out.push(Keyword::If {
                condition,
                then,
                otherwise,
            });
        }
        if r.draft == Draft::Latest {
            if let Some(nodes) = self.map(r, "dependentSchemas")? {
                out.push(Keyword::DependentSchemas(nodes));
            }
        } else if let Some(value) = r.members.get("dependencies") {
            self.dependencies(r, value, out)?;
        }
        Ok(())
    }

    /// Draft-07: names or a schema.
    fn dependencies(
        &mut self,
        r: &Reading<'a>,
        value: &'a Value,
        out: &mut Vec<Keyword>,
    ) -> Result<(), SchemaError> {
        let wrong = || r.wrong("dependencies", "an object of schemas and lists of names");
        let (mut required, mut schemas) = (Vec::new(), Vec::new());
        for (key, value) in value.as_object().ok_or_else(wrong)? {
            if value.is_array() {
                required.push((key.clone(), names(value).ok_or_else(wrong)?));
            } else {
                let node = self.child(r, value, "dependencies", Some(key));
                schemas.push((key.clone(), node));
            }
        }
        out.push(Keyword::DependentRequired(required));
        out.push(Keyword::DependentSchemas(schemas));
        Ok(())
    }

    fn members(&mut self, r: &Reading<'a>, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        let mut members = Members::default();
        if let Some(named) = self.map(r, "properties")? {
            members.named = named.into_iter().collect();
            members.describes = true;
        }
        if let Some(matching) = self.map(r, "patternProperties")? {
            for (text, node) in matching {
                members.matching.push((self.pattern(r, &text)?, node));
            }
            members.describes = true;
        }
        members.others = self.one(r, "additionalProperties")?;
        if members.describes || members.others.is_some() {
            out.push(Keyword::Members(Box::new(members)));
        }
        if let Some(node) = self.one(r, "propertyNames")? {
            out.push(Keyword::PropertyNames(node));
        }
        Ok(())
    }

    fn elements(&mut self, r: &Reading<'a>, out: &mut Vec<Keyword>) -> Result<(), SchemaError> {
        let (prefix, rest, word) = match (r.draft, r.members.get("items")) {
            (Draft::Latest, _) => {
                let prefix = self.list(r, "prefixItems")?.unwrap_or_default();
                (prefix, self.one(r, "items")?, "items")
            }
            (Draft::Seven, Some(Value::Array(_))) => {
                let prefix = self.elements_of(r, "items")?;
                (prefix, self.one(r, "additionalItems")?, "additionalItems")
            }
            (Draft::Seven, _) => (Vec::new(), self.one(r, "items")?, "items"),
        };
        if !prefix.is_empty() || rest.is_some() {
            out.push(Keyword::Elements { prefix, rest, word });
        }
        if let Some(schema) = self.one(r, "contains")? {
            let is_latest = r.draft == Draft::Latest;
            let bound = |word| match is_latest && r.validates {
                true => count(r, word),
                false => Ok(None),
            };
            out.push(Keyword::Contains(Box::new(Contains {
                schema,
                min: bound("minContains")?.unwrap_or(1),
                max: bound("maxContains")?,
                evaluates: is_latest,
            })));
        }
        Ok(())
    }

    fn child(
        &mut self,
        r: &Reading<'a>,
        value: &'a Value,
        keyword: &str,
        step: Option<&str>,
    ) -> NodeId {
        let resource = self.resources.resource_of(value, r.resource);
        self.node(Target { value, resource }, r.below(keyword, step))
    }

    fn one(
        &mut self,
        r: &Reading<'a>,
        keyword: &'static str,
    ) -> Result<Option<NodeId>, SchemaError> {
        Ok(r.members
            .get(keyword)
            .map(|value| self.child(r, value, keyword, None)))
    }

    /// A list of schemas that may not be empty.
    fn list(
        &mut self,
        r: &Reading<'a>,
        keyword: &'static str,
    ) -> Result<Option<Vec<NodeId>>, SchemaError> {
        match r.members.get(keyword) {
            None => Ok(None),
            Some(Value::Array(values)) if !values.is_empty() => {
                self.elements_of(r, keyword).map(Some)
            }
            Some(_) => Err(r.wrong(keyword, "a list of schemas")),
        }
    }

    fn elements_of(
        &mut self,
        r: &Reading<'a>,
        keyword: &'static str,
    ) -> Result<Vec<NodeId>, SchemaError> {
        let values = r.members.get(keyword).and_then(Value::as_array);
        let values = values.ok_or_else(|| r.wrong(keyword, "a list of schemas"))?;
        let nodes = values.iter().enumerate();
        Ok(nodes
            .map(|(index, value)| self.child(r, value, keyword, Some(&index.to_string())))
            .collect())
    }

    fn map(
        &mut self,
        r: &Reading<'a>,
        keyword: &'static str,
    ) -> Result<Option<Vec<(String, NodeId)>>, SchemaError> {
        let Some(value) = r.members.get(keyword) else {
            return Ok(None);
        };
        let schemas = value
            .as_object()
            .ok_or_else(|| r.wrong(keyword, "an object of schemas"))?;
        let nodes = schemas.iter();
        Ok(Some(
            nodes
                .map(|(key, value)| (key.clone(), self.child(r, value, keyword, Some(key))))
                .collect(),
        ))
    }

    fn pattern(&mut self, r: &Reading<'a>, text: &str) -> Result<Pattern, SchemaError> {
        self.patterns += 1;
        let unusable = |reason| Unusable::Pattern {
            pattern: shown(text),
            reason,
        };
        let compiled = match self.patterns > PATTERNS_MAX {
            true => Err(Unusable::Patterns),
            false => Pattern::compile(text).map_err(unusable),
        };
        let why = match compiled {
            Ok(pattern) => {
                self.pattern_bytes = self.pattern_bytes.saturating_add(pattern.bytes());
                match self.pattern_bytes <= PATTERNS_COMPILED_BYTES_MAX {
                    true => return Ok(pattern),
                    false => unusable("with the others it takes too much memory"),
                }
            }
            Err(why) => why,
        };
        Err(SchemaError {
            pointer: r.pointer.clone(),
            why,
        })
    }
}

/// The error of a reference, where the reference stands.
fn at(error: SchemaError, r: &Reading<'_>) -> SchemaError {
    SchemaError {
        pointer: r.pointer.clone(),
        ..error
    }
}

fn types(value: &Value) -> Option<Types> {
    match value {
        Value::String(name) => Types::default().with(name),
        Value::Array(names) if !names.is_empty() => {
            let mut names = names.iter();
            names.try_fold(Types::default(), |types, name| types.with(name.as_str()?))
        }
        _ => None,
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    let names = value.as_array()?.iter();
    names.map(|name| name.as_str().map(str::to_owned)).collect()
}

fn number<'a>(r: &Reading<'a>, keyword: &'static str) -> Result<Option<&'a Number>, SchemaError> {
    match r.members.get(keyword) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(_) => Err(r.wrong(keyword, "a number")),
    }
}

/// A count, which may be written as `2.0`.
fn count(r: &Reading<'_>, keyword: &'static str) -> Result<Option<u64>, SchemaError> {
    let Some(number) = number(r, keyword)? else {
        return Ok(None);
    };
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0)?;
        format!("{float:.0}").parse().ok()
    });
    whole
        .map(Some)
        .ok_or_else(|| r.wrong(keyword, "a whole number of zero or more"))
}
