//! What others are told when access changes.

use cardea_domain::{ActorId, GrantId, LockId, RequestId, SubjectId, UpstreamId};

use crate::{EndReason, RequestState};

/// A change of a tenant's access, after it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A request was made, moved on by a stage, or ended.
    Request {
        /// Which.
        id: RequestId,
        /// The person on whose behalf.
        subject: SubjectId,
        /// The agent.
        actor: ActorId,
        /// Where.
        upstream: UpstreamId,
        /// What became of it so far.
        state: RequestState,
    },
    /// A grant began, was extended, or ended.
    Grant {
        /// Which.
        id: GrantId,
        /// The person.
        subject: SubjectId,
        /// The agent.
        actor: ActorId,
        /// Where.
        upstream: UpstreamId,
        /// Why it ended; `None` while it is active.
        ended: Option<EndReason>,
    },
    /// A lock was set or is gone.
    Lock {
        /// Which.
        id: LockId,
        /// Whether it is set now.
        is_set: bool,
    },
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that wait for people.
    pub pending: usize,
    /// Grants that can be used.
    pub active: usize,
    /// Locks that are set.
    pub locks: usize,
}
