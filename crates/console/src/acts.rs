//! What people do: the same for pages, which come back to a page, and for programs, which get the
//! thing as it is afterwards. Each goes to the access room, which has the last word.

mod asking;
mod scopes;
pub(crate) mod servers;

use std::time::Duration;

use cardea_access::{
    AccessRequest, Approver, ChangeError, Decision, Grant, Holder, Narrowing, RequestState, Verdict,
};
use cardea_domain::GrantId;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api,
    desk::Desk,
    refusal::{Refusal, down},
    reply::{self, Reply},
    tighter, time,
};

pub(crate) use asking::{ask, cancel, extend, justify};
pub(crate) use scopes::{lock, revoke_all, unlock};

/// A year; entitlements bound it further.
pub(crate) const MINUTES_MAX: u64 = 366 * 24 * 60;
/// What entitlements bound further.
pub(crate) const CALLS_MAX: u64 = 1_000_000;
pub(crate) const SCOPE_KINDS: &[&str] = &["tenant", "subject", "actor", "upstream", "tool", "run"];

/// What entitlements bound further.
pub(crate) const BYTES_MAX: u64 = 1 << 50;

const MINUTE_S: u64 = 60;

pub(crate) async fn approve(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    let calls = desk
        .ask
        .number("calls")
        .filter(|calls| Some(*calls) != request.terms.calls_max);
    // The number that a page offers is the whole of what was asked for, seconds included.
    let minutes = desk
        .ask
        .number("minutes")
        .filter(|minutes| *minutes != time::minutes(request.terms.duration));
    let bytes = desk
        .ask
        .number("bytes")
        .filter(|bytes| Some(*bytes) != request.terms.bytes_max);
    let narrowing = Narrowing {
        duration: minutes.map(|minutes| Duration::from_secs(minutes * MINUTE_S)),
        calls_max: calls,
        bytes_max: bytes,
        constraint: both(
            constraint(desk)?,
            tighter::chosen(|name| desk.ask.field(name))?,
        ),
    };
    decide(desk, request, Verdict::Approve, narrowing).await
}

/// What satisfies both schemas.
fn both(one: Option<Value>, other: Option<Value>) -> Option<Value> {
    match (one, other) {
        (Some(one), Some(other)) => Some(json!({ "allOf": [one, other] })),
        (one, other) => one.or(other),
    }
}

fn constraint(desk: &Desk<'_>) -> Result<Option<Value>, Refusal> {
    let parse = |text: &str| {
        serde_json::from_str(text).map_err(|error| {
            let what = format!("this is not JSON: {error}");
            Refusal::field("constraint", what, "send a JSON Schema as text")
        })
    };
    desk.ask.field("constraint").map(parse).transpose()
}

pub(crate) async fn refuse(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    decide(desk, request, Verdict::Refuse, Narrowing::default()).await
}

async fn decide(
    desk: &Desk<'_>,
    request: AccessRequest,
    verdict: Verdict,
    narrowing: Narrowing,
) -> Result<Reply, Refusal> {
    let caller = &desk.caller;
    // A program's login is as old as it is: a refusal only takes away.
    if caller.program.is_none() {
        desk.check_login()?;
    }
    let approver = Approver {
        subject: &caller.person.subject,
        groups: &caller.person.groups,
        is_person: true,
        program: caller.program.as_ref(),
    };
    let decision = Decision {
        verdict,
        reason: desk.ask.field("reason").map(str::to_owned),
        narrowing,
    };
    let decided = desk
        .access
        .decide(&desk.entitlements, &request.id, approver, &decision)
        .await?;
    let done = match decided.state {
        RequestState::Refused => "refused",
        RequestState::Pending => "counted",
        _ => "approved",
    };
    request_reply(desk, &decided, StatusCode::OK, done)
}

/// Ends a grant: one of theirs, one that they may decide about, or any for an administrator.
pub(crate) async fn revoke(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let grant = desk.grant().await?;
    if !desk
        .caller
        .may_revoke(&grant, desk.entitlements.entitlement(&grant.entitlement))
    {
        return Err(Refusal::role(
            "ask an administrator, or somebody who decides about it",
        ));
    }
    let reason = desk.ask.field("reason").unwrap_or_default();
    let by = desk.caller.by();
    over(desk.access.revoke_grant(&grant.id, by, reason).await)?;
    grant_reply(desk, &desk.grant().await?, "revoked")
}

/// Gives a grant back that is in the person's name.
pub(crate) async fn release(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let grant = desk.grant().await?;
    if grant.subject != desk.caller.person.subject {
        return Err(Refusal::role("revoke it instead, if you may"));
    }
    let holder = Holder::Person(desk.caller.by());
    over(desk.access.release(&grant.id, holder).await)?;
    grant_reply(desk, &desk.grant().await?, "released")
}

/// What was seen a moment ago and is unknown now has ended meanwhile.
fn over(changed: Result<(), ChangeError>) -> Result<(), Refusal> {
    match changed {
        Err(ChangeError::Unknown(_)) => Err(Refusal::ended()),
        changed => Ok(changed?),
    }
}

/// A field that names something.
fn need<T>(
    desk: &Desk<'_>,
    field: &'static str,
    parse: impl Fn(&str) -> Result<T, cardea_domain::InvalidId>,
) -> Result<T, Refusal> {
    let text = desk.ask.field(field).unwrap_or_default();
    parse(text).map_err(|error| {
        Refusal::field(
            field,
            format!("this is not a valid {}", error.kind),
            error.rule,
        )
    })
}

fn request_reply(
    desk: &Desk<'_>,
    request: &AccessRequest,
    status: StatusCode,
    done: &'static str,
) -> Result<Reply, Refusal> {
    Ok(match desk.is_api() {
        true => reply::json(status, &api::request_json(request)),
        false => reply::see_other(&format!("/console/requests/{}?done={done}", request.id)),
    })
}

fn grant_reply(desk: &Desk<'_>, grant: &Grant, done: &'static str) -> Result<Reply, Refusal> {
    Ok(match desk.is_api() {
        true => reply::json(StatusCode::OK, &api::grant_json(grant, desk.now_ms())),
        false => reply::see_other(&format!("/console/grants?done={done}")),
    })
}

impl Desk<'_> {
    /// The grant that the path names, where it is this person's to see.
    async fn grant(&self) -> Result<Grant, Refusal> {
        let id = GrantId::parse(&self.id).map_err(|_| Refusal::not_found())?;
        let found = self.access.grant_view(&id).await.map_err(down)?;
        let may_see = |grant: &Grant| {
            let entitlement = self.entitlements.entitlement(&grant.entitlement);
            self.caller.may_see_grant(grant, entitlement)
        };
        found.filter(may_see).ok_or_else(Refusal::not_found)
    }
}
