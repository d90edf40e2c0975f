//! What there is to tell, before it has a form.

use cardea_domain::TenantId;
use serde_json::Value;

/// Something that happened, for one tenant's receivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its name, the same however often it is sent: what a receiver tells repetitions by.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// Whose it is.
    pub tenant: TenantId,
    /// When it happened, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// When nobody needs to be told any more, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// What people are told in one line; ours, without a word of strangers.
    pub title: &'static str,
    /// What else is known, in order; texts are of whoever.
    pub words: Vec<Words>,
    /// What somebody wrote, to be quoted.
    pub said: Vec<Said>,
    /// The page where people see it, and decide once they are logged in. Nothing in it is secret.
    pub page: Option<String>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A request waits for people.
    Requested,
    /// One was approved.
    Approved,
    /// One was refused.
    Refused,
    /// Nobody decided in time.
    Expired,
    /// A request ended otherwise: it was taken back, or what it was for changed.
    Withdrawn,
    /// A grant ended.
    GrantEnded,
    /// A lock was set.
    Locked,
    /// A lock is gone.
    Unlocked,
}

/// What a receiver may want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Requests that wait.
    Requests,
    /// What became of requests.
    Decisions,
    /// Grants that ended.
    Grants,
    /// Locks.
    Locks,
}

/// A fact by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// For people.
    pub label: &'static str,
    /// For programs.
    pub name: &'static str,
    /// A text, a number, or a list of texts.
    pub value: Value,
}

/// A text in somebody's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whose they are, for people: `The agent says, in a model's words`.
    pub by: &'static str,
    /// Whose they are, for programs.
    pub name: &'static str,
    /// The text.
    pub text: String,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Requested,
        Self::Approved,
        Self::Refused,
        Self::Expired,
        Self::Withdrawn,
        Self::GrantEnded,
        Self::Locked,
        Self::Unlocked,
    ];

    /// The name in a webhook's `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "access.requested",
            Self::Approved => "access.approved",
            Self::Refused => "access.refused",
            Self::Expired => "access.expired",
            Self::Withdrawn => "access.withdrawn",
            Self::GrantEnded => "access.grant_ended",
            Self::Locked => "access.locked",
            Self::Unlocked => "access.unlocked",
        }
    }

    /// What it belongs to.
    #[must_use]
    pub fn topic(self) -> Topic {
        match self {
            Self::Requested => Topic::Requests,
            Self::Approved | Self::Refused | Self::Expired | Self::Withdrawn => Topic::Decisions,
            Self::GrantEnded => Topic::Grants,
            Self::Locked | Self::Unlocked => Topic::Locks,
        }
    }
}

impl Notice {
    /// Adds a fact, where there is one.
    #[must_use]
    pub fn with(
        mut self,
        label: &'static str,
        name: &'static str,
        value: Option<impl Into<Value>>,
    ) -> Self {
        self.words.extend(value.map(|value| Words {
            label,
            name,
            value: value.into(),
        }));
        self
    }
}
