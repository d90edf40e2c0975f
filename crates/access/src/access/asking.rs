//! Asking, and taking back what was asked.

use std::{sync::Arc, time::Duration};

use cardea_domain::{Principal, Recent, RequestId, Ruling};
use cardea_store::RequestCount;

use super::{Access, ChangeError, Turn, ending::check_reason, first_name};
use crate::{
    By, Event, JournalDown,
    ask::{self, AskRefused, Sameness},
    codec, decision,
    entitlement::Entitlements,
    live::Place,
    request::{AccessRequest, Moment, NewRequest, Reason, RequestState, Verdict},
    rules::{Ahead, Asked, History},
    scope::Caller,
    terms::millis,
};

/// Requests of a tenant that may wait; more than people look at.
pub const PENDING_MAX: usize = 5000;

/// Requests that one agent of one person may have waiting, in all its runs.
pub const PENDING_PER_AGENT_MAX: usize = 10;

/// Requests that all agents of one person may have waiting: nobody can fill the inbox for the others.
pub(super) const PENDING_PER_SUBJECT_MAX: usize = 100;

/// Grants of one place; what is asked for again and again wants another kind.
const HELD_MAX: usize = 32;

/// Requests that one agent of one person may make in [`ASKED_PER`].
const ASKED_MAX: usize = 20;

/// Requests that all agents of one person may make in [`ASKED_PER`].
const ASKED_PER_SUBJECT_MAX: usize = 60;

/// The stretch in which they are counted.
const ASKED_PER: Duration = Duration::from_secs(60);

/// What rules are told of.
const HISTORY: Duration = Duration::from_secs(3600);

/// Whose it is: an agent for its own run, or a person for all their agents.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// An agent, in a call.
    Agent(&'a Principal),
    /// A person who is logged in.
    Person(By<'a>),
}

impl Holder<'_> {
    /// Whether something of this caller is theirs.
    pub(super) fn has(self, of: &Caller<'_>) -> bool {
        match self {
            Self::Person(by) => by.person == of.subject,
            Self::Agent(principal) => {
                principal.subject == *of.subject
                    && principal.actor == *of.actor
                    && of.run.is_none_or(|run| *run == principal.run)
            }
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Person(by) => by.to_string(),
            Self::Agent(principal) => format!("agent {}", principal.actor),
        }
    }
}

impl Access {
    /// Asks. A request for the same that waits already is the answer to another one.
    ///
    /// # Errors
    /// [`AskRefused`]; then nothing is asked.
    pub async fn ask(
        self: &Arc<Self>,
        entitlements: &Entitlements,
        new: &NewRequest<'_>,
    ) -> Result<Arc<AccessRequest>, AskRefused> {
        let caller = Caller {
            subject: new.asker.subject,
            actor: new.asker.actor,
            run: new.asker.run,
            action: new.action,
            upstream: new.upstream,
            target: new.target,
        };
        let mut turn = Arc::clone(&self.turn).lock_owned().await;
        let now_ms = self.clock.unix_ms();
        if let Some(lock) = self.locks.meets(&caller, now_ms) {
            return Err(AskRefused::Locked(Box::new(lock)));
        }
        let id = RequestId::parse(&self.name()).map_err(|e| AskRefused::Store(e.into()))?;
        let request = ask::draft(entitlements, new, id, now_ms)?;
        if let Some(same) = self.pending.read().same(&Sameness::of(&request), now_ms) {
            return Ok(Arc::clone(same));
        }
        if new.moment == Moment::Ahead {
            let forbidding = entitlements.forbidding(&Ahead::of(&request));
            if !forbidding.is_empty() {
                return Err(AskRefused::Forbidden(forbidding));
            }
        }
        self.check_room(&mut turn, &request, now_ms)?;
        if let Some(wanted) = &request.extends {
            let longest = entitlements
                .entitlement(&request.entitlement)
                .map_or(Duration::ZERO, |e| e.duration_max);
            self.check_extension(wanted, &request, longest)?;
        }
        let ruling = self.ruling(entitlements, new, &request).await;
        let (access, request) = (Arc::clone(self), Arc::new(request));
        let entitlements = entitlements.clone();
        let by = match new.asker.through {
            Some(person) => person.to_string(),
            None => format!("agent {}", request.actor),
        };
        // To its end, also when whoever asks goes away: the store must not know of one that memory does not.
        let work = tokio::spawn(async move {
            let _turn = turn;
            access.make(&request, by, &ruling).await?;
            Ok(access.settle_by_rule(&entitlements, request, ruling).await)
        });
        work.await.unwrap_or(Err(AskRefused::Journal(JournalDown)))
    }

    /// Makes a request that waits, and of which nobody is told yet.
    async fn make(
        &self,
        request: &Arc<AccessRequest>,
        by: String,
        ruling: &Ruling,
    ) -> Result<(), AskRefused> {
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_request(&codec::request_row(request)?).await?;
        let failed = match ruling {
            Ruling::Failed(error) => format!(" rules_failed={error:?}"),
            _ => String::new(),
        };
        let event = Event {
            detail: format!(
                "kind={} duration_ms={}{failed}",
                request.terms.kind.as_str(),
                millis(request.terms.duration)
            ),
            ..event("access_requested", request, by)
        };
        self.record(&event).await?;
        change.commit().await?;
        self.pending.write().insert(Arc::clone(request));
        Ok(())
    }

    /// What the entitlement's rules say to a request that is about to be made.
    async fn ruling(
        &self,
        entitlements: &Entitlements,
        new: &NewRequest<'_>,
        request: &AccessRequest,
    ) -> Ruling {
        let Some(rules) = entitlements.rules(&request.entitlement) else {
            return Ruling::Silent;
        };
        let since = first_name(request.created_ms.saturating_sub(millis(HISTORY)));
        let (subject, actor) = (&request.subject, &request.actor);
        let counted = self
            .store
            .count_access_requests(&self.tenant, subject, actor, &since)
            .await;
        let history = match counted {
            Ok(counted) => history(&counted, request),
            // A rule must not take an unknown number of refusals for none.
            Err(error) => return Ruling::Failed(error.to_string()),
        };
        let ruling = rules.rule(&Asked::of(new, request, history));
        // What the gateway has noticed is for people to look at: no rule knows of it.
        let is_noticed = new.reason.as_ref().is_some_and(Reason::is_noticed);
        if is_noticed && matches!(ruling, Ruling::Approve(_)) {
            return Ruling::Silent;
        }
        if let Ruling::Failed(error) = &ruling {
            let (tenant, entitlement) = (&self.tenant, &request.entitlement);
            tracing::error!(%tenant, %entitlement, error, "a rule could not be evaluated: people decide");
        }
        ruling
    }

    /// Decides by rule, or tells people that it is for them.
    async fn settle_by_rule(
        &self,
        entitlements: &Entitlements,
        request: Arc<AccessRequest>,
        ruling: Ruling,
    ) -> Arc<AccessRequest> {
        let (rule, verdict) = match ruling {
            Ruling::Approve(rule) => (rule, Verdict::Approve),
            Ruling::Refuse(rule) => (rule, Verdict::Refuse),
            Ruling::Silent | Ruling::Failed(_) => {
                self.tell_request(&request);
                return request;
            }
        };
        let now_ms = self.clock.unix_ms();
        let decided = async {
            let (approval, outcome) =
                decision::by_rule(entitlements, &request, &rule, verdict, now_ms)?;
            self.apply(entitlements, &request, approval, outcome).await
        };
        match decided.await {
            Ok(decided) => Arc::new(decided),
            Err(error) => {
                let (tenant, id) = (&self.tenant, &request.id);
                tracing::error!(%tenant, request = %id, rule = rule.name, %error, "a rule's decision failed: people decide");
                self.tell_request(&request);
                request
            }
        }
    }

    /// Adds why it is wanted, in the words of the person in whose name it was asked: once, where a
    /// program's words are none, and before anybody has decided, so that all who decide see the same.
    ///
    /// # Errors
    /// [`ChangeError`]; `Unknown` also where it is somebody else's, or is not pending any more.
    pub async fn justify(
        self: &Arc<Self>,
        id: &RequestId,
        by: By<'_>,
        text: &str,
    ) -> Result<(), ChangeError> {
        check_reason(text)?;
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let now_ms = self.clock.unix_ms();
        let request = self.pending.read().request(id).cloned();
        let own = request.filter(|r| r.subject == *by.person && now_ms < r.expires_ms);
        let request = own.ok_or(ChangeError::Unknown("request"))?;
        if !request.takes_justification(by) {
            return Err(ChangeError::JustifiedLate);
        }
        let after = AccessRequest {
            justification: Some(Reason::by(by, text)),
            ..AccessRequest::clone(&request)
        };
        let (access, by) = (Arc::clone(self), by.to_string());
        // To its end, also when whoever does it goes away: memory must not lack what the store has.
        let work = tokio::spawn(async move {
            let _turn = turn;
            access.write_justified(after, by).await
        });
        work.await.unwrap_or(Err(ChangeError::Journal(JournalDown)))
    }

    async fn write_justified(&self, after: AccessRequest, by: String) -> Result<(), ChangeError> {
        let mut change = self.store.change_access(&self.tenant).await?;
        if !change.change_request(&codec::request_row(&after)?).await? {
            return Err(ChangeError::Unknown("request"));
        }
        self.record(&event("access_justified", &after, by)).await?;
        change.commit().await?;
        self.tell_request(&after);
        self.pending.write().replace(Arc::new(after));
        Ok(())
    }

    /// Takes a pending request back.
    ///
    /// # Errors
    /// [`ChangeError`]; `Unknown` also where it is somebody else's, or is not pending any more.
    pub async fn cancel(&self, id: &RequestId, holder: Holder<'_>) -> Result<(), ChangeError> {
        let _turn = self.turn.lock().await;
        let request = self.pending.read().request(id).cloned();
        let own = request.filter(|r| holder.has(&caller(r)));
        let request = own.ok_or(ChangeError::Unknown("request"))?;
        self.end_request(&request, RequestState::Cancelled, holder.name())
            .await
    }

    /// Ends a pending request without a grant. The caller has the turn.
    pub(super) async fn end_request(
        &self,
        request: &AccessRequest,
        state: RequestState,
        by: String,
    ) -> Result<(), ChangeError> {
        let mut change = self.store.change_access(&self.tenant).await?;
        let now_ms = self.clock.unix_ms();
        change
            .end_request(&request.id, state.as_str(), None, now_ms)
            .await?;
        let name = match state {
            RequestState::Expired => "access_request_expired",
            RequestState::Void => "access_request_void",
            _ => "access_request_cancelled",
        };
        self.record(&event(name, request, by)).await?;
        change.commit().await?;
        self.forget_request(request, state);
        Ok(())
    }

    /// What became of a request is in the store; nobody waits for it any more.
    pub(super) fn forget_request(&self, request: &AccessRequest, state: RequestState) {
        self.pending.write().end(&request.id, &state);
        self.tell_request(&AccessRequest {
            state,
            ..request.clone()
        });
    }

    fn check_room(
        &self,
        turn: &mut Turn,
        request: &AccessRequest,
        now_ms: u64,
    ) -> Result<(), AskRefused> {
        turn.pace(request, now_ms)?;
        let pending = self.pending.read();
        if pending.of_agent(&request.subject, &request.actor) >= PENDING_PER_AGENT_MAX {
            return Err(AskRefused::Waiting {
                max: PENDING_PER_AGENT_MAX,
            });
        }
        if pending.of_subject(&request.subject) >= PENDING_PER_SUBJECT_MAX {
            return Err(AskRefused::Waiting {
                max: PENDING_PER_SUBJECT_MAX,
            });
        }
        if pending.len() >= PENDING_MAX {
            return Err(AskRefused::Waiting { max: PENDING_MAX });
        }
        if self.index.read().held(&place(request)) >= HELD_MAX {
            return Err(AskRefused::Held { max: HELD_MAX });
        }
        Ok(())
    }

    fn check_extension(
        &self,
        wanted: &cardea_domain::GrantId,
        request: &AccessRequest,
        longest: Duration,
    ) -> Result<(), AskRefused> {
        let live = self.index.read().grant(wanted).cloned();
        let live = live
            .filter(|live| live.place == place(request))
            .filter(|live| live.ended().is_none() && live.bound.once.is_none())
            .filter(|live| live.bound.tool_digest == request.tool_digest)
            // Whoever decides about the grant decides about its end, and for no longer than they could give it.
            .filter(|live| live.origin.entitlement == request.entitlement)
            .ok_or(AskRefused::GrantUnknown)?;
        if live.expires_ms() >= live.starts_ms.saturating_add(millis(longest)) {
            return Err(AskRefused::Over {
                what: "duration, extensions included",
                max: longest.as_secs(),
                unit: " s",
            });
        }
        Ok(())
    }
}

impl Turn {
    /// Counts a request of an agent, and of its person.
    fn pace(&mut self, request: &AccessRequest, now_ms: u64) -> Result<(), AskRefused> {
        let of_subject = (request.subject.clone(), None);
        let of_agent = (request.subject.clone(), Some(request.actor.clone()));
        let counted = [(of_subject, ASKED_PER_SUBJECT_MAX), (of_agent, ASKED_MAX)];
        for (key, max) in &counted {
            let per_ms = millis(ASKED_PER);
            let asked = self.asked.entry(key.clone()).or_default();
            asked.retain(|at| now_ms < at.saturating_add(per_ms));
            if asked.len() >= *max {
                let first = asked.front().copied().unwrap_or(now_ms);
                let wait_ms = first.saturating_add(per_ms).saturating_sub(now_ms);
                return Err(AskRefused::TooFast {
                    retry_after: Duration::from_millis(wait_ms),
                });
            }
        }
        for (key, _) in counted {
            self.asked.entry(key).or_default().push_back(now_ms);
        }
        Ok(())
    }

    /// Forgets who has not asked of late.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let per_ms = millis(ASKED_PER);
        self.asked.retain(|_, asked| {
            let last = asked.back().copied().unwrap_or(0);
            now_ms < last.saturating_add(per_ms)
        });
    }
}

fn history(counted: &[RequestCount], request: &AccessRequest) -> History {
    let target = codec::target(&request.target);
    let mut history = History::default();
    for of in counted {
        count(&mut history.all, of);
        if of.upstream == request.upstream && of.target == target {
            count(&mut history.same, of);
        }
    }
    history
}

fn count(recent: &mut Recent, of: &RequestCount) {
    recent.asked = recent.asked.saturating_add(of.count);
    match of.state.as_str() {
        "approved" => recent.approved = recent.approved.saturating_add(of.count),
        "refused" => recent.refused = recent.refused.saturating_add(of.count),
        _ => {}
    }
}

pub(super) fn place(request: &AccessRequest) -> Place {
    Place {
        subject: request.subject.clone(),
        actor: request.actor.clone(),
        run: request.run.clone(),
        action: request.action,
        upstream: request.upstream.clone(),
        target: request.target.clone(),
    }
}

pub(super) fn caller(request: &AccessRequest) -> Caller<'_> {
    Caller {
        subject: &request.subject,
        actor: &request.actor,
        run: request.run.as_ref(),
        action: request.action,
        upstream: &request.upstream,
        target: &request.target,
    }
}

pub(super) fn event<'a>(name: &'static str, request: &'a AccessRequest, by: String) -> Event<'a> {
    Event {
        name,
        request: Some(&request.id),
        subject: Some(&request.subject),
        actor: Some(&request.actor),
        run: request.run.as_ref(),
        upstream: Some(&request.upstream),
        target: Some(&request.target),
        by,
        ..Event::default()
    }
}
