//! What waits, what is open, what happened in the last hour.

use askama::Template;
use cardea_access::{AccessRequest, Filter, RequestState, Scope};
use http::StatusCode;

use super::Frame;
use crate::{
    Minute,
    caller::Standing,
    chart::{self, Chart},
    desk::Desk,
    lists::{self, LockRow, RequestRow, lock_row, request_row},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "overview.html")]
struct Page<'a> {
    frame: Frame<'a>,
    locks: Vec<LockRow>,
    to_decide: usize,
    mine: usize,
    grants: usize,
    chart: Option<Chart>,
    width: f64,
    height: f64,
    waiting: Vec<RequestRow>,
}

/// What the overview counts.
pub(crate) struct Figures {
    pub(crate) to_decide: Vec<AccessRequest>,
    pub(crate) mine: usize,
    pub(crate) grants: usize,
    /// For those who see everything.
    pub(crate) minutes: Option<Vec<Minute>>,
}

/// Requests that are shown at once; the list has all.
const WAITING_MAX: usize = 10;

impl Figures {
    pub(crate) async fn of(desk: &Desk<'_>) -> Result<Self, Refusal> {
        let filter = Filter {
            state: Some(RequestState::Pending.as_str().to_owned()),
            ..Filter::default()
        };
        let caller = &desk.caller;
        let pending = lists::all_requests(desk, &filter).await?;
        let mine = pending
            .iter()
            .filter(|r| r.subject == caller.person.subject)
            .count();
        let is_due = |r: &AccessRequest| caller.standing(r, &desk.entitlements) == Standing::May;
        Ok(Self {
            to_decide: pending.into_iter().filter(is_due).collect(),
            mine,
            grants: lists::active_grants(desk).await?.len(),
            minutes: caller
                .is_overseer()
                .then(|| desk.rooms.minutes(desk.tenant())),
        })
    }
}

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let figures = Figures::of(desk).await?;
    let person = &desk.caller.person;
    let concerns = |scope: &Scope| match scope {
        Scope::Tenant => true,
        Scope::Subject(subject) => *subject == person.subject,
        _ => desk.caller.is_overseer(),
    };
    let locks = desk.access.locks();
    let page = Page {
        frame: Frame::new(desk, "/console", "Overview"),
        locks: locks
            .iter()
            .filter(|lock| concerns(&lock.scope))
            .map(lock_row)
            .collect(),
        to_decide: figures.to_decide.len(),
        mine: figures.mine,
        grants: figures.grants,
        chart: figures.minutes.as_deref().map(Chart::of),
        width: chart::WIDTH,
        height: chart::HEIGHT,
        waiting: figures
            .to_decide
            .iter()
            .take(WAITING_MAX)
            .map(request_row)
            .collect(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}
