//! Mistakes as people want to read them: what, where, what was expected, and the nearest name.
//!
//! What it is: [`Source`] turns a span of a text into a [`Diagnostic`], [`Diagnostics`] gathers them,
//! and both print like a compiler, without colour.
//! What it is not: it knows no file format. The configuration and the policy files share it.

mod excerpt;
mod nearest;
mod source;

pub use nearest::nearest;
pub use source::{Position, Source};

pub(crate) use excerpt::printable;

use std::{error, fmt};

use excerpt::Excerpt;

/// More than a screenful helps nobody, and a broken file can hold thousands.
const SHOWN_MAX: usize = 100;

/// Whether the file can be used in spite of the diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but somebody should look.
    Warning,
}

/// One mistake, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file can be used in spite of it.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// The file's name as the person gave it.
    pub file: String,
    /// Where in the file; `None` when it concerns the file as a whole.
    pub position: Option<Position>,
    /// What holds the place, in words (`upstreams.files.limits`); `None` at the top of a file.
    pub path: Option<String>,
    /// What was expected there.
    pub expected: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// The nearest text that would be right.
    pub suggestion: Option<String>,
    excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// A mistake that concerns `file` as a whole.
    #[must_use]
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            file: file.into(),
            position: None,
            path: None,
            expected: None,
            help: None,
            suggestion: None,
            excerpt: None,
        }
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Adds what holds the place, in words.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into()).filter(|path| !path.is_empty());
        self
    }

    /// Adds what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the nearest text that would be right, if there is one.
    #[must_use]
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.message)?;
        // The gutter is as wide as the line number.
        let number = self
            .position
            .map_or_else(String::new, |at| at.line.to_string());
        let gutter = " ".repeat(number.len().max(1));
        write!(f, "{gutter}--> {}", self.file)?;
        if let Some(at) = self.position {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        match &self.path {
            Some(path) => writeln!(f, " in {path}")?,
            None => writeln!(f)?,
        }
        match &self.excerpt {
            Some(excerpt) => {
                writeln!(f, "{gutter} |")?;
                writeln!(f, "{number} | {}", excerpt.line)?;
                let label = format!(
                    "{gutter} | {}{} {}",
                    " ".repeat(excerpt.indent),
                    "^".repeat(excerpt.carets),
                    self.label(),
                );
                writeln!(f, "{}", label.trim_end())?;
            }
            None if self.expected.is_some() => writeln!(f, "{gutter} = {}", self.label())?,
            None => {}
        }
        if let Some(help) = &self.help {
            writeln!(f, "{gutter} = help: {help}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            writeln!(f, "{gutter} = help: did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    fn label(&self) -> String {
        self.expected
            .as_ref()
            .map_or_else(String::new, |expected| format!("expected {expected}"))
    }
}

/// Every mistake of a run, in the order of the files and their lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, at its place; the same one twice counts once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.contains(&diagnostic) {
            return;
        }
        let key = |d: &Diagnostic| (d.file.clone(), d.position);
        let after = key(&diagnostic);
        let index = self.0.partition_point(|other| key(other) <= after);
        self.0.insert(index, diagnostic);
    }

    /// Takes back those that say this: something else has turned out to be there.
    pub fn forget(&mut self, message: &str) {
        self.0.retain(|diagnostic| diagnostic.message != message);
    }

    /// All of them, by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Those that keep the file from being used.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// Those that somebody should look at.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    /// Whether there is anything that keeps the file from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(move |d| d.severity == severity)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.0.iter().take(SHOWN_MAX) {
            writeln!(f, "{diagnostic}")?;
        }
        if self.len() > SHOWN_MAX {
            writeln!(f, "and {} more\n", self.len() - SHOWN_MAX)?;
        }
        let count = |n: usize, what: &str| match n {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{n} {what}s")),
        };
        let counts = [
            count(self.errors().count(), "error"),
            count(self.warnings().count(), "warning"),
        ];
        let counts: Vec<_> = counts.into_iter().flatten().collect();
        f.write_str(&counts.join(", "))
    }
}

impl error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
