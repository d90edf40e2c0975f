//! One tenant's access: the pure parts, composed with the store, the journal and the clock.
//!
//! Changes happen one after the other. What gives (a request, a grant, a lifted lock) is written to
//! the store, recorded, committed, and only then seen in memory, by which calls are decided: a crash
//! or a failure anywhere in between leaves less, never more. What takes away (a revocation, a lock)
//! is seen in memory first, and stays so when the store or the record fails.

mod asking;
mod deciding;
mod ending;
mod locking;
mod opening;
mod sweeping;
mod telling;
#[cfg(test)]
mod tests;
mod using;
mod views;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use cardea_domain::{ActorId, Clock, GrantId, SubjectId, TenantId};
use cardea_store::{Store, StoreError};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::broadcast;

use crate::{
    Change, Event, Journal, JournalDown, index::Index, live::Live, lock::Locks, pending::Pending,
    request::AccessRequest,
};

pub use asking::{Holder, PENDING_MAX, PENDING_PER_AGENT_MAX};
pub use locking::NewLock;
pub use views::{Filter, Onlooker, Page, ROWS_MAX};

use ending::Ending;

/// What one tenant's people and agents may do for now; outlives configurations.
pub struct Access {
    pub(crate) tenant: TenantId,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<dyn Journal>,
    /// Whoever changes something has the turn.
    turn: Arc<tokio::sync::Mutex<Turn>>,
    pub(crate) index: RwLock<Index>,
    pub(crate) pending: RwLock<Pending>,
    pub(crate) locks: Locks,
    /// Calls that have ended and the store does not know of; at most one entry for each active
    /// grant.
    settled: Mutex<HashMap<GrantId, Settled>>,
    /// Grants of which it is not known how many calls the store has counted.
    doubts: Mutex<Vec<Arc<Live>>>,
    /// How long grants hold without a sign of the store, in milliseconds.
    staleness_max_ms: AtomicU64,
    /// Grants that have ended and the store does not know of.
    endings: Mutex<Vec<Ending>>,
    changes: broadcast::Sender<Change>,
}

/// What only whoever has the turn looks at.
#[derive(Debug, Default)]
struct Turn {
    /// When each agent of each person asked of late, and all agents of each together.
    asked: HashMap<(SubjectId, Option<ActorId>), VecDeque<u64>>,
}

/// What calls that have ended come to.
#[derive(Debug, Clone, Copy, Default)]
struct Settled {
    calls: u64,
    bytes: u64,
}

/// Why a change did not happen, or is not durable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no such thing, or it is not the caller's.
    #[error("there is no such {0}, or it is not yours")]
    Unknown(&'static str),
    /// As many locks are set as may be.
    #[error("{max} locks are set already; lift some, or set a wider one")]
    LocksFull {
        /// The most.
        max: usize,
    },
    /// A request was justified before, or somebody has decided about it.
    #[error("this request has a justification, or was decided about; cancel it and ask again")]
    JustifiedLate,
    /// A text is too long.
    #[error("a reason is at most {} characters", crate::REASON_CHARS_MAX)]
    ReasonLong,
    /// The store failed. What takes away is in force, until the process ends: repeat it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record could not be written. What takes away is in force: repeat it.
    #[error(transparent)]
    Journal(#[from] JournalDown),
}

/// How long grants hold without a sign of the store, unless it is said otherwise.
pub const STALENESS_MAX: Duration = Duration::from_secs(10);

/// Changes that a slow listener may be behind before it misses some; then it reads anew.
const CHANGES_MAX: usize = 1024;

/// What waits for its record has the store's one place for writers, which others of all tenants wait
/// for, for five seconds.
const RECORD_WAIT_MAX: Duration = Duration::from_secs(3);

impl Access {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Changes from now on. Who is too slow is told so, and reads anew what it needs.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Writes an event down, or says that it could not be in time.
    async fn record(&self, event: &Event<'_>) -> Result<(), JournalDown> {
        let recorded = tokio::time::timeout(RECORD_WAIT_MAX, self.journal.record(event));
        recorded.await.map_err(|_| JournalDown)?
    }

    /// Tells those who listen, if any.
    fn tell(&self, change: Change) {
        // Nobody listens: nobody is told.
        let _ = self.changes.send(change);
    }

    fn tell_request(&self, request: &AccessRequest) {
        self.tell(Change::Request {
            id: request.id.clone(),
            subject: request.subject.clone(),
            actor: request.actor.clone(),
            upstream: request.upstream.clone(),
            state: request.state.clone(),
        });
    }

    fn tell_grant(&self, live: &Live) {
        self.tell(Change::Grant {
            id: live.id.clone(),
            subject: live.place.subject.clone(),
            actor: live.place.actor.clone(),
            upstream: live.place.upstream.clone(),
            ended: live.ended(),
        });
    }

    /// A new name, which sorts by the clock's time.
    fn name(&self) -> String {
        let us = self.clock.unix_us();
        let nanos = u32::try_from(us % 1_000_000).unwrap_or(0) * 1000;
        let time = uuid::Timestamp::from_unix(uuid::NoContext, us / 1_000_000, nanos);
        uuid::Uuid::new_v7(time).to_string()
    }
}

/// What sorts before every name of this time or later.
fn first_name(ms: u64) -> String {
    format!("{:08x}-{:04x}", ms >> 16, ms & 0xffff)
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
