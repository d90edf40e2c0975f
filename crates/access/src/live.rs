//! A grant that can be used: what it is bound to, and exact budgets, in memory.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cardea_domain::{
    Action, ActorId, EntitlementId, GrantId, KeyBinding, RunId, RunSource, SubjectId, Target,
    UpstreamId,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    EndReason,
    admission::{NotGranted, Wanted},
    constraint::{self, Constraint},
    scope::Caller,
    terms::{Kind, Rate, Terms, millis},
};

/// For whom and what a grant is: the key by which it is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) subject: SubjectId,
    pub(crate) actor: ActorId,
    /// `None`: every run of the agent.
    pub(crate) run: Option<RunId>,
    pub(crate) action: Action,
    pub(crate) upstream: UpstreamId,
    pub(crate) target: Target,
}

impl Place {
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            subject: &self.subject,
            actor: &self.actor,
            run: self.run.as_ref(),
            action: self.action,
            upstream: &self.upstream,
            target: &self.target,
        }
    }
}

/// Where a grant comes from: by this an entitlement that has changed is asked about it again.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) entitlement: EntitlementId,
    /// The person's groups when it was asked for.
    pub(crate) groups: Arc<[Arc<str>]>,
    pub(crate) kind: Kind,
}

/// What a call has to show besides its place.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// What names the run, where the place has one.
    pub(crate) run_source: Option<RunSource>,
    pub(crate) binding: Option<KeyBinding>,
    pub(crate) tool_digest: Option<[u8; 32]>,
    /// For one call: its arguments and the policies at the time. `None`: any, within constraints.
    pub(crate) once: Option<OnceBound>,
    pub(crate) constraints: Box<[Arc<Constraint>]>,
}

impl Bound {
    /// Whether people have approved one exact call.
    pub(crate) fn is_once_by_people(&self) -> bool {
        self.once.is_some_and(|once| once.by_people)
    }

    /// Whether they have, and were told why policies hold it.
    pub(crate) fn is_once_as_noticed(&self) -> bool {
        self.once
            .is_some_and(|once| once.by_people && once.is_noticed)
    }
}

/// What one exact call has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnceBound {
    pub(crate) arguments: [u8; 32],
    pub(crate) policies: [u8; 32],
    /// Whether people have approved it, and not rules alone.
    pub(crate) by_people: bool,
    /// Whether they were shown what the gateway has noticed.
    pub(crate) is_noticed: bool,
}

/// How much there is of a grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) calls_max: Option<u64>,
    pub(crate) bytes_max: Option<u64>,
    pub(crate) rate: Option<Rate>,
}

impl Budget {
    pub(crate) fn of(terms: &Terms) -> Self {
        Self {
            calls_max: terms.calls_max,
            bytes_max: terms.bytes_max,
            rate: terms.rate,
        }
    }

    /// Whether the store has to count calls before they begin.
    pub(crate) fn is_counted(&self) -> bool {
        self.calls_max.is_some() || self.bytes_max.is_some()
    }
}

/// An active grant.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: GrantId,
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) bound: Bound,
    pub(crate) budget: Budget,
    pub(crate) starts_ms: u64,
    expires_ms: AtomicU64,
    state: Mutex<State>,
    /// Told when it ends or its end is put off.
    changed: Notify,
}

/// What changes while a grant is used.
#[derive(Debug, Default)]
struct State {
    /// Calls that were begun.
    used: u64,
    /// Calls that are about to begin.
    reserved: u64,
    /// Calls that count, and about which the store has not answered.
    asked: u64,
    /// Calls that have begun and not ended.
    open: u64,
    /// Bytes that answers had.
    bytes: u64,
    /// Calls that count here, and of which it is not known whether they do in the store.
    doubt: u64,
    /// When calls began, of the last stretch of the rate.
    recent: VecDeque<u64>,
    ended: Option<EndReason>,
}

/// What is left of budgets in the store.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
}

/// What became of a doubt about a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Other calls came in between.
    Stays,
    /// The count is the store's now.
    Settled,
    /// It is, and nothing is left.
    Spent,
}

/// A place that was reserved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserved {
    /// When, where it counts for a rate.
    pub(crate) at_ms: Option<u64>,
}

impl Live {
    /// A grant that begins; nothing of it is used.
    pub(crate) fn new(
        (id, origin): (GrantId, Origin),
        place: Place,
        bound: Bound,
        budget: Budget,
        (starts_ms, expires_ms): (u64, u64),
    ) -> Self {
        Self {
            id,
            origin,
            place,
            bound,
            budget,
            starts_ms,
            expires_ms: AtomicU64::new(expires_ms),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The same after a restart. When its calls began is not known any more, so that its rate
    /// counts as used up now.
    pub(crate) fn resumed(self, used: Used, now_ms: u64) -> Self {
        let mut state = State {
            used: used.calls,
            bytes: used.bytes,
            ..State::default()
        };
        if let Some(rate) = self.budget.rate {
            state.recent = (0..rate.calls).map(|_| now_ms).collect();
        }
        Self {
            state: Mutex::new(state),
            ..self
        }
    }

    pub(crate) fn expires_ms(&self) -> u64 {
        self.expires_ms.load(Ordering::Acquire)
    }

    /// Whether what the call shows is what the grant is bound to. `digest` is that of the
    /// arguments, where a grant for one call is looked at.
    pub(crate) fn fits(
        &self,
        wanted: &Wanted<'_>,
        digest: Option<[u8; 32]>,
    ) -> Result<(), NotGranted> {
        let bound = &self.bound;
        if bound
            .run_source
            .is_some_and(|s| s != wanted.principal.run_source)
        {
            return Err(NotGranted::Run);
        }
        if bound.binding.is_some_and(|b| b != wanted.principal.binding) {
            return Err(NotGranted::Key);
        }
        // What is not known is not the same as what is not known.
        let is_unknown = matches!(wanted.target, Target::Tool(_)) && wanted.tool_digest.is_none();
        if is_unknown || bound.tool_digest != wanted.tool_digest {
            return Err(NotGranted::Tool);
        }
        if let Some(once) = bound.once {
            if digest != Some(once.arguments) {
                return Err(NotGranted::Arguments(
                    "they are not those that were approved".to_owned(),
                ));
            }
            if once.policies != wanted.policies {
                return Err(NotGranted::Policies);
            }
        }
        if bound.constraints.is_empty() {
            return Ok(());
        }
        let outside = |error: constraint::ArgumentsError| NotGranted::Arguments(error.to_string());
        let value = constraint::value(wanted.arguments).map_err(outside)?;
        let mut constraints = bound.constraints.iter();
        constraints
            .try_for_each(|c| c.check(&value))
            .map_err(outside)
    }

    /// Takes a place for one call; it is given back by [`Self::give_back`] or begun by
    /// [`Self::begin`].
    pub(crate) fn reserve(&self, now_ms: u64) -> Result<Reserved, NotGranted> {
        let mut state = self.state.lock();
        if let Some(reason) = state.ended {
            return Err(NotGranted::Ended(reason));
        }
        if now_ms < self.starts_ms {
            return Err(NotGranted::TooEarly);
        }
        if now_ms >= self.expires_ms() {
            // It stays so when the clock is set back.
            state.ended = Some(EndReason::Expired);
            drop(state);
            self.changed.notify_waiters();
            return Err(NotGranted::Ended(EndReason::Expired));
        }
        let taken = state.used.saturating_add(state.reserved);
        let budget = &self.budget;
        if budget.calls_max.is_some_and(|max| taken >= max)
            || budget.bytes_max.is_some_and(|max| state.bytes >= max)
        {
            return Err(NotGranted::Exhausted);
        }
        let at_ms = budget
            .rate
            .map(|rate| state.pace(rate, now_ms))
            .transpose()?;
        state.reserved += 1;
        Ok(Reserved { at_ms })
    }

    /// The call does not begin, and never was.
    pub(crate) fn give_back(&self, reserved: Reserved) {
        let mut state = self.state.lock();
        state.reserved = state.reserved.saturating_sub(1);
        if let Some(n) = reserved
            .at_ms
            .and_then(|at| state.recent.iter().rposition(|t| *t == at))
        {
            state.recent.remove(n);
        }
    }

    /// The call counts from now on, whatever becomes of it.
    pub(crate) fn count(&self) {
        let mut state = self.state.lock();
        state.reserved = state.reserved.saturating_sub(1);
        state.used = state.used.saturating_add(1);
        state.asked = state.asked.saturating_add(1);
    }

    /// Nobody heard whether the store has counted a call.
    pub(crate) fn doubt(&self) {
        let mut state = self.state.lock();
        state.asked = state.asked.saturating_sub(1);
        state.doubt = state.doubt.saturating_add(1);
    }

    /// How many calls were begun, as far as is known here.
    pub(crate) fn used(&self) -> u64 {
        self.state.lock().used
    }

    /// Takes over what the store has counted, where no call was begun since `before` were.
    pub(crate) fn settle_doubt(&self, before: u64, stored: u64) -> Doubt {
        let mut state = self.state.lock();
        if state.used != before || state.asked > 0 {
            return Doubt::Stays;
        }
        state.used = stored;
        state.doubt = 0;
        if self.is_spent(&state) {
            Doubt::Spent
        } else {
            Doubt::Settled
        }
    }

    /// The call is under way, unless the grant has ended meanwhile.
    pub(crate) fn open(&self) -> Result<(), EndReason> {
        let mut state = self.state.lock();
        state.asked = state.asked.saturating_sub(1);
        match state.ended {
            Some(reason) => Err(reason),
            None => {
                state.open = state.open.saturating_add(1);
                Ok(())
            }
        }
    }

    /// A call that was under way has ended. `Exhausted` when it was the last that there could be.
    pub(crate) fn close(&self) -> Option<EndReason> {
        let mut state = self.state.lock();
        state.open = state.open.saturating_sub(1);
        self.is_spent(&state).then_some(EndReason::Exhausted)
    }

    /// Whether nothing is left of it and nothing is under way.
    fn is_spent(&self, state: &State) -> bool {
        let calls = self.budget.calls_max.is_some_and(|max| state.used >= max);
        let under_way = [state.reserved, state.asked, state.open, state.doubt];
        calls && under_way.iter().all(|n| *n == 0)
    }

    /// Counts bytes of an answer.
    ///
    /// # Errors
    /// [`EndReason::Exhausted`] when there are not so many left: then none of them may leave, and
    /// the grant has ended.
    pub(crate) fn spend(&self, bytes: u64) -> Result<(), EndReason> {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_add(bytes);
        if self.budget.bytes_max.is_none_or(|max| state.bytes <= max) {
            return Ok(());
        }
        drop(state);
        self.end(EndReason::Exhausted);
        Err(EndReason::Exhausted)
    }

    /// Ends it, once; all calls under way are told.
    pub(crate) fn end(&self, reason: EndReason) {
        let mut state = self.state.lock();
        if state.ended.is_none() {
            state.ended = Some(reason);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn ended(&self) -> Option<EndReason> {
        self.state.lock().ended
    }

    /// Puts off its end.
    pub(crate) fn extend(&self, expires_ms: u64) {
        self.expires_ms.fetch_max(expires_ms, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }
}

impl State {
    /// Takes a place in the stretch of a rate.
    fn pace(&mut self, rate: Rate, now_ms: u64) -> Result<u64, NotGranted> {
        let per_ms = millis(rate.per);
        // Times of a clock that was set back count until it is there again.
        while self
            .recent
            .front()
            .is_some_and(|t| t.saturating_add(per_ms) <= now_ms)
        {
            self.recent.pop_front();
        }
        if self.recent.len() >= rate.calls as usize {
            let first = self.recent.front().copied().unwrap_or(now_ms);
            let wait_ms = first.saturating_add(per_ms).saturating_sub(now_ms);
            return Err(NotGranted::TooFast {
                retry_after: Duration::from_millis(wait_ms),
            });
        }
        self.recent.push_back(now_ms);
        Ok(now_ms)
    }
}
