//! YAML to JSON with the place of every value.
//!
//! What it is: the strict half of YAML 1.2 that a configuration needs. One document, keys that are
//! text and appear once, no tags; anchors and aliases work, but cannot grow the document beyond its
//! bounds. `no` and `yes` are text, since YAML 1.2 knows `true` and `false` only.
//! What it is not: it knows nothing of what the file means.
//!
//! The data's path: [`Source`] -> `tree` (events to nodes) -> `document` (nodes to a
//! [`Document`]: a JSON value, and for each of its pointers a [`Node`]).

mod at;
mod document;
mod scalar;
mod secrecy;
mod tree;

pub(crate) use at::At;
pub(crate) use document::Document;
pub(crate) use secrecy::{holds_secret_argument, looks_secret, without_secrets};

use crate::diagnostic::{Diagnostics, Source};

/// Reads a document as far as it can be read.
///
/// Without a document there is at least one error; with one, there may be errors beside it.
pub(crate) fn read(source: Source) -> (Option<Document>, Diagnostics) {
    let mut parsed = tree::parse(&source);
    if parsed.root.is_none() && parsed.problems.is_empty() {
        parsed
            .problems
            .push(Problem::new(0..0, "there is nothing in this file"));
    }
    let document = match parsed.root.take() {
        Some(root) => Ok(Document::new(source, &root, &mut parsed.problems)),
        None => Err(secrecy::hide_by_line(source)),
    };
    let source = document.as_ref().map_or_else(|s| s, |d| &d.source);
    let mut diagnostics = Diagnostics::new();
    for problem in parsed.problems {
        let mut diagnostic = source.error(problem.span, problem.message);
        diagnostic.help = problem.help;
        diagnostics.push(diagnostic);
    }
    (document.ok(), diagnostics)
}

/// A mistake whose diagnostic waits until it is known what must be hidden.
struct Problem {
    span: std::ops::Range<usize>,
    message: String,
    help: Option<String>,
}

impl Problem {
    fn new(span: std::ops::Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
