//! Events to nodes, within bounds.

use std::{collections::BTreeMap, ops::Range, rc::Rc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::Problem;
use crate::diagnostic::{Position, Source};

/// The deepest configuration has seven levels; each level costs stack when it is read.
const DEPTH_MAX: usize = 32;

/// Far above what anybody writes, and still read in a blink; bounds what aliases expand to.
const NODES_MAX: usize = 50_000;

pub(super) struct Parsed {
    /// `None` when the text cannot be read to its end.
    pub(super) root: Option<Rc<Tree>>,
    pub(super) problems: Vec<Problem>,
}

/// A node, with the bytes that it spans.
pub(super) struct Tree {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    /// Nodes below and including this one, aliases expanded.
    nodes: usize,
    /// Levels below and including this one.
    levels: usize,
}

pub(super) enum Kind {
    /// Not quoted, so that it may be something else than text.
    Plain(String),
    Text(String),
    List(Vec<Rc<Tree>>),
    Map(Vec<(Rc<Tree>, Rc<Tree>)>),
}

pub(super) fn parse(source: &Source) -> Parsed {
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        problems: Vec::new(),
        cursor: (0, 0, 0),
    };
    let mut parser = Parser::new_from_str(source.text());
    let root = match builder.run(&mut parser) {
        Ok(()) => builder.root,
        Err(problem) => {
            builder.problems.push(problem);
            None
        }
    };
    Parsed {
        root,
        problems: builder.problems,
    }
}

/// Builds without recursion: the text must not decide how much stack is used.
struct Builder<'a> {
    source: &'a Source,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Tree>>,
    root: Option<Rc<Tree>>,
    problems: Vec<Problem>,
    /// The line, the column from 0 and the offset that were asked for last.
    cursor: (usize, usize, usize),
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    children: Children,
}

enum Children {
    List(Vec<Rc<Tree>>),
    Map(Vec<(Rc<Tree>, Rc<Tree>)>, Option<Rc<Tree>>),
}

impl Builder<'_> {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), Problem> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.not_yaml(&error))?;
            let span = self.span(&span);
            if self.root.is_some() && matches!(event, Event::DocumentStart(_)) {
                let message = "there is a second document in the file";
                self.problems
                    .push(Problem::new(span, message).help("remove the `---` line"));
                return Ok(());
            }
            self.event(event, span)?;
        }
        Ok(())
    }

    fn not_yaml(&mut self, error: &ScanError) -> Problem {
        let at = self.offset(error.marker());
        let problem = Problem::new(at..at, format!("this is not YAML: {}", error.info()));
        let line = self.source.line(error.marker().line());
        if self.source.slice(line).contains('\t') {
            return problem.help("there is a tab on this line; use spaces");
        }
        problem
    }

    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &span);
                let kind = match style {
                    ScalarStyle::Plain => Kind::Plain(text.into_owned()),
                    _ => Kind::Text(text.into_owned()),
                };
                self.complete(Tree::new(span, kind), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &span);
                self.open(span, anchor, Children::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &span);
                self.open(span, anchor, Children::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => {
                let Some(tree) = self.anchors.get(&anchor) else {
                    return Err(Problem::new(
                        span,
                        "this alias stands within its own anchor",
                    ));
                };
                let tree = Rc::clone(tree);
                self.add(tree)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(
        &mut self,
        span: Range<usize>,
        anchor: usize,
        children: Children,
    ) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.open.push(Open {
            start: span.start,
            anchor,
            children,
        });
        Ok(())
    }

    fn close(&mut self, end: &Range<usize>) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let kind = match open.children {
            Children::List(items) => Kind::List(items),
            Children::Map(entries, _) => Kind::Map(entries),
        };
        // In the block style nothing marks the end, and the event comes lines later.
        let last = match &kind {
            Kind::List(items) => items.last(),
            Kind::Map(entries) => entries.last().map(|(_, value)| value),
            Kind::Plain(_) | Kind::Text(_) => None,
        };
        let span_end = match self.source.slice(end.clone()) {
            "}" | "]" => end.end,
            _ => last.map_or(open.start, |last| last.span.end),
        };
        let span = open.start..span_end.max(open.start);
        self.complete(Tree::new(span, kind), open.anchor)
    }

    fn complete(&mut self, tree: Tree, anchor: usize) -> Result<(), Problem> {
        let tree = Rc::new(tree);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&tree));
        }
        self.add(tree)
    }

    /// Hangs a finished node into what is open, or makes it the root.
    fn add(&mut self, tree: Rc<Tree>) -> Result<(), Problem> {
        if tree.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, aliases included");
            return Err(Problem::new(tree.span.clone(), message));
        }
        if self.open.len() + tree.levels > DEPTH_MAX {
            return Err(too_deep(tree.span.clone()));
        }
        match self.open.last_mut().map(|open| &mut open.children) {
            Some(Children::List(items)) => items.push(tree),
            Some(Children::Map(entries, key)) => match key.take() {
                Some(key) => entries.push((key, tree)),
                None => *key = Some(tree),
            },
            None => self.root = Some(tree),
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: &Range<usize>) {
        if tag.is_some() {
            let problem = Problem::new(span.clone(), "tags have no meaning here")
                .help("remove the tag; quotes make a value text");
            self.problems.push(problem);
        }
    }

    /// By line and column, since the marker's index drifts at some breaks. Goes on from the place
    /// before, since a file of one long line would else be read anew for each value.
    fn offset(&mut self, marker: &Marker) -> usize {
        let (line, column, offset) = self.cursor;
        let offset = match marker.col().checked_sub(column) {
            Some(further) if line == marker.line() => {
                let rest = self.source.slice(offset..self.source.line(line).end);
                let found = rest.char_indices().nth(further);
                offset + found.map_or(rest.len(), |(at, _)| at)
            }
            _ => self.source.offset(Position {
                line: marker.line(),
                column: marker.col() + 1,
            }),
        };
        self.cursor = (marker.line(), marker.col(), offset);
        offset
    }

    fn span(&mut self, span: &Span) -> Range<usize> {
        let start = self.offset(&span.start);
        let end = self.offset(&span.end).max(start);
        // The end of a scalar is found only behind the spaces that follow it.
        start..start + self.source.slice(start..end).trim_end().len()
    }
}

impl Tree {
    fn new(span: Range<usize>, kind: Kind) -> Self {
        let (nodes, levels) = match &kind {
            Kind::Plain(_) | Kind::Text(_) => (0, 0),
            Kind::List(items) => sum(items.iter()),
            Kind::Map(entries) => sum(entries.iter().flat_map(|(key, value)| [key, value])),
        };
        Self {
            span,
            kind,
            nodes: nodes.saturating_add(1),
            levels: levels + 1,
        }
    }
}

fn sum<'a>(trees: impl Iterator<Item = &'a Rc<Tree>>) -> (usize, usize) {
    trees.fold((0, 0), |(nodes, levels): (usize, usize), tree| {
        (nodes.saturating_add(tree.nodes), levels.max(tree.levels))
    })
}

fn too_deep(span: Range<usize>) -> Problem {
    Problem::new(span, format!("nested deeper than {DEPTH_MAX} levels"))
}
