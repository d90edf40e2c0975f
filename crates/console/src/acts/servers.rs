//! What administrators decide about definitions of servers. A page is the only way: it shows what is decided about, and names
//! it by its digest.

use std::sync::Arc;

use cardea_domain::UpstreamId;
use cardea_registry::{Choice, DefinitionKind, Registrar, RegistrarError};
use http::StatusCode;

use crate::{
    desk::Desk,
    pages,
    refusal::Refusal,
    reply::{self, Reply},
};

pub(crate) const KINDS: &[&str] = &["tool", "prompt", "template", "instructions"];
/// `sha256:` and 64 digits.
pub(crate) const DIGEST_CHARS_MAX: usize = 71;

pub(crate) async fn approve(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (registrar, id) = registry(desk)?;
    let (choices, by, why) = ([choice(desk)?], by(desk), reason(desk));
    let approving = registrar.approve(desk.tenant(), &id, &choices, &by, why);
    approving.await.map_err(refused)?;
    Ok(back(desk, "definition_approved"))
}

pub(crate) async fn reject(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (registrar, id) = registry(desk)?;
    let (choices, by, why) = ([choice(desk)?], by(desk), reason(desk));
    let rejecting = registrar.reject(desk.tenant(), &id, &choices, &by, why);
    rejecting.await.map_err(refused)?;
    Ok(back(desk, "definition_rejected"))
}

pub(crate) async fn withdraw(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (registrar, id) = registry(desk)?;
    let (kind, name) = definition(desk)?;
    let (by, why) = (by(desk), reason(desk));
    let withdrawing = registrar.withdraw(desk.tenant(), &id, kind, name, &by, why);
    withdrawing.await.map_err(refused)?;
    Ok(back(desk, "definition_withdrawn"))
}

/// The registry, and the server that the path names; for a login that is fresh enough to decide.
fn registry(desk: &Desk<'_>) -> Result<(Arc<Registrar>, UpstreamId), Refusal> {
    let facts = pages::servers::facts(desk)?;
    desk.check_login()?;
    let registrar = desk.rooms.registrar(desk.tenant());
    Ok((registrar.ok_or_else(Refusal::not_found)?, facts.id))
}

fn by(desk: &Desk<'_>) -> String {
    desk.caller.person.subject.to_string()
}

fn reason<'a>(desk: &'a Desk<'_>) -> &'a str {
    desk.ask.field("reason").unwrap_or_default()
}

fn definition<'a>(desk: &'a Desk<'_>) -> Result<(DefinitionKind, &'a str), Refusal> {
    let word = desk.ask.field("kind").unwrap_or_default();
    let kind = DefinitionKind::parse(word)
        .ok_or_else(|| Refusal::field("kind", "this is no kind of definition", KINDS.join(", ")))?;
    Ok((kind, desk.ask.field("name").unwrap_or_default()))
}

fn choice(desk: &Desk<'_>) -> Result<Choice, Refusal> {
    let (kind, name) = definition(desk)?;
    let digest =
        desk.ask.field("digest").and_then(digest).ok_or_else(|| {
            Refusal::field("digest", "this is no digest", "`sha256:` and 64 digits")
        })?;
    Ok(Choice {
        kind,
        name: name.to_owned(),
        digest,
    })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:")?;
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn refused(error: RegistrarError) -> Refusal {
    match error {
        RegistrarError::NotWaiting { .. }
        | RegistrarError::NotApproved { .. }
        | RegistrarError::Changed { .. }
        | RegistrarError::RollBack { .. }
        | RegistrarError::Unknown(_) => Refusal::new(
            StatusCode::CONFLICT,
            "E_DEFINITION_CHANGED",
            error.to_string(),
            "load the page again, and look at it as it is now",
        ),
        RegistrarError::Unreadable { .. } => Refusal::new(
            StatusCode::CONFLICT,
            "E_DEFINITION_UNREADABLE",
            error.to_string(),
            "reject it, and tell whoever runs the server",
        ),
        RegistrarError::Reason => {
            Refusal::field("reason", error.to_string(), "say why in a sentence")
        }
        RegistrarError::Store(error) => {
            tracing::error!(%error, "a decision about a definition is not in the store");
            Refusal::unavailable()
        }
    }
}

fn back(desk: &Desk<'_>, done: &'static str) -> Reply {
    reply::see_other(&format!("/console/servers/{}?done={done}", desk.id))
}
