//! Asking: beforehand, for a later end, for a request to be taken back; and saying why.

use std::{sync::Arc, time::Duration};

use cardea_access::{Asker, Holder, Kind, Moment, NewRequest, Reason};
use cardea_domain::{Action, ActorId, PromptName, ResourceUri, Target, ToolName, UpstreamId};
use http::StatusCode;

use super::{MINUTE_S, constraint, need, over, request_reply};
use crate::{desk::Desk, refusal::Refusal, reply::Reply};

/// Asks beforehand, for an agent that acts for the person.
pub(crate) async fn ask(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let groups = groups(desk);
    let actor = need(desk, "actor", ActorId::parse)?;
    let upstream = need(desk, "upstream", UpstreamId::parse)?;
    let (action, target) = wish(desk)?;
    let known = desk.subject(&upstream, &target).await?;
    let kind = desk.ask.field("grant").map(|kind| match kind {
        "time" => Kind::Time,
        "calls" => Kind::Calls,
        _ => Kind::Once,
    });
    let constraint = constraint(desk)?;
    let new = NewRequest {
        asker: Asker::person(desk.caller.by(), &groups, &actor),
        moment: Moment::Ahead,
        action,
        upstream: &upstream,
        target: &target,
        kind,
        arguments: desk.ask.field("arguments"),
        constraint: constraint.as_ref(),
        duration: duration(desk),
        calls_max: desk.ask.number("calls"),
        tool_digest: known.digest,
        policies: desk.rooms.policies(desk.tenant()),
        reason: reason(desk),
        ticket: desk.ask.field("ticket"),
        model: None,
        client: None,
        extends: None,
    };
    let request = desk.access.ask(&desk.entitlements, &new).await?;
    request_reply(desk, &request, StatusCode::CREATED, "asked")
}

fn wish(desk: &Desk<'_>) -> Result<(Action, Target), Refusal> {
    Ok(match desk.ask.field("kind").unwrap_or("tool") {
        "resource" => (
            Action::ReadResource,
            Target::Resource(need(desk, "name", ResourceUri::parse)?),
        ),
        "prompt" => (
            Action::GetPrompt,
            Target::Prompt(need(desk, "name", PromptName::parse)?),
        ),
        _ => (
            Action::CallTool,
            Target::Tool(need(desk, "name", ToolName::parse)?),
        ),
    })
}

/// Asks for a later end of a grant that is in the person's name, which has to be approved anew.
pub(crate) async fn extend(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let grant = desk.grant().await?;
    if grant.subject != desk.caller.person.subject {
        return Err(Refusal::role("ask the person in whose name it is"));
    }
    let groups = groups(desk);
    let known = desk.subject(&grant.upstream, &grant.target).await?;
    let new = NewRequest {
        asker: Asker::holder(desk.caller.by(), &groups, &grant),
        moment: Moment::Ahead,
        action: grant.action,
        upstream: &grant.upstream,
        target: &grant.target,
        kind: Some(grant.terms.kind),
        arguments: None,
        constraint: None,
        duration: duration(desk),
        calls_max: None,
        tool_digest: known.digest,
        policies: desk.rooms.policies(desk.tenant()),
        reason: reason(desk),
        ticket: desk.ask.field("ticket"),
        model: None,
        client: None,
        extends: Some(&grant.id),
    };
    let request = desk.access.ask(&desk.entitlements, &new).await?;
    request_reply(desk, &request, StatusCode::CREATED, "asked")
}

/// Adds why it is wanted, for those who decide.
pub(crate) async fn justify(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    if request.subject != desk.caller.person.subject {
        return Err(Refusal::role("ask the person in whose name it was asked"));
    }
    let text = desk.ask.field("reason").unwrap_or_default();
    over(
        desk.access
            .justify(&request.id, desk.caller.by(), text)
            .await,
    )?;
    request_reply(desk, &desk.request().await?, StatusCode::OK, "justified")
}

pub(crate) async fn cancel(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    if request.subject != desk.caller.person.subject {
        return Err(Refusal::role("ask the person in whose name it was asked"));
    }
    let holder = Holder::Person(desk.caller.by());
    over(desk.access.cancel(&request.id, holder).await)?;
    request_reply(desk, &desk.request().await?, StatusCode::OK, "cancelled")
}

fn groups(desk: &Desk<'_>) -> Vec<Arc<str>> {
    let groups = desk.caller.person.groups.iter();
    groups.map(|group| group.as_str().into()).collect()
}

fn duration(desk: &Desk<'_>) -> Option<Duration> {
    let minutes = desk.ask.number("minutes")?;
    Some(Duration::from_secs(minutes * MINUTE_S))
}

fn reason(desk: &Desk<'_>) -> Option<Reason> {
    let text = desk.ask.field("reason")?;
    Some(Reason::by(desk.caller.by(), text))
}
