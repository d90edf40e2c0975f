//! What a route takes: the one description from which requests are checked and the OpenAPI
//! document is made.

use serde_json::{Value, json};

/// A parameter of a query or a field of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// One sentence without full stop.
    pub(crate) what: &'static str,
}

/// What it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text {
        chars_max: usize,
    },
    /// From 1.
    Number {
        max: u64,
    },
    Choice(&'static [&'static str]),
}

impl Field {
    pub(crate) const fn text(name: &'static str, chars_max: usize, what: &'static str) -> Self {
        Self::of(name, Kind::Text { chars_max }, what)
    }

    pub(crate) const fn number(name: &'static str, max: u64, what: &'static str) -> Self {
        Self::of(name, Kind::Number { max }, what)
    }

    pub(crate) const fn choice(
        name: &'static str,
        choices: &'static [&'static str],
        what: &'static str,
    ) -> Self {
        Self::of(name, Kind::Choice(choices), what)
    }

    /// The same, and it must be there.
    pub(crate) const fn needed(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    const fn of(name: &'static str, kind: Kind, what: &'static str) -> Self {
        Self {
            name,
            kind,
            required: false,
            what,
        }
    }

    /// What is expected, in words.
    pub(crate) fn rule(&self) -> String {
        match self.kind {
            Kind::Text { chars_max } => format!("send at most {chars_max} characters"),
            Kind::Number { max } => format!("send a whole number from 1 to {max}"),
            Kind::Choice(choices) => format!("send one of: {}", choices.join(", ")),
        }
    }

    /// Its JSON Schema.
    pub(crate) fn schema(&self) -> Value {
        match self.kind {
            Kind::Text { chars_max } => json!({"type": "string", "maxLength": chars_max}),
            Kind::Number { max } => json!({"type": "integer", "minimum": 1, "maximum": max}),
            Kind::Choice(choices) => json!({"type": "string", "enum": choices}),
        }
    }
}
