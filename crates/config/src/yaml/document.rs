//! Nodes to a JSON value, and the place of each value.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{
    At, Problem, scalar,
    secrecy::{self, Secrecy},
    tree::{Kind, Tree},
};
use crate::diagnostic::{Diagnostic, Source, printable};

/// A document as JSON, with the place of every value.
pub(crate) struct Document {
    pub(crate) source: Source,
    pub(crate) value: Value,
    /// Values that a mistake was already reported for; what follows from them is noise.
    pub(crate) broken: BTreeSet<At>,
    nodes: BTreeMap<At, Node>,
}

/// What is known of one value besides itself.
pub(crate) struct Node {
    /// The bytes of its key, if it has one.
    pub(crate) key: Option<Range<usize>>,
    /// The bytes of the value; empty when there is nothing.
    pub(crate) span: Range<usize>,
    /// The place in words: `issuers[0].audiences`.
    words: String,
    /// The last part of it: `audiences`; with its list, if it is an item: `issuers[0]`.
    name: String,
    /// Whether the value must not be shown.
    pub(crate) is_secret: bool,
}

impl Document {
    pub(super) fn new(source: Source, root: &Rc<Tree>, problems: &mut Vec<Problem>) -> Self {
        let mut builder = Builder {
            document: Self {
                source,
                value: Value::Null,
                broken: BTreeSet::new(),
                nodes: BTreeMap::new(),
            },
            problems,
        };
        let place = Place {
            at: At::root(),
            key: None,
            words: String::new(),
            name: String::new(),
            secrecy: Secrecy::Open,
        };
        let value = builder.value(root, place);
        builder.document.value = value;
        builder.document
    }

    /// What is known of the value at `at`; `None` when the file does not hold it.
    pub(crate) fn node(&self, at: &At) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// The value at `at`, if the file holds it.
    pub(crate) fn get(&self, at: &At) -> Option<&Value> {
        self.value.pointer(at.as_str())
    }

    /// A mistake in the value at `at`.
    pub(crate) fn error(&self, at: &At, message: impl Into<String>) -> Diagnostic {
        let (at, node) = self.nearest_node(at);
        let span = node.map_or(0..0, |node| match &node.key {
            Some(key) if node.span.is_empty() => key.clone(),
            _ => node.span.clone(),
        });
        let path = at.parent().map(|holder| self.words(&holder));
        self.source
            .error(span, message)
            .path(path.unwrap_or_default())
    }

    /// A mistake in the key of the value at `at`.
    pub(crate) fn error_at_key(&self, at: &At, message: impl Into<String>) -> Diagnostic {
        let (at, node) = self.nearest_node(at);
        let path = at.parent().map(|holder| self.words(&holder));
        self.source
            .error(key_span(node), message)
            .path(path.unwrap_or_default())
    }

    /// A mistake in what the value at `at` holds, or should hold.
    pub(crate) fn error_within(&self, at: &At, message: impl Into<String>) -> Diagnostic {
        let (at, node) = self.nearest_node(at);
        self.source
            .error(key_span(node), message)
            .path(self.words(&at))
    }

    /// The last part of a place, for use within a message.
    pub(crate) fn name(&self, at: &At) -> String {
        let words = self.node(at).map_or("", |node| &node.name);
        match words {
            "" => "the file".to_owned(),
            _ => format!("`{words}`"),
        }
    }

    /// Whether a mistake was reported for the value at `at` or for what holds it.
    pub(crate) fn is_broken(&self, at: &At) -> bool {
        self.broken.iter().any(|broken| at.is_within(broken))
    }

    /// Whether a mistake was reported for the value at `at` or for a part of it.
    pub(crate) fn has_broken(&self, at: &At) -> bool {
        self.is_broken(at) || self.broken.iter().any(|broken| broken.is_within(at))
    }

    /// The place in words; empty at the root.
    fn words(&self, at: &At) -> String {
        self.node(at)
            .map_or_else(String::new, |node| node.words.clone())
    }

    fn nearest_node(&self, at: &At) -> (At, Option<&Node>) {
        let mut at = at.clone();
        loop {
            if let Some(node) = self.nodes.get(&at) {
                return (at, Some(node));
            }
            match at.parent() {
                Some(parent) => at = parent,
                None => return (at, None),
            }
        }
    }
}

/// Where a key is, or the beginning of a value without one.
fn key_span(node: Option<&Node>) -> Range<usize> {
    node.map_or(0..0, |node| match &node.key {
        Some(key) => key.clone(),
        None => node.span.start..node.span.start,
    })
}

struct Place {
    at: At,
    key: Option<Range<usize>>,
    words: String,
    name: String,
    secrecy: Secrecy,
}

struct Builder<'a> {
    document: Document,
    problems: &'a mut Vec<Problem>,
}

impl Builder<'_> {
    /// Recursive: the tree is never deeper than its bound.
    fn value(&mut self, tree: &Tree, place: Place) -> Value {
        let value = match &tree.kind {
            Kind::Plain(text) => scalar::resolve(text).unwrap_or_else(|| {
                let problem = Problem::new(tree.span.clone(), "this number is out of range");
                self.problems.push(problem);
                self.document.broken.insert(place.at.clone());
                Value::Null
            }),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => self.list(items, &place),
            Kind::Map(entries) => self.map(entries, &place),
        };
        let is_scalar = matches!(tree.kind, Kind::Plain(_) | Kind::Text(_));
        let is_secret = is_scalar && place.secrecy.hides_scalars();
        if is_secret {
            self.document.source.hide(tree.span.clone());
        } else if is_scalar {
            secrecy::hide_within(&mut self.document.source, tree.span.clone());
        }
        let node = Node {
            key: place.key,
            span: tree.span.clone(),
            words: place.words,
            name: place.name,
            is_secret,
        };
        self.document.nodes.insert(place.at, node);
        value
    }

    fn list(&mut self, items: &[Rc<Tree>], place: &Place) -> Value {
        let mut before: Option<&str> = None;
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let child = Place {
                at: place.at.index(index),
                key: None,
                words: format!("{}[{index}]", place.words),
                name: format!("{}[{index}]", place.name),
                secrecy: place.secrecy.of_item(before),
            };
            before = text(item);
            list.push(self.value(item, child));
        }
        Value::Array(list)
    }

    fn map(&mut self, entries: &[(Rc<Tree>, Rc<Tree>)], place: &Place) -> Value {
        let mut map = Map::new();
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        for (key, value) in entries {
            let Some(name) = self.key(key) else { continue };
            if let Some(start) = first.get(&name) {
                let line = self.document.source.position(*start).line;
                let message = format!("the key `{}` stands here twice", printable(&name));
                let problem = Problem::new(key.span.clone(), message);
                let problem = problem.help(format!("the first one is on line {line}"));
                self.problems.push(problem);
                self.skip(value, place.secrecy.of_key(&name));
                continue;
            }
            let shown = printable(&name);
            let words = match place.words.as_str() {
                "" => shown.clone(),
                words => format!("{words}.{shown}"),
            };
            let child = Place {
                at: place.at.key(&name),
                key: Some(key.span.clone()),
                words,
                name: shown,
                secrecy: place.secrecy.of_key(&name),
            };
            first.insert(name.clone(), key.span.start);
            map.insert(name, self.value(value, child));
        }
        Value::Object(map)
    }

    fn key(&mut self, key: &Tree) -> Option<String> {
        let problem = match &key.kind {
            Kind::Text(text) => return Some(text.clone()),
            Kind::Plain(text) => match scalar::resolve(text) {
                Some(Value::String(text)) => return Some(text),
                _ => Problem::new(key.span.clone(), "this key is not text")
                    .help(format!("put it in quotes: `\"{}\"`", printable(text))),
            },
            Kind::List(_) | Kind::Map(_) => {
                Problem::new(key.span.clone(), "a list or mapping cannot be a key")
            }
        };
        self.problems.push(problem);
        None
    }

    /// Hides what is secret in a value that is not used.
    fn skip(&mut self, value: &Tree, secrecy: Secrecy) {
        if secrecy.hides_scalars() {
            self.document.source.hide(value.span.clone());
        }
    }
}

fn text(tree: &Tree) -> Option<&str> {
    match &tree.kind {
        Kind::Plain(text) | Kind::Text(text) => Some(text),
        Kind::List(_) | Kind::Map(_) => None,
    }
}
