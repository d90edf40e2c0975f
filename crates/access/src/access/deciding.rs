//! Deciding: by people, stage after stage, or by a rule.

use std::sync::Arc;

use cardea_domain::{GrantId, RequestId, Rule, SubjectId};
use cardea_store::StoreError;
use tokio::sync::OwnedMutexGuard;

use super::{
    Access, Turn,
    asking::{event, place},
    opening::live,
};
use crate::{
    Event, Grant, codec,
    constraint::Constraint,
    decision::{self, Approved, Approver, DecideRefused, Decision, Outcome},
    entitlement::{BoundTo, Entitlements},
    request::{AccessRequest, Approval, DecidedBy, RequestState, Verdict},
    scope::Scope,
    terms::{Kind, Narrowing, WouldWiden, millis},
};

impl Access {
    /// Counts a person's yes or no. The last yes that is needed makes the grant; a no ends the
    /// request.
    ///
    /// # Errors
    /// [`DecideRefused`]; then nothing has changed.
    pub async fn decide(
        self: &Arc<Self>,
        entitlements: &Entitlements,
        id: &RequestId,
        approver: Approver<'_>,
        decision: &Decision,
    ) -> Result<AccessRequest, DecideRefused> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let request = self.waiting(id).await?;
        let now_ms = self.clock.unix_ms();
        if decision.verdict == Verdict::Approve {
            self.check_approvers(&request, approver, now_ms)?;
        }
        let (approval, outcome) =
            decision::by_person(entitlements, &request, approver, decision, now_ms)?;
        self.carry_out(turn, entitlements, request, approval, outcome)
            .await
    }

    /// Nobody who is locked says yes, and nobody is locked who has.
    fn check_approvers(
        &self,
        request: &AccessRequest,
        approver: Approver<'_>,
        now_ms: u64,
    ) -> Result<(), DecideRefused> {
        let is_locked =
            |subject: &SubjectId| self.locks.has(&Scope::Subject(subject.clone()), now_ms);
        let before = request.approvals.iter().filter_map(|a| match &a.by {
            DecidedBy::Person(subject) => Some(subject),
            DecidedBy::Rule(_) => None,
        });
        let mut all = before.chain([approver.subject]);
        match all.find(|subject| is_locked(subject)) {
            Some(subject) => Err(DecideRefused::Locked(subject.clone())),
            None => Ok(()),
        }
    }

    /// Approves by a rule that a person wrote, for all stages.
    ///
    /// # Errors
    /// [`DecideRefused`]; then nothing has changed.
    pub async fn approve_automatically(
        self: &Arc<Self>,
        entitlements: &Entitlements,
        id: &RequestId,
        rule: &str,
    ) -> Result<AccessRequest, DecideRefused> {
        self.decide_by_rule(entitlements, id, rule, Verdict::Approve)
            .await
    }

    /// Refuses by a rule that a person wrote.
    ///
    /// # Errors
    /// [`DecideRefused`]; then nothing has changed.
    pub async fn refuse_automatically(
        self: &Arc<Self>,
        entitlements: &Entitlements,
        id: &RequestId,
        rule: &str,
    ) -> Result<AccessRequest, DecideRefused> {
        self.decide_by_rule(entitlements, id, rule, Verdict::Refuse)
            .await
    }

    async fn decide_by_rule(
        self: &Arc<Self>,
        entitlements: &Entitlements,
        id: &RequestId,
        rule: &str,
        verdict: Verdict,
    ) -> Result<AccessRequest, DecideRefused> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let request = self.waiting(id).await?;
        let now_ms = self.clock.unix_ms();
        let rule = Rule {
            name: rule.to_owned(),
            reason: None,
        };
        let (approval, outcome) =
            decision::by_rule(entitlements, &request, &rule, verdict, now_ms)?;
        self.carry_out(turn, entitlements, request, approval, outcome)
            .await
    }

    /// The request, if it still waits.
    async fn waiting(&self, id: &RequestId) -> Result<Arc<AccessRequest>, DecideRefused> {
        let request = self.pending.read().request(id).cloned();
        match request {
            Some(request) if self.clock.unix_ms() < request.expires_ms => Ok(request),
            Some(_) => Err(DecideRefused::NotPending(RequestState::Expired)),
            None => match self.store.access_request(&self.tenant, id).await? {
                Some(row) => {
                    let ended = codec::request(row, Vec::new())?;
                    Err(DecideRefused::NotPending(ended.state))
                }
                None => Err(DecideRefused::Unknown),
            },
        }
    }

    /// Carries a decision out to its end, also when whoever made it goes away: a store that knows
    /// of it and a memory that does not would hold different things to be true.
    async fn carry_out(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<Turn>,
        entitlements: &Entitlements,
        request: Arc<AccessRequest>,
        approval: Approval,
        outcome: Outcome,
    ) -> Result<AccessRequest, DecideRefused> {
        let (access, entitlements) = (Arc::clone(self), entitlements.clone());
        let work = tokio::spawn(async move {
            let applied = access
                .apply(&entitlements, &request, approval, outcome)
                .await;
            drop(turn);
            applied
        });
        work.await.map_err(|_| DecideRefused::Interrupted)?
    }

    pub(super) async fn apply(
        &self,
        entitlements: &Entitlements,
        request: &Arc<AccessRequest>,
        approval: Approval,
        outcome: Outcome,
    ) -> Result<AccessRequest, DecideRefused> {
        let mut after = AccessRequest::clone(request);
        // A no takes back the yes of the same person.
        after.approvals.retain(|before| before.by != approval.by);
        after.approvals.push(approval.clone());
        match outcome {
            Outcome::Waits => self.move_on(&after, &approval).await?,
            Outcome::Refused => {
                after.state = RequestState::Refused;
                self.refuse(&after, &approval).await?;
            }
            Outcome::Approved(approved) => match &request.extends {
                Some(id) => {
                    after.state = RequestState::Approved(id.clone());
                    self.extend(entitlements, &after, &approval, &approved)
                        .await?;
                }
                None => {
                    let grant = self.grant(entitlements, &after, &approved)?;
                    after.state = RequestState::Approved(grant.id.clone());
                    self.give(&after, &approval, &grant, approved.constraints)
                        .await?;
                }
            },
        }
        Ok(after)
    }

    /// One yes of several.
    async fn move_on(
        &self,
        after: &AccessRequest,
        approval: &Approval,
    ) -> Result<(), DecideRefused> {
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_approval(&row(after, approval)?).await?;
        let event = decided("access_approved", after, approval);
        self.record(&event).await?;
        change.commit().await?;
        self.pending.write().replace(Arc::new(after.clone()));
        self.tell_request(after);
        Ok(())
    }

    async fn refuse(
        &self,
        after: &AccessRequest,
        approval: &Approval,
    ) -> Result<(), DecideRefused> {
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_approval(&row(after, approval)?).await?;
        change
            .end_request(&after.id, "refused", None, approval.decided_ms)
            .await?;
        let event = decided("access_refused", after, approval);
        self.record(&event).await?;
        change.commit().await?;
        self.forget_request(after, RequestState::Refused);
        Ok(())
    }

    /// The last yes: a grant.
    async fn give(
        &self,
        after: &AccessRequest,
        approval: &Approval,
        grant: &Grant,
        constraints: Vec<Arc<Constraint>>,
    ) -> Result<(), DecideRefused> {
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_approval(&row(after, approval)?).await?;
        change.add_grant(&codec::grant_row(grant)?).await?;
        let ended = change
            .end_request(&after.id, "approved", Some(&grant.id), approval.decided_ms)
            .await?;
        if !ended {
            return Err(DecideRefused::NotPending(RequestState::Void));
        }
        let event = Event {
            grant: Some(&grant.id),
            ..decided("access_granted", after, approval)
        };
        self.record(&event).await?;
        change.commit().await?;
        let live = Arc::new(live(grant, constraints));
        self.index.write().insert(Arc::clone(&live));
        self.tell_grant(&live);
        self.forget_request(after, after.state.clone());
        Ok(())
    }

    /// The last yes: a later end of a grant.
    async fn extend(
        &self,
        entitlements: &Entitlements,
        after: &AccessRequest,
        approval: &Approval,
        approved: &Approved,
    ) -> Result<(), DecideRefused> {
        only_shorter(after)?;
        let id = after.extends.as_ref().ok_or(DecideRefused::GrantEnded)?;
        let live = self.index.read().grant(id).cloned();
        let live = live
            .filter(|live| live.place == place(after) && live.ended().is_none())
            .filter(|live| live.bound.tool_digest == after.tool_digest)
            .ok_or(DecideRefused::GrantEnded)?;
        let longest = entitlements
            .entitlement(&after.entitlement)
            .map_or(0, |e| millis(e.duration_max));
        let now_ms = approval.decided_ms;
        let until_ms = approved
            .terms
            .ends_ms(now_ms)
            .min(live.starts_ms.saturating_add(longest))
            .max(live.expires_ms());
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_approval(&row(after, approval)?).await?;
        if !change.extend_grant(id, until_ms, now_ms).await? {
            return Err(DecideRefused::GrantEnded);
        }
        change
            .end_request(&after.id, "approved", Some(id), now_ms)
            .await?;
        let event = Event {
            grant: Some(id),
            ..decided("access_extended", after, approval)
        };
        self.record(&event).await?;
        change.commit().await?;
        self.index.write().extend(id, until_ms);
        self.tell_grant(&live);
        self.forget_request(after, after.state.clone());
        Ok(())
    }

    /// The grant that comes of a request.
    fn grant(
        &self,
        entitlements: &Entitlements,
        request: &AccessRequest,
        approved: &Approved,
    ) -> Result<Grant, DecideRefused> {
        let id = GrantId::parse(&self.name()).map_err(StoreError::from)?;
        let bound_to = entitlements
            .entitlement(&request.entitlement)
            .map_or(BoundTo::Run, |e| e.bound_to);
        // Made while an agent was enough, and decided when a run is needed.
        if bound_to == BoundTo::Run && request.run.is_none() {
            return Err(DecideRefused::NotCovered);
        }
        let starts_ms = self.clock.unix_ms();
        let is_once = approved.terms.kind == Kind::Once;
        let approved_by = request.approvals.iter();
        Ok(Grant {
            id,
            request: request.id.clone(),
            entitlement: request.entitlement.clone(),
            subject: request.subject.clone(),
            groups: Arc::clone(&request.groups),
            actor: request.actor.clone(),
            chain: request.chain.clone(),
            run: request.run.clone(),
            run_source: request.run_source,
            binding: request.binding,
            action: request.action,
            upstream: request.upstream.clone(),
            target: request.target.clone(),
            constraints: approved
                .constraints
                .iter()
                .map(|c| c.schema().clone())
                .collect(),
            arguments_digest: is_once.then_some(request.arguments_digest),
            tool_digest: request.tool_digest,
            policies: request.policies,
            approved_by: approved_by.map(|a| a.by.clone()).collect(),
            reason: request.reason.clone(),
            ticket: request.ticket.clone(),
            starts_ms,
            expires_ms: approved.terms.ends_ms(starts_ms),
            terms: approved.terms.clone(),
            calls_used: 0,
            bytes_used: 0,
            ended: None,
        })
    }
}

/// What else there is of a grant is settled; an approval of its extension can only make it shorter.
fn only_shorter(after: &AccessRequest) -> Result<(), DecideRefused> {
    let more = after.approvals.iter().map(|a| &a.narrowing).any(|n| {
        *n != Narrowing {
            duration: n.duration,
            ..Narrowing::default()
        }
    });
    if more || after.constraint.is_some() {
        return Err(WouldWiden("anything but the duration of an extension").into());
    }
    Ok(())
}

/// The row of the last approval.
fn row(
    after: &AccessRequest,
    approval: &Approval,
) -> Result<cardea_store::ApprovalRow, StoreError> {
    let position = after.approvals.len().saturating_sub(1);
    codec::approval_row(&after.id, position, approval)
}

fn decided<'a>(name: &'static str, after: &'a AccessRequest, approval: &Approval) -> Event<'a> {
    let narrowing = serde_json::to_string(&approval.narrowing).unwrap_or_default();
    let reason = approval.reason.as_deref().unwrap_or_default();
    Event {
        detail: format!("narrowing={narrowing} reason={reason:?}"),
        ..event(name, after, approval.by_whom())
    }
}
