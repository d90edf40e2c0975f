//! What the arguments of a tool may say beyond its schema: paths under roots, addresses that may be
//! called, statements that may be run, words that are safe where a program reads them.
//!
//! The path: configuration -> [`Constraint`]s -> [`Constraints::check`] for the arguments of a call
//! -> [`Pending`], what only a look at the network or a file system can tell.
//!
//! Each constraint takes away; none allows what another refuses. What a constraint cannot read it
//! refuses: a value of another type, an odd spelling, an encoding. Spellings that programs read in
//! different ways are refused rather than normalised, since the server gets the caller's spelling.

mod path;
mod program;
mod program_names;
mod scalar;
mod selector;
mod sql;
mod text;
mod url;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use cardea_mcp::{
    Limits,
    json::{self, JsonError},
};
use serde_json::Value;

pub use self::{
    path::{InvalidRoot, PathRule, Relative},
    program::ProgramRule,
    scalar::{Exact, InvalidPattern, Range, TextPattern},
    selector::{InvalidSelector, Selector},
    sql::{Dialect, SqlRule, Verb},
    url::{Addresses, HostPattern, InvalidHost, UrlRule},
};

/// What holds for some argument of a tool.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Which values.
    pub at: Selector,
    /// Whether there has to be one.
    pub required: bool,
    /// Whose calls.
    pub whose: Whose,
    /// What each of the values has to be.
    pub checks: Vec<Check>,
}

/// Whose calls a constraint is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Whose {
    /// Everybody's.
    #[default]
    All,
    /// Of members of any of these groups.
    In(BTreeSet<String>),
    /// Of those who are in none of these groups.
    NotIn(BTreeSet<String>),
}

impl Whose {
    fn is<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> bool {
        let mut groups = groups.into_iter();
        match self {
            Self::All => true,
            Self::In(these) => groups.any(|group| these.contains(group)),
            Self::NotIn(these) => !groups.any(|group| these.contains(group)),
        }
    }
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub enum Check {
    /// One of these values.
    Exact(Exact),
    /// A string that a pattern matches as a whole.
    Pattern(TextPattern),
    /// A number, or the length of a string or array, within bounds.
    Range(Range),
    /// A path under roots.
    Path(PathRule),
    /// A URL that may be called.
    Url(UrlRule),
    /// A statement that may be run.
    Sql(SqlRule),
    /// Safe as an argument of a program.
    Program(ProgramRule),
}

impl Check {
    /// The word for it in configurations and refusals.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exact(_) => "enum",
            Self::Pattern(_) => "pattern",
            Self::Range(range) => range.name(),
            Self::Path(_) => "path",
            Self::Url(_) => "url",
            Self::Sql(_) => "sql",
            Self::Program(_) => "program_argument",
        }
    }

    fn check(&self, value: &Value) -> Result<Option<Look>, Expected> {
        let text = || value.as_str().ok_or(Expected("a string".into()));
        match self {
            Self::Exact(exact) => exact.check(value).map(|()| None),
            Self::Pattern(pattern) => pattern.check(text()?).map(|()| None),
            Self::Range(range) => range.check(value).map(|()| None),
            Self::Path(rule) => rule.check(text()?),
            Self::Url(rule) => rule.check(text()?),
            Self::Sql(rule) => rule.check(text()?).map(|()| None),
            Self::Program(rule) => rule.check(text()?).map(|()| None),
        }
    }
}

/// What a value was expected to be, for people and models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected(pub(crate) String);

impl Expected {
    fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Arguments that a constraint does not admit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}`: {expected} (`{constraint}`)")]
pub struct Refused {
    /// A JSON pointer to the value.
    pub pointer: String,
    /// The constraint, as configurations call it.
    pub constraint: &'static str,
    /// What was expected.
    pub expected: String,
}

/// What the text alone does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// A JSON pointer to the value.
    pub pointer: String,
    /// What is to be looked at.
    pub look: Look,
}

/// Something outside of the call that has to be looked at before it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The addresses that a host's name has now must all be such.
    Host {
        /// The name.
        host: String,
        /// Which addresses it may have.
        addresses: Addresses,
    },
    /// Where a path leads when its links are followed must be under one of the roots.
    Path {
        /// The path, absolute and without `.` or empty steps.
        path: String,
        /// The roots, whose own links are followed too.
        roots: Vec<String>,
    },
}

impl Pending {
    /// The refusal where what was looked at is not as it has to be, or cannot be seen.
    #[must_use]
    pub fn refused(&self) -> Refused {
        let (constraint, expected) = match &self.look {
            Look::Host { addresses, .. } => (
                "url",
                format!("a host whose addresses are {}", addresses.wanted()),
            ),
            Look::Path { .. } => (
                "path",
                "a path that no link leads out of its root".to_owned(),
            ),
        };
        Refused {
            pointer: self.pointer.clone(),
            constraint,
            expected,
        }
    }
}

/// Reads a value as the gateway reads messages: a text that two readers could read differently is none.
///
/// # Errors
/// [`JsonError`] when it is not JSON, nests too deeply or has a key twice.
pub fn value(text: &str) -> Result<Value, JsonError> {
    json::check(text, &Limits::default())?;
    serde_json::from_str(text).map_err(|error| JsonError::Malformed {
        offset: error.column(),
        expected: "a number that a double can hold",
    })
}

/// Values that one call may have under all constraints; each is checked.
const VALUES_MAX: usize = 10_000;

/// What holds for the arguments of one tool.
#[derive(Debug, Clone, Default)]
pub struct Constraints(Vec<Constraint>);

impl Constraints {
    /// All of these.
    #[must_use]
    pub fn new(all: Vec<Constraint>) -> Self {
        Self(all)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one value is admitted by all of these, wherever they would look for it.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn check_value<'g>(
        &self,
        value: &Value,
        groups: impl IntoIterator<Item = &'g str> + Clone,
    ) -> Result<Vec<Pending>, Refused> {
        let mut pending = Vec::new();
        for constraint in self.0.iter().filter(|c| c.whose.is(groups.clone())) {
            constraint.admit(constraint.at.as_str().to_owned(), value, &mut pending)?;
        }
        Ok(pending)
    }

    /// Whether the arguments of a call by a member of these groups are admitted, as far as they
    /// tell; what is left to look at has to be looked at.
    ///
    /// # Errors
    /// [`Refused`]: the first value that is not admitted.
    pub fn check<'g>(
        &self,
        arguments: &Value,
        groups: impl IntoIterator<Item = &'g str> + Clone,
    ) -> Result<Vec<Pending>, Refused> {
        let mut pending = Vec::new();
        let mut checked = 0;
        for constraint in self.0.iter().filter(|c| c.whose.is(groups.clone())) {
            let found = constraint.at.find(arguments)?;
            if found.is_empty() && constraint.required {
                return Err(Refused {
                    pointer: constraint.at.as_str().to_owned(),
                    constraint: "required",
                    expected: "a value".to_owned(),
                });
            }
            checked += found.len();
            if checked > VALUES_MAX {
                return Err(Refused {
                    pointer: constraint.at.as_str().to_owned(),
                    constraint: "length",
                    expected: format!("at most {VALUES_MAX} values"),
                });
            }
            for (pointer, value) in found {
                constraint.admit(pointer, value, &mut pending)?;
            }
        }
        Ok(pending)
    }
}

/// Whether a path leads below one of the roots when links are followed by `follow`. What is not there yet is where its folder leads; a relative path leads
/// nowhere that is known.
#[must_use]
pub fn is_below(path: &str, roots: &[String], follow: impl Fn(&Path) -> Followed) -> bool {
    let path = Path::new(path);
    if !path.is_absolute() {
        return false;
    }
    let nearest = path
        .ancestors()
        .map(&follow)
        .find(|found| *found != Followed::Nothing);
    let Some(Followed::To(real)) = nearest else {
        return false;
    };
    roots.iter().any(|root| match follow(Path::new(root)) {
        Followed::To(root) => real.starts_with(root),
        Followed::Nothing | Followed::Unknown => false,
    })
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// To this file or folder, with no link in its path.
    To(PathBuf),
    /// Nothing is there, not even a link.
    Nothing,
    /// That cannot be seen, or it is a link that leads nowhere.
    Unknown,
}

impl Constraint {
    fn admit(
        &self,
        pointer: String,
        value: &Value,
        pending: &mut Vec<Pending>,
    ) -> Result<(), Refused> {
        for check in &self.checks {
            match check.check(value) {
                Ok(None) => {}
                Ok(Some(look)) => pending.push(Pending {
                    pointer: pointer.clone(),
                    look,
                }),
                Err(Expected(expected)) => {
                    let constraint = check.name();
                    return Err(Refused {
                        pointer,
                        constraint,
                        expected,
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
