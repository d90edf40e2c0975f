//! Using: the way of a call, decided in memory; counted in the store where a count has to be exact.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cardea_domain::{Action, Principal, Target, UpstreamId};

use super::{Access, ending::Ending};
use crate::{
    AccessError, Admission, EndReason, Granted, Lock, NotGranted, Wanted, constraint,
    live::{Live, Place},
    scope::Caller,
    terms::millis,
};

/// Which grants may admit a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Any,
    /// Those for one exact call that people have approved, knowing what was noticed of it.
    Held,
}

impl Access {
    /// For how much longer grants hold without a sign of the store; zero when they do not.
    pub(crate) fn fresh_for(&self) -> Duration {
        let max = Duration::from_millis(self.staleness_max_ms.load(Ordering::Relaxed));
        max.saturating_sub(self.store.silent_for())
    }

    /// Whether grants rest on a store that has not been heard of for a while: it has to be asked for a sign.
    #[must_use]
    pub fn wants_a_sign(&self) -> bool {
        let max = Duration::from_millis(self.staleness_max_ms.load(Ordering::Relaxed));
        self.index.read().len() > 0 && self.store.silent_for() >= max / 4
    }

    /// How long grants hold while the store is not there: nobody could have taken them back in a way that lasts.
    pub fn set_staleness_max(&self, max: Duration) {
        self.staleness_max_ms.store(millis(max), Ordering::Relaxed);
    }

    /// The lock that a call meets: asked first for every call, also for those that policies permit.
    #[must_use]
    pub fn locked(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Option<Lock> {
        let caller = Caller::of(principal, action, upstream, target);
        self.locks.meets(&caller, self.clock.unix_ms())
    }

    /// Ready when a lock is set that such a call meets: for calls that go on without a grant.
    pub fn watch(
        self: &Arc<Self>,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> impl Future<Output = Lock> + Send + use<> {
        let access = Arc::clone(self);
        let (principal, upstream) = (principal.clone(), upstream.clone());
        let target = target.clone();
        async move {
            loop {
                let changed = access.locks.changed().notified();
                tokio::pin!(changed);
                // Hears from here on, so that nothing is missed between the look and the wait.
                changed.as_mut().enable();
                if let Some(lock) = access.locked(&principal, action, &upstream, &target) {
                    return lock;
                }
                changed.await;
            }
        }
    }

    /// Finds a grant for a call and takes a place under it. Memory only; the cost does not depend
    /// on how many grants there are.
    ///
    /// # Errors
    /// [`NotGranted`], of the grant that came nearest.
    pub fn admit(self: &Arc<Self>, wanted: &Wanted<'_>) -> Result<Admission, NotGranted> {
        self.admit_by(wanted, Which::Any)
    }

    /// Like [`Access::admit`], by a grant for this one call with exactly these arguments that people have approved, knowing
    /// what the gateway has noticed of it, and by no other.
    ///
    /// # Errors
    /// As [`Access::admit`].
    pub fn admit_held(self: &Arc<Self>, wanted: &Wanted<'_>) -> Result<Admission, NotGranted> {
        self.admit_by(wanted, Which::Held)
    }

    fn admit_by(
        self: &Arc<Self>,
        wanted: &Wanted<'_>,
        which: Which,
    ) -> Result<Admission, NotGranted> {
        let now_ms = self.clock.unix_ms();
        let caller = Caller::of(
            wanted.principal,
            wanted.action,
            wanted.upstream,
            wanted.target,
        );
        if wanted.principal.tenant != self.tenant {
            return Err(NotGranted::None);
        }
        if let Some(lock) = self.locks.meets(&caller, now_ms) {
            return Err(NotGranted::Locked(Box::new(lock)));
        }
        let mut place = place(wanted);
        let mut nearest = NotGranted::None;
        for run in [place.run.clone(), None] {
            place.run = run;
            match self.admit_at(&place, wanted, which, now_ms) {
                Ok(_) if self.fresh_for().is_zero() => return Err(NotGranted::Stale),
                Ok(admission) => return Ok(admission),
                Err(NotGranted::None) => {}
                Err(refused) => nearest = refused,
            }
        }
        Err(nearest)
    }

    /// Whether there is a grant for something of this: what a list shows as usable. Whether it admits
    /// a call depends on the call.
    #[must_use]
    pub fn has_grant(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> bool {
        self.held_until(principal, action, upstream, target)
            .is_some()
    }

    fn admit_at(
        self: &Arc<Self>,
        place: &Place,
        wanted: &Wanted<'_>,
        which: Which,
        now_ms: u64,
    ) -> Result<Admission, NotGranted> {
        let index = self.index.read();
        let bucket = index.at(place).ok_or(NotGranted::None)?;
        let mut nearest = NotGranted::None;
        let take = |live: &Arc<Live>, digest| {
            live.fits(wanted, digest)?;
            let reserved = live.reserve(now_ms)?;
            Ok(Admission {
                access: Arc::clone(self),
                live: Arc::clone(live),
                run: wanted.principal.run.clone(),
                reserved: Some(reserved),
            })
        };
        let open = bucket.open.iter().filter(|_| which == Which::Any);
        for live in open {
            match take(live, None) {
                Ok(admission) => return Ok(admission),
                Err(refused) => nearest = refused,
            }
        }
        if bucket.once.is_empty() {
            return Err(nearest);
        }
        let other = |text: String| NotGranted::Arguments(text);
        let digest = constraint::arguments_digest(wanted.arguments)
            .map_err(|error| other(error.to_string()))?;
        let Some(exact) = bucket.once.get(&digest) else {
            return Err(other("they are not those that were approved".to_owned()));
        };
        let exact =
            (exact.iter()).filter(|live| which == Which::Any || live.bound.is_once_as_noticed());
        for live in exact {
            match take(live, Some(digest)) {
                Ok(admission) => return Ok(admission),
                Err(refused) => nearest = refused,
            }
        }
        Err(nearest)
    }

    /// Begins the call. Where calls or bytes are counted, it is counted in the store before this is
    /// ready: exactly once, whatever is retried or killed.
    ///
    /// # Errors
    /// [`AccessError`]; then the call must not begin. What the store may have counted stays counted.
    pub async fn consume(&self, mut admission: Admission) -> Result<Granted, AccessError> {
        let live = Arc::clone(&admission.live);
        let caller = Caller {
            run: Some(&admission.run),
            ..live.place.caller()
        };
        let now_ms = self.clock.unix_ms();
        if let Some(lock) = self.locks.meets(&caller, now_ms) {
            return Err(AccessError::Locked(Box::new(lock)));
        }
        if let Some(reason) = live.ended() {
            return Err(AccessError::Ended(reason));
        }
        // From here on it counts: who drops this cannot know what the store did.
        admission.count();
        if live.budget.is_counted() {
            let asked = Asked {
                access: self,
                live: &live,
            };
            let used = self.store.use_grant(&self.tenant, &live.id, now_ms).await?;
            asked.answered();
            if !used {
                self.exhausted(&live);
                return Err(AccessError::Spent);
            }
        }
        live.open().map_err(AccessError::Ended)?;
        Ok(Granted::new(&admission))
    }

    /// A call has ended.
    pub(crate) fn settle(&self, live: &Arc<Live>, bytes: u64) {
        let spent = live.close();
        if live.budget.is_counted() {
            let mut settled = self.settled.lock();
            let of_grant = settled.entry(live.id.clone()).or_default();
            of_grant.calls = of_grant.calls.saturating_add(1);
            of_grant.bytes = of_grant.bytes.saturating_add(bytes);
        }
        if spent.is_some() {
            self.exhausted(live);
        }
    }

    /// Nothing is left of a grant.
    pub(crate) fn exhausted(&self, live: &Arc<Live>) {
        live.end(EndReason::Exhausted);
        if self.index.write().remove(&live.id).is_some() {
            let now_ms = self.clock.unix_ms();
            self.endings
                .lock()
                .push(Ending::of(live, "gateway", "", now_ms));
            self.tell_grant(live);
        }
    }
}

fn place(wanted: &Wanted<'_>) -> Place {
    Place {
        subject: wanted.principal.subject.clone(),
        actor: wanted.principal.actor.clone(),
        run: Some(wanted.principal.run.clone()),
        action: wanted.action,
        upstream: wanted.upstream.clone(),
        target: wanted.target.clone(),
    }
}

/// The store was asked to count a call. Dropped without an answer, the count is in doubt, and the
/// next sweep asks for it.
struct Asked<'a> {
    access: &'a Access,
    live: &'a Arc<Live>,
}

impl Asked<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.live.doubt();
        self.access.doubts.lock().push(Arc::clone(self.live));
    }
}
