//! What a row says, in words.

use cardea_access::{AccessRequest, Grant, Kind, Lock, RequestState, Scope, Terms};
use cardea_domain::{Target, UpstreamId};

use crate::{
    text::{Breaks, visible},
    time::{self, Moment},
};

/// Cells are cut here; the page of the thing itself says more.
const CELL_CHARS_MAX: usize = 120;

#[derive(Debug)]
pub(crate) struct RequestRow {
    pub(crate) id: String,
    pub(crate) asked: Moment,
    pub(crate) subject: String,
    pub(crate) actor: String,
    pub(crate) target: String,
    pub(crate) terms: String,
    pub(crate) state: &'static str,
    /// When it ends unanswered, while it waits.
    pub(crate) ends: Option<Moment>,
    /// The whole minutes that were asked for.
    pub(crate) minutes: u64,
}

#[derive(Debug)]
pub(crate) struct GrantRow {
    pub(crate) id: String,
    pub(crate) request: String,
    pub(crate) subject: String,
    pub(crate) actor: String,
    pub(crate) target: String,
    pub(crate) terms: String,
    pub(crate) used: String,
    pub(crate) state: &'static str,
    /// When it ends, while it is active.
    pub(crate) ends: Option<Moment>,
    /// When it ended.
    pub(crate) ended: String,
}

#[derive(Debug)]
pub(crate) struct LockRow {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) since: Moment,
    pub(crate) by: String,
    pub(crate) ends: Option<Moment>,
}

fn cell(text: &str) -> String {
    visible(text, CELL_CHARS_MAX, Breaks::Shown)
}

pub(crate) fn request_row(request: &AccessRequest) -> RequestRow {
    let is_pending = request.state == RequestState::Pending;
    RequestRow {
        id: request.id.to_string(),
        asked: Moment::at(request.created_ms),
        subject: cell(request.subject.as_str()),
        actor: cell(request.actor.as_str()),
        target: target(&request.upstream, &request.target),
        terms: terms(&request.terms),
        state: request.state.as_str(),
        ends: is_pending.then(|| Moment::at(request.expires_ms)),
        minutes: time::minutes(request.terms.duration),
    }
}

pub(crate) fn grant_row(grant: &Grant, now_ms: u64) -> GrantRow {
    let state = grant_state(grant, now_ms);
    let is_active = state == "active";
    let ended_ms = grant
        .ended
        .as_ref()
        .map_or(grant.expires_ms, |(at_ms, _)| *at_ms);
    GrantRow {
        id: grant.id.to_string(),
        request: grant.request.to_string(),
        subject: cell(grant.subject.as_str()),
        actor: cell(grant.actor.as_str()),
        target: target(&grant.upstream, &grant.target),
        terms: terms(&grant.terms),
        used: used(grant),
        state,
        ends: is_active.then(|| Moment::at(grant.expires_ms)),
        ended: if is_active {
            String::new()
        } else {
            Moment::at(ended_ms).text
        },
    }
}

/// `active`, or how it ended. One whose time is over is not active, whether or not anybody has
/// noticed.
pub(crate) fn grant_state(grant: &Grant, now_ms: u64) -> &'static str {
    match &grant.ended {
        Some((_, reason)) => reason.as_str(),
        None if grant.expires_ms <= now_ms => "expired",
        None => "active",
    }
}

pub(crate) fn lock_row(lock: &Lock) -> LockRow {
    let name = match &lock.scope {
        Scope::Tenant => "everything".to_owned(),
        Scope::Subject(id) => id.to_string(),
        Scope::Actor(id) => id.to_string(),
        Scope::Upstream(id) => id.to_string(),
        Scope::Tool(upstream, tool) => format!("{upstream}/{tool}"),
        Scope::Run(id) => id.to_string(),
    };
    LockRow {
        id: lock.id.to_string(),
        kind: lock.scope.kind(),
        name: cell(&name),
        reason: visible(&lock.reason, cardea_access::REASON_CHARS_MAX, Breaks::Shown),
        since: Moment::at(lock.set_ms),
        by: cell(&lock.set_by),
        ends: lock.expires_ms.map(Moment::at),
    }
}

/// `files/write_file`.
pub(crate) fn target(upstream: &UpstreamId, target: &Target) -> String {
    match target.name() {
        Some(name) => cell(&format!("{upstream}/{name}")),
        None => upstream.to_string(),
    }
}

/// "one call within 10 min", "5 calls within 1 h", "10 min".
pub(crate) fn terms(terms: &Terms) -> String {
    let time = time::duration(terms.duration);
    match (terms.kind, terms.calls_max) {
        (Kind::Once, _) => format!("one call within {time}"),
        (_, Some(calls)) => format!("{calls} calls within {time}"),
        (_, None) => time,
    }
}

fn used(grant: &Grant) -> String {
    let calls = match grant.terms.calls_max {
        Some(max) => format!("{} of {max} calls", grant.calls_used),
        None => return "not counted".to_owned(),
    };
    match grant.terms.bytes_max {
        Some(max) => format!("{calls}, {} of {max} bytes", grant.bytes_used),
        None => calls,
    }
}
