//! JSON Schema to types: what there is to say of a value, and honestly nothing of the rest.
//!
//! A type may say less than the schema, never something else: values are held to it one by one, and to the schema by the
//! schema firewall.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Kind, Member, Opaque};

/// Schemas within schemas; Cedar's own types nest as deep.
const DEPTH_MAX: usize = 12;
/// Schemas of one tool that are looked at, those that are looked at again among them. What is beyond is opaque.
const SCHEMAS_MAX: usize = 2_000;

/// What a schema says of a value.
struct Reading {
    kinds: BTreeMap<&'static str, Kind>,
    is_nullable: bool,
}

struct Reader<'a> {
    root: &'a Value,
    left: usize,
    /// References under way: one that comes again leads in circles.
    following: Vec<&'a str>,
}

/// The members of the record that a tool's `inputSchema` describes.
pub(super) fn members(schema: &Value) -> BTreeMap<String, Member> {
    let mut reader = Reader {
        root: schema,
        left: SCHEMAS_MAX,
        // The root itself is under way.
        following: vec![""],
    };
    match reader.read(schema, 0) {
        Ok(mut reading) => match reading.kinds.remove("record") {
            Some(Kind::Record(members)) => members,
            _ => BTreeMap::new(),
        },
        Err(_) => BTreeMap::new(),
    }
}

impl<'a> Reader<'a> {
    fn read(&mut self, schema: &'a Value, depth: usize) -> Result<Reading, Opaque> {
        self.left = self.left.checked_sub(1).ok_or(Opaque::Large)?;
        if depth > DEPTH_MAX {
            return Err(Opaque::Large);
        }
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return Err(Opaque::Never),
            _ => return Err(Opaque::Untyped),
        };
        if let Some(reference) = schema.get("$ref") {
            return self.follow(reference, depth);
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return of_values(values);
        }
        if let Some(value) = schema.get("const") {
            return of_values(std::slice::from_ref(value));
        }
        for either in ["anyOf", "oneOf"] {
            if let Some(Value::Array(schemas)) = schema.get(either) {
                return self.any(schemas, depth);
            }
        }
        if let Some(Value::Array(schemas)) = schema.get("allOf") {
            return self.all(schema, schemas, depth);
        }
        self.typed(schema, depth)
    }

    fn follow(&mut self, reference: &'a Value, depth: usize) -> Result<Reading, Opaque> {
        let reference = reference.as_str().ok_or(Opaque::Unresolved)?;
        let pointer = reference.strip_prefix('#').ok_or(Opaque::Unresolved)?;
        if self.following.contains(&pointer) {
            return Err(Opaque::Recursive);
        }
        let schema = self.root.pointer(pointer).ok_or(Opaque::Unresolved)?;
        self.following.push(pointer);
        let reading = self.read(schema, depth + 1);
        self.following.pop();
        reading
    }

    fn any(&mut self, schemas: &'a [Value], depth: usize) -> Result<Reading, Opaque> {
        let mut all = Reading::nothing();
        for schema in schemas {
            let reading = self.read(schema, depth + 1)?;
            all.is_nullable |= reading.is_nullable;
            for (_, kind) in reading.kinds {
                all.add(kind)?;
            }
        }
        Ok(all)
    }

    /// Objects in parts are one; of other things the first that says a type does.
    fn all(
        &mut self,
        schema: &'a Map<String, Value>,
        schemas: &'a [Value],
        depth: usize,
    ) -> Result<Reading, Opaque> {
        let mut parts = vec![self.typed(schema, depth)];
        for part in schemas {
            parts.push(self.read(part, depth + 1));
        }
        let mut members = BTreeMap::new();
        let mut other = None;
        for part in parts {
            match part {
                Ok(mut part) => match part.kinds.remove("record") {
                    Some(Kind::Record(more)) if part.kinds.is_empty() => {
                        for (name, member) in more {
                            merge(&mut members, name, member);
                        }
                    }
                    Some(record) => {
                        part.kinds.insert("record", record);
                        other = other.or(Some(part));
                    }
                    None => other = other.or(Some(part)),
                },
                Err(Opaque::Untyped | Opaque::Open) => {}
                Err(why) => return Err(why),
            }
        }
        match (members.is_empty(), other) {
            (false, None) => Ok(Reading::of(Kind::Record(members))),
            (true, Some(other)) => Ok(other),
            // Both: it cannot be told which it is.
            _ => Err(Opaque::Untyped),
        }
    }

    fn typed(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Result<Reading, Opaque> {
        let named = |name: &str| schema.contains_key(name);
        let mut all = Reading::nothing();
        match schema.get("type") {
            Some(Value::String(name)) => self.of_type(name, schema, depth, &mut all)?,
            Some(Value::Array(names)) => {
                for name in names {
                    let name = name.as_str().ok_or(Opaque::Untyped)?;
                    self.of_type(name, schema, depth, &mut all)?;
                }
            }
            None if named("properties") => self.of_type("object", schema, depth, &mut all)?,
            None if named("items") => self.of_type("array", schema, depth, &mut all)?,
            _ => return Err(Opaque::Untyped),
        }
        Ok(all)
    }

    fn of_type(
        &mut self,
        name: &str,
        schema: &'a Map<String, Value>,
        depth: usize,
        all: &mut Reading,
    ) -> Result<(), Opaque> {
        match name {
            "null" => all.is_nullable = true,
            "boolean" => all.add(Kind::Bool)?,
            "integer" => all.add(Kind::Long)?,
            "number" => all.add(Kind::Decimal)?,
            "string" => all.add(Kind::Text)?,
            "array" => all.add(self.list(schema, depth)?)?,
            "object" => all.add(self.object(schema, depth)?)?,
            _ => return Err(Opaque::Untyped),
        }
        Ok(())
    }

    fn list(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Result<Kind, Opaque> {
        let items = schema.get("items").filter(|items| items.is_object());
        let items = items.filter(|_| !schema.contains_key("prefixItems"));
        let reading = self.read(items.ok_or(Opaque::Loose)?, depth + 1)?;
        // There is nothing in a set that stands for `null`.
        if reading.is_nullable {
            return Err(Opaque::Loose);
        }
        Ok(Kind::Set(Box::new(reading.into_kind()?)))
    }

    fn object(&mut self, schema: &'a Map<String, Value>, depth: usize) -> Result<Kind, Opaque> {
        // Only what says so has no members; a tool without arguments may leave it out.
        let is_closed = depth == 0 || schema.get("additionalProperties") == Some(&false.into());
        let properties = match schema.get("properties") {
            Some(Value::Object(properties)) if is_closed || !properties.is_empty() => properties,
            None if is_closed => return Ok(Kind::Record(BTreeMap::new())),
            _ => return Err(Opaque::Open),
        };
        let required = schema.get("required").and_then(Value::as_array);
        let mut members = BTreeMap::new();
        for (name, property) in properties {
            let is_named = |names: &Vec<Value>| names.iter().any(|n| n.as_str() == Some(name));
            let reading = self.read(property, depth + 1);
            let is_nullable = reading.as_ref().is_ok_and(|reading| reading.is_nullable);
            let member = Member {
                is_required: required.is_some_and(is_named) && !is_nullable,
                kind: reading.and_then(Reading::into_kind),
            };
            members.insert(name.clone(), member);
        }
        Ok(Kind::Record(members))
    }
}

impl Reading {
    fn nothing() -> Self {
        Self {
            kinds: BTreeMap::new(),
            is_nullable: false,
        }
    }

    fn of(kind: Kind) -> Self {
        let mut reading = Self::nothing();
        reading.kinds.insert(kind.name(), kind);
        reading
    }

    /// One more thing that the value can be. Two kinds of lists, or of objects, cannot be told apart.
    fn add(&mut self, kind: Kind) -> Result<(), Opaque> {
        match self.kinds.insert(kind.name(), kind.clone()) {
            Some(before) if before != kind => Err(Opaque::Untyped),
            _ => Ok(()),
        }
    }

    fn into_kind(mut self) -> Result<Kind, Opaque> {
        // Every integer is a number.
        if self.kinds.contains_key("decimal") {
            self.kinds.remove("long");
        }
        match self.kinds.len() {
            // Only ever `null`.
            0 => Err(Opaque::Untyped),
            1 => self.kinds.into_values().next().ok_or(Opaque::Untyped),
            _ => Ok(Kind::Choice(self.kinds)),
        }
    }
}

fn merge(members: &mut BTreeMap<String, Member>, name: String, member: Member) {
    let Some(before) = members.remove(&name) else {
        members.insert(name, member);
        return;
    };
    let kind = match (before.kind, member.kind) {
        (Ok(one), Ok(other)) if one == other => Ok(one),
        // A part that says nothing of it takes nothing away.
        (Ok(kind), Err(Opaque::Untyped)) | (Err(Opaque::Untyped), Ok(kind)) => Ok(kind),
        (Err(why), _) | (_, Err(why)) => Err(why),
        (Ok(_), Ok(_)) => Err(Opaque::Untyped),
    };
    let is_required = before.is_required || member.is_required;
    members.insert(name, Member { is_required, kind });
}

fn of_values(values: &[Value]) -> Result<Reading, Opaque> {
    let mut all = Reading::nothing();
    for value in values {
        match value {
            Value::Null => all.is_nullable = true,
            Value::Bool(_) => all.add(Kind::Bool)?,
            Value::Number(number) if number.is_i64() => all.add(Kind::Long)?,
            Value::Number(_) => all.add(Kind::Decimal)?,
            Value::String(_) => all.add(Kind::Text)?,
            Value::Array(_) | Value::Object(_) => return Err(Opaque::Untyped),
        }
    }
    Ok(all)
}
