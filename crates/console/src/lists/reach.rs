//! Who can reach what, until when and why: by a grant, by an entitlement, which lets them ask, or by a policy.

use cardea_access::{Entitlement, Grant, Pattern};
use cardea_domain::UpstreamId;

use super::{Rows, grant_state, grants, target};
use crate::{
    Standing,
    desk::Desk,
    refusal::Refusal,
    text::{Breaks, visible},
    time::{Moment, iso},
};

#[derive(Debug)]
pub(crate) struct ReachRow {
    /// `grant` or `entitlement`.
    pub(crate) why: &'static str,
    pub(crate) state: &'static str,
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) actor: String,
    pub(crate) target: String,
    pub(crate) upstream: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) until: Option<String>,
    pub(crate) ends: Option<Moment>,
    pub(crate) request: Option<String>,
    /// The entitlement or policy.
    pub(crate) rule: String,
    /// The rule, and what else there is to say of it.
    pub(crate) because: String,
}

/// The rows of one page.
pub(crate) async fn reach(desk: &Desk<'_>) -> Result<Rows<ReachRow>, Refusal> {
    match desk.ask.param("why") {
        Some("entitlement") => return Ok(by_entitlements(desk)),
        Some("policy") => return by_policies(desk),
        _ => {}
    }
    let found = grants(desk, "any").await?;
    let now_ms = desk.now_ms();
    let items = found
        .items
        .iter()
        .map(|grant| by_grant(grant, now_ms))
        .collect();
    Ok(Rows {
        items,
        after: found.after,
    })
}

fn by_grant(grant: &Grant, now_ms: u64) -> ReachRow {
    let state = grant_state(grant, now_ms);
    let ended_ms = grant
        .ended
        .as_ref()
        .map_or(grant.expires_ms, |(at_ms, _)| *at_ms);
    ReachRow {
        why: "grant",
        state,
        id: grant.id.to_string(),
        subject: shown(grant.subject.as_str()),
        actor: shown(grant.actor.as_str()),
        target: target(&grant.upstream, &grant.target),
        upstream: grant.upstream.to_string(),
        kind: grant.target.kind().to_ascii_lowercase(),
        name: shown(grant.target.name().unwrap_or_default()),
        until: Some(iso(ended_ms)),
        ends: (state == "active").then(|| Moment::at(grant.expires_ms)),
        request: Some(grant.request.to_string()),
        rule: grant.entitlement.to_string(),
        because: format!("under {}", grant.entitlement),
    }
}

/// Entitlements that the person may see: all, or those that name them as one who decides.
fn by_entitlements(desk: &Desk<'_>) -> Rows<ReachRow> {
    let caller = &desk.caller;
    let seen = desk
        .entitlements
        .iter()
        .filter(|e| caller.is_overseer() || caller.is_named(e));
    let asked = |name: &str| desk.ask.param(name).map(str::to_owned);
    let (subject, actor) = (asked("subject"), asked("actor"));
    let (upstream, tool) = (asked("upstream"), asked("tool"));
    let rows = seen
        .filter(|e| {
            fits(&e.requesters.subjects, subject.as_deref())
                && fits(&e.requesters.actors, actor.as_deref())
        })
        .flat_map(|e| {
            e.resources
                .iter()
                .enumerate()
                .map(move |(place, resource)| (e, place, resource))
        })
        .filter(|(_, _, resource)| {
            fits(
                std::slice::from_ref(&resource.upstream),
                upstream.as_deref(),
            ) && fits(std::slice::from_ref(&resource.name), tool.as_deref())
        })
        .map(|(entitlement, place, resource)| {
            let (upstream, name) = (resource.upstream.to_string(), resource.name.to_string());
            ReachRow {
                why: "entitlement",
                state: "may ask",
                id: format!("{}-{place}", entitlement.id),
                subject: people(entitlement),
                actor: patterns(&entitlement.requesters.actors),
                target: shown(&format!("{upstream}/{name}")),
                upstream: shown(&upstream),
                kind: resource.kind.as_str().to_owned(),
                name: shown(&name),
                until: None,
                ends: None,
                request: None,
                rule: entitlement.id.to_string(),
                because: because(entitlement),
            }
        });
    Rows::of(&desk.ask, rows.collect(), |row| &row.id)
}

/// Policies that permit by themselves, which is standing access: for those who see everything.
fn by_policies(desk: &Desk<'_>) -> Result<Rows<ReachRow>, Refusal> {
    let Some(upstream) = desk.ask.param("upstream") else {
        return Err(Refusal::field(
            "upstream",
            "this is missing",
            "name the server: policies are about one",
        ));
    };
    let wrong = |error: cardea_domain::InvalidId| {
        Refusal::field(
            "upstream",
            error.to_string(),
            "spell it as the configuration does",
        )
    };
    let upstream = UpstreamId::parse(upstream).map_err(wrong)?;
    let mut rows = Vec::new();
    if desk.caller.is_overseer() {
        let tool = desk.ask.param("tool");
        for policy in desk.rooms.standing(desk.tenant(), &upstream, tool) {
            rows.push(by_policy(policy, &upstream, tool));
        }
    }
    Ok(Rows::of(&desk.ask, rows, |row| &row.id))
}

fn by_policy(policy: Standing, upstream: &UpstreamId, tool: Option<&str>) -> ReachRow {
    let because = match policy.conditions.is_empty() {
        true => policy.id.clone(),
        false => format!("{}: {}", policy.id, policy.conditions.join(" ")),
    };
    ReachRow {
        why: "policy",
        state: "standing",
        subject: shown(&policy.who),
        actor: "any".to_owned(),
        target: shown(&policy.what),
        upstream: upstream.to_string(),
        kind: "tool".to_owned(),
        name: shown(tool.unwrap_or("*")),
        until: None,
        ends: None,
        request: None,
        rule: shown(&policy.id),
        because: shown(&because),
        id: policy.id,
    }
}

/// Whether a name could be meant by a list of patterns, of which an empty one means all.
fn fits(patterns: &[Pattern], name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

fn patterns(patterns: &[Pattern]) -> String {
    match patterns.is_empty() {
        true => "any".to_owned(),
        false => shown(
            &patterns
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ),
    }
}

fn people(entitlement: &Entitlement) -> String {
    let requesters = &entitlement.requesters;
    match (requesters.subjects.is_empty(), requesters.groups.is_empty()) {
        (_, true) => patterns(&requesters.subjects),
        (true, false) => format!("group {}", patterns(&requesters.groups)),
        (false, false) => format!(
            "{}, in group {}",
            patterns(&requesters.subjects),
            patterns(&requesters.groups)
        ),
    }
}

fn because(entitlement: &Entitlement) -> String {
    let stages = entitlement.stages.len();
    let who = match stages {
        0 => "a rule decides".to_owned(),
        1 => "people decide".to_owned(),
        n => format!("people decide in {n} stages"),
    };
    format!("{}: {who}", entitlement.id)
}

fn shown(text: &str) -> String {
    visible(text, 200, Breaks::Shown)
}
