//! A text that diagnostics point into.

use std::{fmt, ops::Range, sync::Arc};

use super::{Diagnostic, excerpt::Excerpt};

/// A line and a column, both from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// One file's name and text; cheap to clone.
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
    /// Where each line begins, in bytes.
    line_starts: Arc<[usize]>,
    hidden: Vec<Range<usize>>,
}

impl Source {
    /// A file by the name that diagnostics give it.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let mut line_starts = vec![0];
        let mut bytes = text.bytes().enumerate().peekable();
        while let Some((at, byte)) = bytes.next() {
            let ends_line = match byte {
                b'\n' => true,
                b'\r' => !matches!(bytes.peek(), Some((_, b'\n'))),
                _ => false,
            };
            if ends_line {
                line_starts.push(at + 1);
            }
        }
        Self {
            name: name.into(),
            text,
            line_starts: line_starts.into(),
            hidden: Vec::new(),
        }
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span in bytes; empty when it is no span of this text.
    #[must_use]
    pub fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    /// Keeps the bytes of `span` out of every diagnostic made from now on.
    pub fn hide(&mut self, span: Range<usize>) {
        if !span.is_empty() {
            self.hidden.push(span);
        }
    }

    /// A mistake at `span`, in bytes; a span outside of the text is moved into it.
    #[must_use]
    pub fn error(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let start = self.boundary(span.start);
        let end = self.boundary(span.end.max(start));
        let position = self.position(start);
        let line = self.line(position.line);
        let mut diagnostic = Diagnostic::of_file(&*self.name, message);
        diagnostic.position = Some(position);
        diagnostic.excerpt = Some(Excerpt::new(&self.text, line, &(start..end), &self.hidden));
        diagnostic
    }

    /// Where the byte at `offset` is.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.boundary(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line(line).start;
        Position {
            line,
            column: self.slice(start..offset).chars().count() + 1,
        }
    }

    /// The byte offset of a position; the end of the line when the line is shorter.
    #[must_use]
    pub fn offset(&self, position: Position) -> usize {
        let line = self.line(position.line);
        let within = self
            .slice(line.clone())
            .char_indices()
            .nth(position.column.saturating_sub(1));
        within.map_or(line.end, |(at, _)| line.start + at)
    }

    /// The bytes of a line, from 1, without its break; empty at the end when there is no such line.
    pub(crate) fn line(&self, number: usize) -> Range<usize> {
        let index = number.saturating_sub(1);
        let Some(start) = self.line_starts.get(index).copied() else {
            return self.text.len()..self.text.len();
        };
        let end = self.line_starts.get(index + 1).copied();
        let line = self.slice(start..end.unwrap_or(self.text.len()));
        start..start + line.trim_end_matches(['\r', '\n']).len()
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.line_starts.len()
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset = offset.saturating_sub(1);
        }
        offset
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may hold secrets.
        f.debug_tuple("Source").field(&self.name).finish()
    }
}
