//! Where every change is written down before it has happened for anybody else.

use std::pin::Pin;

use cardea_domain::{ActorId, GrantId, LockId, RequestId, RunId, SubjectId, Target, UpstreamId};
use thiserror::Error;

/// Takes events down, durably.
pub trait Journal: Send + Sync {
    /// Ready when the event is on disk.
    ///
    /// # Errors
    /// [`JournalDown`] when it is not, and what it says must not happen.
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>>;
}

/// The event could not be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the event could not be recorded")]
pub struct JournalDown;

/// Something that happened to a tenant's access.
#[derive(Debug, Clone, Default)]
pub struct Event<'a> {
    /// Its kind: `access_requested`, `access_granted`.
    pub name: &'static str,
    /// The request that it is about.
    pub request: Option<&'a RequestId>,
    /// The grant that it is about.
    pub grant: Option<&'a GrantId>,
    /// The lock that it is about.
    pub lock: Option<&'a LockId>,
    /// The person whose access it is.
    pub subject: Option<&'a SubjectId>,
    /// The agent whose access it is.
    pub actor: Option<&'a ActorId>,
    /// The run whose access it is.
    pub run: Option<&'a RunId>,
    /// Where.
    pub upstream: Option<&'a UpstreamId>,
    /// To what.
    pub target: Option<&'a Target>,
    /// Who did it: `person ada`, `rule office-hours`, `agent`, `gateway`.
    pub by: String,
    /// What else there is to say.
    pub detail: String,
}
