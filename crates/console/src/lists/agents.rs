//! Agents that have asked for something, by what is known of their newest requests.

use std::collections::{BTreeMap, BTreeSet};

use cardea_access::{AccessRequest, Filter, Grant, Page, RequestState};

use super::{CHUNK, LOOKED_AT_MAX, Rows};
use crate::{
    desk::Desk,
    refusal::{Refusal, down},
    text::{Breaks, visible},
    time::Moment,
};

#[derive(Debug)]
pub(crate) struct AgentRow {
    /// As it is asked for.
    pub(crate) id: String,
    /// As it is shown.
    pub(crate) actor: String,
    pub(crate) subjects: usize,
    pub(crate) asked: usize,
    pub(crate) pending: usize,
    pub(crate) refused: usize,
    pub(crate) grants: usize,
    pub(crate) last: Option<Moment>,
    /// Where its reach is shown.
    pub(crate) reach: String,
}

#[derive(Default)]
struct Sum {
    subjects: BTreeSet<String>,
    asked: usize,
    pending: usize,
    refused: usize,
    grants: usize,
    last_ms: Option<u64>,
}

/// The rows of one page, by the agent's name.
pub(crate) async fn agents(desk: &Desk<'_>) -> Result<Rows<AgentRow>, Refusal> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for request in all_requests(desk, &Filter::default()).await? {
        let sum = sums.entry(request.actor.to_string()).or_default();
        sum.subjects.insert(request.subject.to_string());
        sum.asked += 1;
        sum.pending += usize::from(request.state == RequestState::Pending);
        sum.refused += usize::from(request.state == RequestState::Refused);
        sum.last_ms = sum.last_ms.max(Some(request.created_ms));
    }
    for grant in active_grants(desk).await? {
        let sum = sums.entry(grant.actor.to_string()).or_default();
        sum.subjects.insert(grant.subject.to_string());
        sum.grants += 1;
    }
    let rows = sums.into_iter().map(|(id, sum)| row(id, &sum)).collect();
    Ok(Rows::of(&desk.ask, rows, |row| &row.id))
}

fn row(id: String, sum: &Sum) -> AgentRow {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("actor", &id);
    AgentRow {
        actor: visible(&id, 120, Breaks::Shown),
        subjects: sum.subjects.len(),
        asked: sum.asked,
        pending: sum.pending,
        refused: sum.refused,
        grants: sum.grants,
        last: sum.last_ms.map(Moment::at),
        reach: format!("/console/reach?{}", query.finish()),
        id,
    }
}

/// The newest requests that the person may see.
pub(crate) async fn all_requests(
    desk: &Desk<'_>,
    filter: &Filter,
) -> Result<Vec<AccessRequest>, Refusal> {
    let filter = &Filter {
        onlooker: desk.caller.onlooker(&desk.entitlements),
        ..filter.clone()
    };
    let mut seen = Vec::new();
    let mut page = first();
    for _ in 0..LOOKED_AT_MAX / CHUNK as usize {
        let found = desk.access.requests(filter, &page).await.map_err(down)?;
        page.after = found.last().map(|request| request.id.to_string());
        let is_last = found.len() < CHUNK as usize;
        seen.extend(
            found
                .into_iter()
                .filter(|r| desk.caller.may_see(r, desk.entitlement(r))),
        );
        if is_last {
            break;
        }
    }
    Ok(seen)
}

/// Grants that can be used, of those that the person may see.
pub(crate) async fn active_grants(desk: &Desk<'_>) -> Result<Vec<Grant>, Refusal> {
    let mut seen = Vec::new();
    let mut page = first();
    let active = Filter {
        state: Some("active".to_owned()),
        onlooker: desk.caller.onlooker(&desk.entitlements),
        ..Filter::default()
    };
    for _ in 0..LOOKED_AT_MAX / CHUNK as usize {
        let found = desk.access.grants(&active, &page).await.map_err(down)?;
        page.after = found.last().map(|grant| grant.id.to_string());
        let is_last = found.len() < CHUNK as usize;
        let now_ms = desk.now_ms();
        seen.extend(found.into_iter().filter(|grant| {
            let entitlement = desk.entitlements.entitlement(&grant.entitlement);
            grant.expires_ms > now_ms && desk.caller.may_see_grant(grant, entitlement)
        }));
        if is_last {
            break;
        }
    }
    Ok(seen)
}

fn first() -> Page {
    Page {
        after: None,
        rows_max: CHUNK,
    }
}
