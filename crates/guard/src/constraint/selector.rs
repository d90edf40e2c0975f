//! Which values of the arguments a constraint is for.

use serde_json::Value;

use super::Refused;
use crate::{
    schema::push_step,
    skeleton::skeleton,
    tenant::{InvalidPointer, Pointer, Segment},
};

/// A JSON pointer into arguments, where `*` is every element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Pointer);

/// Why a text is no selector.
pub type InvalidSelector = InvalidPointer;

impl Selector {
    /// Reads a JSON pointer such as `/files/*/path`.
    ///
    /// # Errors
    /// [`InvalidSelector`]
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        Pointer::for_arguments(text).map(Self)
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The values, each with its own pointer. There may be none.
    ///
    /// # Errors
    /// [`Refused`] where the way to them does not exist as it should: a server may take one thing
    /// for many, or a member of nearly the same name for the one that is constrained.
    pub(super) fn find<'v>(
        &self,
        arguments: &'v Value,
    ) -> Result<Vec<(String, &'v Value)>, Refused> {
        let mut found = vec![(String::new(), arguments)];
        for segment in self.0.segments() {
            let mut next = Vec::new();
            for (pointer, value) in found {
                step(segment, pointer, value, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }
}

fn step<'v>(
    segment: &Segment,
    pointer: String,
    value: &'v Value,
    next: &mut Vec<(String, &'v Value)>,
) -> Result<(), Refused> {
    match (segment, value) {
        // No value at all, and so none that is wrong.
        (_, Value::Null) if pointer.is_empty() => Ok(()),
        (Segment::Name(name), Value::Object(members)) => {
            let wanted = skeleton(name);
            let alike = members
                .keys()
                .find(|key| key.as_str() != &**name && skeleton(key) == wanted);
            if let Some(alike) = alike {
                let mut pointer = pointer;
                push_step(&mut pointer, alike);
                return Err(Refused {
                    pointer,
                    constraint: "name",
                    expected: format!("no member whose name looks like `{name}`"),
                });
            }
            if let Some(value) = members.get(&**name) {
                let mut pointer = pointer;
                push_step(&mut pointer, name);
                next.push((pointer, value));
            }
            Ok(())
        }
        (Segment::Elements, Value::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                let mut pointer = pointer.clone();
                push_step(&mut pointer, &index.to_string());
                next.push((pointer, value));
            }
            Ok(())
        }
        (segment, _) => Err(Refused {
            pointer,
            constraint: "type",
            expected: match segment {
                Segment::Elements => "an array".to_owned(),
                _ => "an object".to_owned(),
            },
        }),
    }
}
