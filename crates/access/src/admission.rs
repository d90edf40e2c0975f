//! One call under a grant: admitted, counted, under way, settled.

use std::{sync::Arc, time::Duration};

use cardea_domain::{Action, GrantId, Principal, RunId, Target, UpstreamId};
use cardea_store::StoreError;
use thiserror::Error;

use crate::{
    Access, EndReason, Lock,
    live::{Live, Reserved},
    scope::Caller,
};

/// What a call wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub upstream: &'a UpstreamId,
    /// To what.
    pub target: &'a Target,
    /// The arguments, as exact JSON text.
    pub arguments: Option<&'a str>,
    /// The digest of the tool's definition as it is now.
    pub tool_digest: Option<[u8; 32]>,
    /// The digest of the tenant's policies as they are now.
    pub policies: [u8; 32],
}

/// Why no grant admits a call; for the record, and never for the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotGranted {
    /// There is no grant for it.
    #[error("there is no active grant")]
    None,
    /// A lock is set.
    #[error("locked: {}", .0.scope)]
    Locked(Box<Lock>),
    /// The grant has ended.
    #[error("the grant has ended: {}", .0.as_str())]
    Ended(EndReason),
    /// The grant has not begun; the clock was set back.
    #[error("the grant has not begun")]
    TooEarly,
    /// All of its calls are taken, or all of its bytes.
    #[error("the grant is used up")]
    Exhausted,
    /// Too many calls in the stretch of its rate.
    #[error("the grant's rate is used up for {} ms", .retry_after.as_millis())]
    TooFast {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The arguments are not those that it is for.
    #[error("the grant is for other arguments: {0}")]
    Arguments(String),
    /// The run has the same name, and something else names it.
    #[error("the grant is for a run that something else names")]
    Run,
    /// The token is bound to other keys.
    #[error("the grant is for another key")]
    Key,
    /// The tool's definition is another one.
    #[error("the grant is for another definition of the tool")]
    Tool,
    /// The policies are other ones.
    #[error("the policies have changed since the call was approved")]
    Policies,
    /// There is one, and the store has not been there for too long: it may have been taken back meanwhile.
    #[error("the store has not been there for too long")]
    Stale,
}

/// Why a call that was admitted does not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The grant ended meanwhile.
    #[error("the grant has ended: {}", .0.as_str())]
    Ended(EndReason),
    /// The store knows that it is used up, or has ended.
    #[error("the grant is used up")]
    Spent,
    /// A lock was set meanwhile.
    #[error("locked: {}", .0.scope)]
    Locked(Box<Lock>),
    /// The store could not count it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A place under a grant; dropped, it is given back.
#[must_use = "a call begins when its admission is consumed"]
pub struct Admission {
    pub(crate) access: Arc<Access>,
    pub(crate) live: Arc<Live>,
    /// The run that calls, also where the grant is for every run.
    pub(crate) run: RunId,
    pub(crate) reserved: Option<Reserved>,
}

impl Admission {
    /// The grant that admits the call.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.live.id
    }

    /// Whether people, and not rules alone, have approved this one call with exactly these arguments.
    #[must_use]
    pub fn is_once_by_people(&self) -> bool {
        self.live.bound.is_once_by_people()
    }

    /// Whether they have, and were shown what the gateway has noticed of it.
    #[must_use]
    pub fn is_once_as_noticed(&self) -> bool {
        self.live.bound.is_once_as_noticed()
    }

    /// From here on the call counts.
    pub(crate) fn count(&mut self) {
        if self.reserved.take().is_some() {
            self.live.count();
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            self.live.give_back(reserved);
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Admission({})", self.live.id)
    }
}

/// A call that is under way with a grant's permission; dropped, it is settled.
#[must_use = "a call is under way as long as this is kept"]
pub struct Granted {
    access: Arc<Access>,
    live: Arc<Live>,
    run: RunId,
    /// Bytes that the store has not been told of.
    bytes: std::sync::atomic::AtomicU64,
}

impl Granted {
    pub(crate) fn new(admission: &Admission) -> Self {
        Self {
            access: Arc::clone(&admission.access),
            live: Arc::clone(&admission.live),
            run: admission.run.clone(),
            bytes: 0.into(),
        }
    }

    /// The grant.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.live.id
    }

    /// When the grant ends by itself, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn expires_ms(&self) -> u64 {
        self.live.expires_ms()
    }

    /// Ready when the call has to be cut, with the reason why. Holds on to the grant and not to
    /// this.
    pub fn ended(&self) -> impl Future<Output = EndReason> + Send + use<> {
        let (access, live) = (Arc::clone(&self.access), Arc::clone(&self.live));
        let run = self.run.clone();
        async move { ended(&access, &live, &run).await }
    }

    /// Counts bytes of the answer, before they leave.
    ///
    /// # Errors
    /// [`EndReason`] when they must not: the grant has no more, or has ended.
    pub fn spend_bytes(&self, bytes: u64) -> Result<(), EndReason> {
        if let Some(reason) = self.live.ended() {
            return Err(reason);
        }
        if self.live.budget.bytes_max.is_none() {
            return Ok(());
        }
        self.bytes
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        let spent = self.live.spend(bytes);
        if spent.is_err() {
            self.access.exhausted(&self.live);
        }
        spent
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        self.access.settle(&self.live, bytes);
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Granted({})", self.live.id)
    }
}

/// Ready when a call of this run under this grant has to be cut.
async fn ended(access: &Access, live: &Live, run: &RunId) -> EndReason {
    let caller = Caller {
        run: Some(run),
        ..live.place.caller()
    };
    loop {
        let changed = live.changed().notified();
        let locked = access.locks.changed().notified();
        tokio::pin!(changed, locked);
        // Both hear from here on, so that nothing is missed between the look and the wait.
        changed.as_mut().enable();
        locked.as_mut().enable();
        if let Some(reason) = live.ended() {
            return reason;
        }
        let now_ms = access.clock.unix_ms();
        if access.locks.meets(&caller, now_ms).is_some() {
            return EndReason::Locked;
        }
        let fresh = access.fresh_for();
        if fresh.is_zero() {
            return EndReason::Stale;
        }
        let left_ms = live.expires_ms().saturating_sub(now_ms);
        if left_ms == 0 {
            live.end(EndReason::Expired);
            return EndReason::Expired;
        }
        tokio::select! {
            () = changed => {}
            () = locked => {}
            () = tokio::time::sleep(fresh.min(Duration::from_millis(left_ms))) => {}
        }
    }
}
