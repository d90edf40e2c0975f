//! What rules that people wrote say of a request for access, and what of the time before it they may know.

/// What rules say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is approved.
    Approve(Rule),
    /// It is refused.
    Refuse(Rule),
    /// Nothing: people decide.
    Silent,
    /// A rule could not be evaluated, for this reason, so that none approves: people decide.
    Failed(String),
}

/// The rules that decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Their names, in order, with `, ` between them; records and pages show them.
    pub name: String,
    /// Why, in the words of whoever wrote the first that has a reason.
    pub reason: Option<String>,
}

/// How many requests there were, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// All of them.
    pub asked: u64,
    /// Those that were approved.
    pub approved: u64,
    /// Those that were refused.
    pub refused: u64,
}

/// Who asks for access, as far as rules tell them apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AskedBy {
    /// The agent that is to have it, in a call.
    #[default]
    Agent,
    /// The person on whose behalf, beforehand, at a page.
    Person,
    /// A program with that person's login: that may be the agent.
    Program,
}

impl AskedBy {
    /// The name that rules use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Person => "person",
            Self::Program => "program",
        }
    }
}
