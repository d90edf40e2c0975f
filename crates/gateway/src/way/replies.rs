//! What a client answers to a server: only what the server may ask of it.

use std::collections::BTreeSet;

use cardea_domain::{Action, Code, Denial, Target};
use cardea_mcp::{Message, json, method};
use serde_json::Value;

use super::{
    Ask, Resolved,
    validated::{Session, Wanted},
};
use crate::Asked;

/// What a client's response needs to be permitted: what the server asked for. From here on the
/// response carries the server's own id.
pub(super) fn response(
    resolved: &mut Resolved,
    session: &Session,
    asked: &Asked,
) -> Result<Wanted, Denial> {
    let nothing = || {
        Denial::new(
            Code::EnvelopeInvalid,
            "this answers nothing that the server asked of you",
        )
        .help("answer a server's request under the id that it came with")
    };
    let (Ask::Message(message), Some(upstream)) = (&resolved.ask, &resolved.asked) else {
        return Err(nothing());
    };
    let (id, span) = message.id().zip(message.id_span()).ok_or_else(nothing)?;
    let question = asked
        .question(&resolved.principal, upstream, session, id.raw())
        .ok_or_else(nothing)?;
    let action = method::server_request(&question.method).ok_or_else(nothing)?;
    let text = json::splice(message.text(), &[(span, question.id.as_bytes())]);
    // It was read before, and only its id is another.
    let limits = cardea_mcp::Limits {
        depth_max: usize::MAX,
    };
    let message = Message::parse(text.into(), &limits).map_err(|_| nothing())?;
    resolved.facts.id = Some(question.id);
    resolved.ask = Ask::Message(message);
    Ok(vec![(action, Target::Upstream)])
}

/// What a client answers within its request (2026-07-28, MRTR) has to be permitted like what the
/// server asks: a server that keeps nothing cannot tell whether it ever asked.
///
/// An answer does not name its request, so its members tell; one that they do not tell of needs
/// every permission.
pub(super) fn input_responses(message: &Message) -> Result<Wanted, Denial> {
    let Some(raw) = message.body("inputResponses").filter(|raw| *raw != "null") else {
        return Ok(Vec::new());
    };
    let answers: Value = serde_json::from_str(raw).map_err(|_| {
        Denial::new(
            Code::ParamsInvalid,
            "`params.inputResponses` cannot be read",
        )
    })?;
    let mut actions = BTreeSet::new();
    match &answers {
        Value::Object(answers) => answers.values().for_each(|a| told(a, &mut actions)),
        other => told(other, &mut actions),
    }
    Ok(actions
        .into_iter()
        .map(|action| (action, Target::Upstream))
        .collect())
}

/// What one answer may be an answer to.
fn told(answer: &Value, actions: &mut BTreeSet<Action>) {
    let has = |key: &str| answer.get(key).is_some();
    let all = [
        (has("roots"), Action::ListRoots),
        (has("action"), Action::Elicit),
        (has("role") || has("model"), Action::Sample),
    ];
    let is_told = all.iter().any(|(is, _)| *is);
    let wanted = all.iter().filter(|(is, _)| *is || !is_told);
    actions.extend(wanted.map(|(_, action)| *action));
}
