//! Who does something: a person, at a page or through a program.

use std::fmt;

use cardea_domain::{ActorId, SubjectId};

/// A person who does something, and the program that does it with their login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By<'a> {
    /// The person.
    pub person: &'a SubjectId,
    /// The program; `None` where the person is at a page.
    pub program: Option<&'a ActorId>,
}

impl<'a> From<&'a SubjectId> for By<'a> {
    /// A person at a page.
    fn from(person: &'a SubjectId) -> Self {
        Self {
            person,
            program: None,
        }
    }
}

impl fmt::Display for By<'_> {
    /// As records name it: `person ada`, `person ada through cardea-cli`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "person {}", self.person)?;
        match self.program {
            Some(program) => write!(f, " through {program}"),
            None => Ok(()),
        }
    }
}
