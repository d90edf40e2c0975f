//! What policies make of a call that somebody thinks of, and who could approve it.

use std::sync::Arc;

use cardea_access::{Entitlement, Need, Stage};
use cardea_domain::{
    Action, ActorId, KeyBinding, Principal, RunId, RunSource, SubjectId, Target, ToolName,
    UpstreamId,
};
use serde_json::{Value, json};

use crate::{
    Explained, SupposedCall,
    desk::Desk,
    field::Field,
    refusal::Refusal,
    reply::{self, Reply},
};

/// What the route takes.
pub(crate) const QUERY: &[Field] = &[
    Field::text("subject", 255, "the person on whose behalf"),
    Field::text("actor", 255, "the agent"),
    Field::text(
        "groups",
        4096,
        "the person's groups, with commas between them",
    ),
    Field::text("upstream", 63, "the server"),
    Field::text("tool", 255, "the tool"),
    Field::text(
        "arguments",
        8192,
        "the arguments, as a JSON object; without them it says what depends on them",
    ),
];

/// A call with what there is to say of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) explained: Explained,
    /// The entitlement under which it can be asked for, where that would help.
    pub(crate) asked_under: Option<String>,
    /// The kinds of grants, and who decides.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) decided: Option<String>,
}

/// The answer to the query; `None` where nothing was asked.
pub(crate) fn answer(desk: &Desk<'_>) -> Result<Option<Answer>, Refusal> {
    let param = |name: &str| desk.ask.param(name);
    if ["subject", "actor", "upstream", "tool"]
        .iter()
        .all(|name| param(name).is_none())
    {
        return Ok(None);
    }
    let needed = |name: &'static str| {
        let missing = || Refusal::field(name, "this is missing", "name it");
        param(name).ok_or_else(missing)
    };
    let wrong = |name: &'static str| {
        move |error: cardea_domain::InvalidId| {
            Refusal::field(name, error.to_string(), "spell it as records do")
        }
    };
    let subject = SubjectId::parse(needed("subject")?).map_err(wrong("subject"))?;
    let actor = ActorId::parse(needed("actor")?).map_err(wrong("actor"))?;
    let upstream = UpstreamId::parse(needed("upstream")?).map_err(wrong("upstream"))?;
    let tool = ToolName::parse(needed("tool")?).map_err(wrong("tool"))?;
    let target = Target::Tool(tool);
    let groups = groups(param("groups").unwrap_or_default());
    let arguments = match param("arguments") {
        Some(text) => Some(Arc::new(object(text)?)),
        None => None,
    };
    let call = SupposedCall {
        subject: &subject,
        actor: &actor,
        groups: &groups,
        upstream: &upstream,
        target: &target,
        arguments,
    };
    let explained = desk.rooms.explain(desk.tenant(), &call);
    let explained = explained.ok_or_else(Refusal::not_found)?;
    let principal = Principal {
        tenant: desk.tenant().clone(),
        subject,
        actor,
        chain: [].into(),
        run: RunId::parse("explained").map_err(wrong("subject"))?,
        run_source: RunSource::Token,
        binding: KeyBinding::NONE,
        groups,
        standing: Arc::default(),
        task: None,
    };
    let entitlements = &desk.entitlements;
    let entitlement = entitlements.covering(&principal, Action::CallTool, &upstream, &target);
    let entitlement = entitlement.filter(|_| explained.is_grantable);
    Ok(Some(Answer {
        asked_under: entitlement.map(|entitlement| entitlement.id.to_string()),
        kinds: entitlement.map_or_else(Vec::new, |entitlement| {
            entitlement.kinds.iter().map(|kind| kind.as_str()).collect()
        }),
        decided: entitlement.map(deciders),
        explained,
    }))
}

/// As a document.
pub(crate) fn document(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let answer = answer(desk)?;
    let nothing = || Refusal::field("tool", "this is missing", "say which call is meant");
    let answer = answer.ok_or_else(nothing)?;
    Ok(reply::json(http::StatusCode::OK, &json_of(&answer)))
}

fn json_of(answer: &Answer) -> Value {
    let explained = &answer.explained;
    let policies = explained.policies.iter().map(|policy| {
        json!({
            "id": policy.id, "effect": policy.effect, "outcome": policy.outcome,
            "detail": policy.detail,
        })
    });
    json!({
        "decision": explained.decision,
        "by": explained.by,
        "error": explained.error,
        "needs_approval_by": explained.approval,
        "policies": policies.collect::<Vec<_>>(),
        "entitlement": answer.asked_under,
        "kinds": answer.kinds,
        "decided": answer.decided,
    })
}

fn groups(text: &str) -> Arc<[Arc<str>]> {
    let mut names: Vec<&str> = text.split(',').map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Arc::from).collect()
}

fn object(text: &str) -> Result<Value, Refusal> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Refusal::field(
            "arguments",
            "the arguments are no object",
            "send a JSON object",
        )),
        Err(error) => Err(Refusal::field(
            "arguments",
            format!("the arguments are no JSON: {error}"),
            "send a JSON object",
        )),
    }
}

/// Who decides under an entitlement, in words.
pub(crate) fn deciders(entitlement: &Entitlement) -> String {
    let stages: Vec<_> = entitlement.stages.iter().map(stage).collect();
    match stages.is_empty() {
        true => "a rule decides".to_owned(),
        false => stages.join(", then "),
    }
}

fn stage(stage: &Stage) -> String {
    let people = stage.users.iter().map(ToString::to_string);
    let groups = stage.groups.iter().map(|group| format!("group {group}"));
    let all: Vec<_> = people.chain(groups).collect();
    let need = match stage.need {
        Need::Any => "one of".to_owned(),
        Need::N(number) => format!("{number} of"),
        Need::All => "all of".to_owned(),
    };
    format!("{need} {}", all.join(", "))
}
