//! What is done to a part of the tenant: locking it, lifting that, ending every grant in it.

use cardea_access::{NewLock, Scope};
use cardea_domain::{ActorId, LockId, RunId, SubjectId, ToolName, UpstreamId};
use http::StatusCode;
use serde_json::json;

use super::{MINUTE_S, need};
use crate::{
    api,
    desk::Desk,
    refusal::Refusal,
    reply::{self, Reply},
};

/// Ends every grant of a scope: any for an administrator, for others what is in their own name.
pub(crate) async fn revoke_all(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let scope = scope(desk)?;
    let own = Scope::Subject(desk.caller.person.subject.clone());
    if !desk.caller.is_administrator && scope != own {
        return Err(Refusal::role("ask an administrator of your tenant"));
    }
    let reason = desk.ask.field("reason").unwrap_or_default();
    let revoked = desk.access.revoke(&scope, desk.caller.by(), reason).await?;
    Ok(match desk.is_api() {
        true => reply::json(StatusCode::OK, &json!({"revoked": revoked})),
        false => reply::see_other("/console/grants?done=revoked"),
    })
}

pub(crate) async fn lock(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let scope = scope(desk)?;
    let minutes = desk.ask.number("minutes");
    let expires_ms = minutes.map(|minutes| desk.now_ms() + minutes * MINUTE_S * 1000);
    let new = NewLock {
        scope,
        reason: desk.ask.field("reason").unwrap_or_default(),
        by: desk.caller.by(),
        expires_ms,
    };
    let lock = desk.access.lock(new).await?;
    match desk.is_api() {
        true => Ok(reply::json(StatusCode::CREATED, &api::lock_json(&lock))),
        false => Ok(reply::see_other("/console/locks?done=locked")),
    }
}

fn scope(desk: &Desk<'_>) -> Result<Scope, Refusal> {
    Ok(match desk.ask.field("kind").unwrap_or_default() {
        "tenant" => Scope::Tenant,
        "subject" => Scope::Subject(need(desk, "name", SubjectId::parse)?),
        "actor" => Scope::Actor(need(desk, "name", ActorId::parse)?),
        "upstream" => Scope::Upstream(need(desk, "name", UpstreamId::parse)?),
        "tool" => {
            let named = desk.ask.field("name").unwrap_or_default().split_once('/');
            let parsed = named.and_then(|(upstream, tool)| {
                Some((
                    UpstreamId::parse(upstream).ok()?,
                    ToolName::parse(tool).ok()?,
                ))
            });
            let (upstream, tool) = parsed.ok_or_else(|| {
                Refusal::field(
                    "name",
                    "this names no tool of a server",
                    "write it as `server/tool`",
                )
            })?;
            Scope::Tool(upstream, tool)
        }
        _ => Scope::Run(need(desk, "name", RunId::parse)?),
    })
}

pub(crate) async fn unlock(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let id = LockId::parse(&desk.id).map_err(|_| Refusal::not_found())?;
    // Lifting gives, as approving does.
    desk.check_login()?;
    desk.access.unlock(&id, desk.caller.by()).await?;
    match desk.is_api() {
        true => Ok(reply::typed(
            StatusCode::NO_CONTENT,
            "application/json",
            bytes::Bytes::new(),
        )),
        false => Ok(reply::see_other("/console/locks?done=lifted")),
    }
}
