//! What there is, for pages and lists.

use std::collections::HashMap;

use cardea_domain::{
    Action, ActorId, EntitlementId, GrantId, Principal, RequestId, SubjectId, Target, TenantId,
    UpstreamId,
};
use cardea_store::{RequestRow, Store, StoreError};

use super::Access;
use crate::{AccessRequest, Counts, DecidedBy, EndReason, Grant, RequestState, codec, live::Place};

/// Which rows of a list; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The one of this name.
    pub name: Option<String>,
    /// For requests a [`RequestState`] by its name; for grants `active` or `ended`.
    pub state: Option<String>,
    /// Of this person.
    pub subject: Option<SubjectId>,
    /// Of this agent.
    pub actor: Option<ActorId>,
    /// Of this upstream.
    pub upstream: Option<UpstreamId>,
    /// Of this target.
    pub target: Option<Target>,
    /// Of a tool, resource or prompt of this name; where there is no `target`.
    pub target_name: Option<String>,
    /// Only what this person may see.
    pub onlooker: Option<Onlooker>,
}

/// Somebody who sees what is in their name, what they decided about, and what is theirs to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onlooker {
    /// Who they are.
    pub subject: SubjectId,
    /// The entitlements under which they decide.
    pub entitlements: Vec<EntitlementId>,
}

/// A stretch of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Begin after the row of this name; at the newest when absent.
    pub after: Option<String>,
    /// So many rows; at most [`ROWS_MAX`].
    pub rows_max: u32,
}

/// Rows of one page.
pub const ROWS_MAX: u32 = 1000;

impl Access {
    /// One request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn request(&self, id: &RequestId) -> Result<Option<AccessRequest>, StoreError> {
        let waiting = self.pending.read().request(id).cloned();
        if let Some(request) = waiting {
            return Ok(Some(self.seen(AccessRequest::clone(&request))));
        }
        let Some(row) = self.store.access_request(&self.tenant, id).await? else {
            return Ok(None);
        };
        let approvals = self.store.access_approvals(&self.tenant, id).await?;
        Ok(Some(self.seen(codec::request(row, approvals)?)))
    }

    /// Requests, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn requests(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<AccessRequest>, StoreError> {
        let rows = self
            .store
            .access_requests(&self.tenant, &filter.rows(), &page.rows())
            .await?;
        let requests = decided(&self.store, &self.tenant, rows).await?;
        Ok(requests.into_iter().map(|r| self.seen(r)).collect())
    }

    /// One grant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grant_view(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let row = self.store.access_grant(&self.tenant, id).await?;
        row.map(|row| Ok(self.seen_grant(codec::grant(row)?)))
            .transpose()
    }

    /// Grants, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn grants(&self, filter: &Filter, page: &Page) -> Result<Vec<Grant>, StoreError> {
        let rows = self
            .store
            .access_grants(&self.tenant, &filter.rows(), &page.rows())
            .await?;
        let grants = rows.into_iter();
        grants
            .map(|row| Ok(self.seen_grant(codec::grant(row)?)))
            .collect()
    }

    /// Until when the principal has a grant for this, with which arguments whatsoever; `None` when it
    /// has none. For lists: a call is decided by [`Self::admit`].
    #[must_use]
    pub fn held_until(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Option<u64> {
        let now_ms = self.clock.unix_ms();
        let index = self.index.read();
        let mut place = Place {
            subject: principal.subject.clone(),
            actor: principal.actor.clone(),
            run: Some(principal.run.clone()),
            action,
            upstream: upstream.clone(),
            target: target.clone(),
        };
        let of_run = index.held_until(&place, now_ms);
        place.run = None;
        of_run.max(index.held_until(&place, now_ms))
    }

    /// How much there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            pending: self.pending.read().len(),
            active: self.index.read().len(),
            locks: self.locks.all(self.clock.unix_ms()).len(),
        }
    }

    /// What became of a request, as soon as it does not wait any more; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settled(&self, id: &RequestId) -> Result<Option<RequestState>, StoreError> {
        let watch = self.pending.read().watch(id);
        if let Some(mut watch) = watch {
            let ended = watch.wait_for(|state| *state != RequestState::Pending);
            if let Ok(state) = ended.await {
                return Ok(Some(state.clone()));
            }
        }
        let request = self.request(id).await?;
        Ok(request.map(|request| request.state))
    }

    /// A request as it is by the clock, though no sweep has come by.
    fn seen(&self, mut request: AccessRequest) -> AccessRequest {
        let is_over = self.clock.unix_ms() >= request.expires_ms;
        if is_over && request.state == RequestState::Pending {
            request.state = RequestState::Expired;
        }
        request
    }

    /// A grant as memory and the clock know it, though no sweep has come by.
    fn seen_grant(&self, mut grant: Grant) -> Grant {
        if grant.ended.is_none() {
            let is_over = self.clock.unix_ms() >= grant.expires_ms;
            let by_clock = is_over.then_some((grant.expires_ms, EndReason::Expired));
            grant.ended = self.unwritten(&grant.id).or(by_clock);
        }
        grant
    }
}

impl Filter {
    fn rows(&self) -> cardea_store::Filter {
        cardea_store::Filter {
            state: self.state.clone(),
            subject: self.subject.clone(),
            actor: self.actor.clone(),
            upstream: self.upstream.clone(),
            name: self.name.clone(),
            targets: match (&self.target, &self.target_name) {
                (Some(target), _) => Some(vec![codec::target(target)]),
                (None, Some(name)) => Some(codec::targets(name)),
                (None, None) => None,
            },
            onlooker: self.onlooker.as_ref().map(Onlooker::row),
        }
    }
}

impl Onlooker {
    fn row(&self) -> cardea_store::Onlooker {
        cardea_store::Onlooker {
            subject: self.subject.clone(),
            approver: DecidedBy::Person(self.subject.clone()).to_string(),
            entitlements: self.entitlements.clone(),
        }
    }
}

/// Requests with what was decided about them.
pub(super) async fn decided(
    store: &Store,
    tenant: &TenantId,
    rows: Vec<RequestRow>,
) -> Result<Vec<AccessRequest>, StoreError> {
    let names = rows.iter().map(|row| &row.request);
    let mut approvals: HashMap<_, Vec<_>> = HashMap::new();
    for approval in store.access_approvals_of(tenant, names).await? {
        let of_request = approvals.entry(approval.request.clone()).or_default();
        of_request.push(approval);
    }
    let requests = rows.into_iter().map(|row| {
        let approvals = approvals.remove(&row.request).unwrap_or_default();
        codec::request(row, approvals)
    });
    requests.collect()
}

impl Page {
    fn rows(&self) -> cardea_store::Page {
        cardea_store::Page {
            after: self.after.clone(),
            rows_max: self.rows_max.min(ROWS_MAX),
        }
    }
}
