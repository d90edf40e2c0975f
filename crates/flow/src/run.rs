//! One task of an agent: what it has seen, and what its calls are held against.

use serde_json::Value;

use crate::{
    Facts, Labels, Request,
    action::Action,
    arguments,
    check::Check,
    index::{Key, mark},
    memory::Memory,
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
    seen: Memory,
}

impl Run {
    /// A run that may have seen anything up to this moment, in milliseconds of the caller's clock: it began before anybody
    /// watched, or its state is gone.
    #[must_use]
    pub fn lost(at_ms: u64) -> Self {
        Self {
            seen: Memory::lost(at_ms),
        }
    }

    /// Forgets what was seen to make room; the run is lost from here on.
    pub fn forget(&mut self) {
        self.seen.forget();
    }

    /// Notes the time, before anything is learnt: by this it can forget what is old.
    pub fn turn(&mut self, now_ms: u64) {
        self.seen.turn(now_ms);
    }

    /// Forgets what was seen before this moment, as if it had not been; by some hours less than that.
    pub fn forget_before(&mut self, limit_ms: u64) {
        self.seen.forget_before(limit_ms);
    }

    /// Entries of its index.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.seen.entries()
    }

    /// Whether untrusted content is in it.
    #[must_use]
    pub fn is_tainted(&self) -> bool {
        self.seen.is_tainted()
    }

    /// Whether there is nothing that it would have to remember.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.seen.entries() == 0
            && !self.seen.is_doubtful()
            && !self.seen.is_tainted()
            && !self.seen.is_private()
    }

    /// What is known of a call before it is made.
    #[must_use]
    pub fn facts(&self, call: &Call<'_>, request: Option<&Request>) -> Facts {
        let is_doubtful = self.seen.is_doubtful();
        let is_tainted = self.seen.is_tainted();
        let action = Action::of_tool(call.tool);
        let mut facts = Facts {
            labels: call.labels,
            untrusted_in_run: is_tainted,
            private_in_run: self.seen.is_private(),
            declared: request.is_some(),
            // To look at something is part of whatever was asked for.
            requested: request
                .is_some_and(|request| call.labels.read_only || request.asks_for(&action)),
            asked_by_content: false,
            contested: self.seen.is_contested(),
            doubtful: is_doubtful,
            findings: Vec::new(),
        };
        // What servers say of their tools taints nothing, and holds addresses all the same.
        let has_seen = is_tainted || is_doubtful || self.seen.entries() > 0;
        if call.labels.is_watched() && has_seen {
            let check = Check {
                seen: &self.seen,
                request,
                labels: call.labels,
                action,
                is_tainted,
                is_contested: facts.contested,
                is_doubtful,
            };
            check.run(call, &mut facts);
        }
        facts
    }

    /// Learns the result of a call, or any other message that came within it: the value of `result`, `error` or `params`.
    pub fn learn(&mut self, call: &Call<'_>, request: Option<&Request>, message: &Value) {
        self.learn_message(call, request, message);
        self.seen.bound();
    }

    fn learn_message(&mut self, call: &Call<'_>, request: Option<&Request>, message: &Value) {
        let labels = call.labels;
        self.seen.newest.is_private |= labels.private;
        let mut marks = match labels.untrusted {
            true => mark::FREE,
            false => mark::TRUSTED,
        };
        if labels.untrusted {
            self.seen.newest.is_tainted = true;
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
                text::learn(&mut self.seen.newest.index, key, marks);
            }
            match (key.as_str(), member) {
                ("content", Value::Array(blocks)) => {
                    blocks
                        .iter()
                        .for_each(|block| self.block(block, labels, marks));
                }
                ("structuredContent", member) if labels.records => {
                    self.record(records::of_json(member), labels, marks);
                }
                (_, member) => self.text(member, marks),
            }
        }
    }

    /// Learns the addresses in what a server says of its tools: to be untrusted, and nothing more.
    pub fn learn_description(&mut self, text: &str) {
        text::learn_values(&mut self.seen.newest.index, &normal(text), mark::FREE);
        self.seen.bound();
    }

    /// Notes that an approval was asked for.
    pub fn contest(&mut self, call: [u8; 32]) {
        self.seen.contest(call);
    }

    /// Notes that a person has approved exactly this call: its arguments are theirs from here on.
    pub fn approve(&mut self, digest: &[u8; 32], arguments: &str) {
        self.seen.settle(digest);
        for argument in arguments::leaves(arguments).unwrap_or_default() {
            let text = normal(&argument.text);
            self.seen
                .newest
                .index
                .add(Key::Value(text.trim()), mark::TRUSTED);
            for value in value::of_text(&text) {
                self.seen
                    .newest
                    .index
                    .add(Key::Value(&value.text), mark::TRUSTED);
            }
        }
    }

    /// One block of a result's content.
    fn block(&mut self, block: &Value, labels: Labels, marks: u8) {
        match block.get("text") {
            Some(Value::String(text)) if block.get("type").is_some_and(|kind| kind == "text") => {
                match labels.records.then(|| records::of_text(text)).flatten() {
                    Some(leaves) => self.record(leaves, labels, marks),
                    None => text::learn(&mut self.seen.newest.index, text, marks),
                }
                // What else stands in the block is small, and text.
                for (key, member) in block.as_object().into_iter().flatten() {
                    if key != "text" && key != "type" {
                        self.text(member, marks);
                    }
                }
            }
            _ => self.other(block, marks),
        }
    }

    /// A block that is no text. What its data show is content that no index sees; as text they are noise, and a lot of it.
    fn other(&mut self, block: &Value, marks: u8) {
        let Value::Object(members) = block else {
            return self.text(block, marks);
        };
        for (key, member) in members {
            match (key.as_str(), member) {
                ("data" | "blob", Value::String(data)) if is_base64(data) => {}
                ("resource", resource @ Value::Object(_)) => self.other(resource, marks),
                _ => self.text(member, marks),
            }
        }
    }

    fn record(&mut self, leaves: Vec<records::Leaf>, labels: Labels, marks: u8) {
        let index = &mut self.seen.newest.index;
        for leaf in leaves {
            if index.is_full() {
                return;
            }
            if !leaf.is_reference() {
                text::learn(index, &leaf.text, marks);
                continue;
            }
            let text = normal(&leaf.text);
            let values = value::of_text(&text);
            // Whoever sends a message chooses what stands there; only a reply is for whom it names.
            let is_email = values.iter().any(|v| v.kind == value::Kind::Email);
            if labels.untrusted && is_email && leaf.is_by_its_author() {
                index.add(Key::Value(text.trim()), marks | mark::AUTHORED);
                text::learn_values(index, &text, marks | mark::AUTHORED);
                continue;
            }
            index.add(Key::Value(text.trim()), mark::TYPED);
            for value in values {
                index.add(Key::Value(&value.text), mark::TYPED);
                // One page of a host vouches for no other; one address of a company does for another.
                let domain = value.host.filter(|_| value.kind == value::Kind::Email);
                if let Some(domain) = domain {
                    index.add(Key::Value(&domain), mark::TYPED);
                }
            }
        }
    }

    /// Every text in a value, keys among them.
    fn text(&mut self, value: &Value, marks: u8) {
        if self.seen.newest.index.is_full() {
            return;
        }
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                text::learn(&mut self.seen.newest.index, &number.to_string(), marks)
            }
            Value::String(text) => text::learn(&mut self.seen.newest.index, text, marks),
            Value::Array(items) => items.iter().for_each(|item| self.text(item, marks)),
            Value::Object(members) => {
                for (key, member) in members {
                    text::learn(&mut self.seen.newest.index, key, marks);
                    self.text(member, marks);
                }
            }
        }
    }
}

/// RFC 4648, sections 4 and 5: one piece in which no words and no addresses can stand.
fn is_base64(data: &str) -> bool {
    let data = data.trim_end_matches('=').as_bytes();
    data.iter()
        .all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(b))
}

/// Whether the request names what a call asks for: then its result is what the request points to.
fn is_named(request: &Request, arguments: &str) -> bool {
    let leaves = arguments::leaves(arguments).unwrap_or_default();
    let texts: Vec<&str> = leaves.iter().map(|leaf| leaf.text.as_str()).collect();
    request.names_one(&texts)
}

#[cfg(test)]
mod tests;
