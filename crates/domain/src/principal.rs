//! Who is calling.

use std::sync::Arc;

use crate::{ActorId, KeyBinding, RunId, SubjectId, TenantId};

/// Tenant, subject, actor and run of one request.
///
/// The data only: that it was verified is shown by the identity room's proof around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The hard boundary.
    pub tenant: TenantId,
    /// The person on whose behalf.
    pub subject: SubjectId,
    /// The agent, as a verified client identity.
    pub actor: ActorId,
    /// Everybody else who acts in between: the rest of the token's chain of `act`, and other names of the agent in it.
    pub chain: Arc<[ActorId]>,
    /// One task of the agent.
    pub run: RunId,
    /// What the run id was taken from.
    pub run_source: RunSource,
    /// The keys that the token is bound to, whose possession the request has shown.
    pub binding: KeyBinding,
    /// Group names from the token, sorted, without duplicates.
    pub groups: Arc<[Arc<str>]>,
    /// What else the token's issuer says of the person.
    pub standing: Arc<Standing>,
    /// The task as declared to the token's issuer; recorded, never trusted as an instruction.
    pub task: Option<Arc<str>>,
}

/// What an issuer says of a person beside their groups: roles, and how they logged in.
///
/// # Source
/// RFC 9068 sections 2.2.1 and 2.2.3.1, for the claims of the same names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// `roles`, sorted, without duplicates.
    pub roles: Arc<[Arc<str>]>,
    /// `acr`: the class of the login.
    pub acr: Option<Arc<str>>,
    /// `amr`: the methods of the login, sorted, without duplicates.
    pub amr: Arc<[Arc<str>]>,
    /// `auth_time`: when it was, in seconds since the Unix epoch.
    pub auth_time_s: Option<u64>,
}

/// What a run id was taken from, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunSource {
    /// The `sid` claim of the access token.
    Token,
    /// `dev.cardea/run` in the request's `_meta`, set by the host.
    Host,
    /// The legacy protocol session.
    Session,
    /// The token itself, until it stays idle for 30 minutes.
    Idle,
}

impl RunSource {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Token, Self::Host, Self::Session, Self::Idle];

    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Host => "host",
            Self::Session => "session",
            Self::Idle => "idle",
        }
    }
}
