//! One task of an agent: what it has seen, and what its calls are held against.

use std::collections::HashSet;

use serde_json::Value;

use crate::{
    Facts, Labels, Request,
    action::Action,
    arguments,
    check::Check,
    index::{Index, Key, mark},
    normal, records, text, value,
};

/// A call, as far as its flow goes.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// Its labels.
    pub labels: Labels,
    /// Its arguments, as JSON text.
    pub arguments: &'a str,
}

/// The state of one run.
///
/// Learning is a union: whichever of two results is learnt first, the state is the same.
#[derive(Debug, Clone, Default)]
pub struct Run {
    index: Index,
    is_tainted: bool,
    is_private: bool,
    is_lost: bool,
    contested: HashSet<[u8; 32]>,
}

/// Approvals of one run that are remembered as open.
const CONTESTED_MAX: usize = 256;

impl Run {
    /// A run that may have seen anything: it began before anybody watched, or its state is gone.
    #[must_use]
    pub fn lost() -> Self {
        let mut run = Self {
            is_tainted: true,
            is_private: true,
            is_lost: true,
            ..Self::default()
        };
        run.index.fill();
        run
    }

    /// Forgets what was seen to make room; the run is lost from here on.
    pub fn forget(&mut self) {
        let contested = std::mem::take(&mut self.contested);
        *self = Self {
            contested,
            ..Self::lost()
        };
    }

    /// Entries of its index.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.index.len()
    }

    /// Whether untrusted content is in it.
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        self.is_tainted
    }

    /// What is known of a call before it is made.
    #[must_use]
    pub fn facts(&self, call: &Call<'_>, request: Option<&Request>) -> Facts {
        let is_doubtful = self.is_lost || self.index.is_full();
        let action = Action::of_tool(call.tool);
        let mut facts = Facts {
            labels: call.labels,
            untrusted_in_run: self.is_tainted,
            private_in_run: self.is_private,
            declared: request.is_some(),
            // To look at something is part of whatever was asked for.
            requested: request
                .is_some_and(|request| call.labels.read_only || request.asks_for(&action)),
            asked_by_content: false,
            contested: !self.contested.is_empty(),
            doubtful: is_doubtful,
            findings: Vec::new(),
        };
        if call.labels.is_watched() && self.is_tainted {
            let check = Check {
                index: &self.index,
                request,
                labels: call.labels,
                action,
                is_tainted: self.is_tainted,
                is_contested: facts.contested,
                is_doubtful,
            };
            check.run(call, &mut facts);
        }
        facts
    }

    /// Learns the result of a call, or any other message that came within it: the value of `result`, `error` or `params`.
    pub fn learn(&mut self, call: &Call<'_>, request: Option<&Request>, message: &Value) {
        let labels = call.labels;
        self.is_private |= labels.private;
        let mut marks = match labels.untrusted {
            true => mark::FREE,
            false => mark::TRUSTED,
        };
        if labels.untrusted {
            self.is_tainted = true;
            if request.is_some_and(|request| is_named(request, call.arguments)) {
                marks |= mark::NAMED;
            }
            if labels.outward {
                marks |= mark::OUTSIDE;
            }
        }
        let Value::Object(members) = message else {
            return self.text(message, marks);
        };
        for (key, member) in members {
            if !key.chars().all(|c| c.is_alphanumeric() || c == '_') {
                text::learn(&mut self.index, key, marks);
            }
            match (key.as_str(), member) {
                ("content", Value::Array(blocks)) => {
                    blocks
                        .iter()
                        .for_each(|block| self.block(block, labels, marks));
                }
                ("structuredContent", member) if labels.records => {
                    self.record(records::of_json(member), marks);
                }
                (_, member) => self.text(member, marks),
            }
        }
    }

    /// Learns the addresses in what a server says of its tools: to be untrusted, and nothing more.
    pub fn learn_description(&mut self, text: &str) {
        text::learn_values(&mut self.index, &normal(text), mark::FREE);
    }

    /// Notes that an approval was asked for.
    pub fn contest(&mut self, call: [u8; 32]) {
        if self.contested.len() < CONTESTED_MAX {
            self.contested.insert(call);
        }
    }

    /// Notes that a person has approved exactly this call: its arguments are theirs from here on.
    pub fn approve(&mut self, digest: &[u8; 32], arguments: &str) {
        self.contested.remove(digest);
        for argument in arguments::leaves(arguments).unwrap_or_default() {
            let text = normal(&argument.text);
            self.index.add(Key::Value(text.trim()), mark::TRUSTED);
            for value in value::of_text(&text) {
                self.index.add(Key::Value(&value.text), mark::TRUSTED);
            }
        }
    }

    /// One block of a result's content.
    fn block(&mut self, block: &Value, labels: Labels, marks: u8) {
        match block.get("text") {
            Some(Value::String(text)) if block.get("type").is_some_and(|kind| kind == "text") => {
                match records::of_text(text).filter(|_| labels.records) {
                    Some(leaves) => self.record(leaves, marks),
                    None => text::learn(&mut self.index, text, marks),
                }
                // What else stands in the block is small, and text.
                for (key, member) in block.as_object().into_iter().flatten() {
                    if key != "text" && key != "type" {
                        self.text(member, marks);
                    }
                }
            }
            _ => self.text(block, marks),
        }
    }

    fn record(&mut self, leaves: Vec<records::Leaf>, marks: u8) {
        for leaf in leaves {
            if !leaf.is_reference() {
                text::learn(&mut self.index, &leaf.text, marks);
                continue;
            }
            let text = normal(&leaf.text);
            self.index.add(Key::Value(text.trim()), mark::TYPED);
            for value in value::of_text(&text) {
                self.index.add(Key::Value(&value.text), mark::TYPED);
                // One page of a host vouches for no other; one address of a company does for another.
                let domain = value.host.filter(|_| value.kind == value::Kind::Email);
                if let Some(domain) = domain {
                    self.index.add(Key::Value(&domain), mark::TYPED);
                }
            }
        }
    }

    /// Every text in a value, keys among them.
    fn text(&mut self, value: &Value, marks: u8) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => text::learn(&mut self.index, &number.to_string(), marks),
            Value::String(text) => text::learn(&mut self.index, text, marks),
            Value::Array(items) => items.iter().for_each(|item| self.text(item, marks)),
            Value::Object(members) => {
                for (key, member) in members {
                    text::learn(&mut self.index, key, marks);
                    self.text(member, marks);
                }
            }
        }
    }
}

/// Whether the request names what a call asks for: then its result is what the request points to.
fn is_named(request: &Request, arguments: &str) -> bool {
    let leaves = arguments::leaves(arguments).unwrap_or_default();
    let texts: Vec<&str> = leaves.iter().map(|leaf| leaf.text.as_str()).collect();
    request.names_one(&texts)
}

#[cfg(test)]
mod tests;
