//! The roots of a client that a server may see: others are taken out of the answer on its way.
//!
//! By the shape of the answer and not by what was asked, since in the modern era the client alone knows which of its answers
//! is to what.

use bytes::Bytes;
use cardea_domain::{Code, Denial};
use cardea_guard::roots::{self, RootPattern};
use cardea_mcp::{Kind, Limits as JsonLimits, Message, json::Level};
use cardea_registry::Known;
use serde_json::Value;

use super::Ask;
use crate::world::World;

/// Takes out what the server may not see.
///
/// # Errors
/// [`Code::Internal`] when that cannot be done; then nothing may go.
pub(super) fn keep_visible(world: &World, known: &Known, ask: &mut Ask) -> Result<(), Denial> {
    let patterns = world.firewall(known).and_then(|firewall| firewall.roots());
    let (Ask::Message(message), Some(patterns)) = (ask, patterns) else {
        return Ok(());
    };
    let edited = match message.kind() {
        Kind::Result => of_response(patterns, message),
        Kind::Request => of_answers(patterns, message),
        Kind::Notification | Kind::Error => None,
    };
    let Some((key, raw)) = edited else {
        return Ok(());
    };
    let text = message.with_member(Level::Body, key, &raw);
    let text = text.ok_or_else(|| internal("the roots cannot be replaced"))?;
    // Nothing nests deeper than in the message that was checked.
    let limits = JsonLimits {
        depth_max: usize::MAX,
    };
    *message = Message::parse(Bytes::from(text), &limits).map_err(internal)?;
    Ok(())
}

/// A response of the legacy era.
fn of_response(patterns: &[RootPattern], message: &Message) -> Option<(&'static str, String)> {
    let (kept, _) = roots::filter(patterns, message.body("roots")?)?;
    Some(("roots", kept))
}

/// Answers beside a request of the modern era.
fn of_answers(patterns: &[RootPattern], message: &Message) -> Option<(&'static str, String)> {
    let mut answers: Value = serde_json::from_str(message.body("inputResponses")?).ok()?;
    let mut is_edited = filter_in(patterns, &mut answers);
    let each: Vec<&mut Value> = match &mut answers {
        Value::Object(members) => members.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    for answer in each {
        is_edited |= filter_in(patterns, answer);
    }
    is_edited.then(|| ("inputResponses", answers.to_string()))
}

fn filter_in(patterns: &[RootPattern], answer: &mut Value) -> bool {
    let Some(roots) = answer.get_mut("roots") else {
        return false;
    };
    let Some((kept, _)) = roots::filter(patterns, &roots.to_string()) else {
        return false;
    };
    // INVARIANT: it was written as JSON; an empty list shows nothing in any case.
    *roots = serde_json::from_str(&kept).unwrap_or_else(|_| Value::Array(Vec::new()));
    true
}

fn internal(detail: impl std::fmt::Display) -> Denial {
    Denial::new(
        Code::Internal,
        "the answer could not be made fit for the server",
    )
    .detail(detail)
}
