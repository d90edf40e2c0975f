//! What programs get: the same things as the pages show, as documents. The schemas are in
//! [`crate::openapi`]; a test holds every answer against them.

use cardea_access::{AccessRequest, Author, Grant, Lock, Reason, Scope, Terms};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    desk::Desk,
    export,
    lists::{self, AgentRow, ReachRow, Rows},
    pages,
    refusal::Refusal,
    reply::{self, Reply},
    time::iso,
};

pub(crate) async fn overview(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let figures = pages::overview::Figures::of(desk).await?;
    let minutes = figures.minutes.map(|minutes| {
        let minute =
            |minute: &crate::Minute| json!({"calls": minute.calls, "denials": minute.denials});
        minutes.iter().map(minute).collect::<Vec<_>>()
    });
    let document = json!({
        "to_decide": figures.to_decide.len(),
        "mine": figures.mine,
        "grants": figures.grants,
        "minutes": minutes,
    });
    Ok(reply::json(StatusCode::OK, &document))
}

pub(crate) async fn request(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    Ok(reply::json(StatusCode::OK, &request_json(&request)))
}

/// The columns of a list's file: the members of its items, in the order in which people read.
type Columns = &'static [&'static str];

const REQUEST: Columns = &[
    "id",
    "state",
    "entitlement",
    "subject",
    "actor",
    "run",
    "action",
    "upstream",
    "kind",
    "name",
    "arguments",
    "constraint",
    "terms",
    "reason",
    "justification",
    "ticket",
    "model",
    "client",
    "extends",
    "created",
    "expires",
    "grant",
    "decisions",
];
const GRANT: Columns = &[
    "id",
    "state",
    "request",
    "entitlement",
    "subject",
    "actor",
    "run",
    "upstream",
    "kind",
    "name",
    "constraints",
    "terms",
    "calls_used",
    "bytes_used",
    "begins",
    "expires",
    "ended",
];
const REACH: Columns = &[
    "why", "state", "id", "rule", "subject", "actor", "upstream", "kind", "name", "until",
];
const AGENT: Columns = &[
    "actor",
    "subjects",
    "asked",
    "pending",
    "refused",
    "grants",
    "last_asked",
];
const LOCK: Columns = &["id", "kind", "name", "reason", "by", "since", "expires"];

pub(crate) async fn requests(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::requests(desk).await?;
    list(desk, "requests", REQUEST, &rows, request_json)
}

pub(crate) async fn grants(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let now_ms = desk.now_ms();
    let rows = lists::grants(desk, "active").await?;
    list(desk, "grants", GRANT, &rows, |grant| {
        grant_json(grant, now_ms)
    })
}

pub(crate) async fn reach(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    list(desk, "reach", REACH, &lists::reach(desk).await?, reach_json)
}

pub(crate) async fn agents(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    list(
        desk,
        "agents",
        AGENT,
        &lists::agents(desk).await?,
        agent_json,
    )
}

pub(crate) fn locks(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    list(desk, "locks", LOCK, &lists::locks(desk), lock_json)
}

/// A page of a list as a document, or more of it as a file.
fn list<T>(
    desk: &Desk<'_>,
    name: &str,
    columns: Columns,
    rows: &Rows<T>,
    item: impl Fn(&T) -> Value,
) -> Result<Reply, Refusal> {
    if lists::is_csv(&desk.ask) {
        let cells = rows.items.iter().map(|row| cells(columns, &item(row)));
        let content = export::csv(columns, cells)?;
        let name = format!("{name}.csv");
        return Ok(reply::file("text/csv; charset=utf-8", &name, content));
    }
    let items: Vec<_> = rows.items.iter().map(item).collect();
    let document = json!({"items": items, "next": rows.paging(&desk.ask).next});
    Ok(reply::json(StatusCode::OK, &document))
}

/// What is nested stands as JSON in its cell.
fn cells(columns: Columns, item: &Value) -> Vec<String> {
    let cell = |name: &&str| match item.get(*name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    columns.iter().map(cell).collect()
}

pub(crate) fn request_json(request: &AccessRequest) -> Value {
    let decisions: Vec<_> = request
        .approvals
        .iter()
        .map(|approval| {
            json!({
                "by": approval.by_whom(),
                "verdict": approval.verdict.as_str(),
                "reason": approval.reason,
                "decided": iso(approval.decided_ms),
            })
        })
        .collect();
    json!({
        "id": request.id,
        "state": request.state.as_str(),
        "entitlement": request.entitlement,
        "subject": request.subject,
        "actor": request.actor,
        "run": request.run,
        "action": request.action.as_str(),
        "upstream": request.upstream,
        "kind": request.target.kind(),
        "name": request.target.name(),
        "arguments": request.arguments,
        "constraint": request.constraint.as_ref().map(Value::to_string),
        "terms": terms_json(&request.terms),
        "reason": request.reason.as_ref().map(reason_json),
        "justification": request.justification.as_ref().map(reason_json),
        "ticket": request.ticket,
        "model": request.model,
        "client": request.client,
        "created": iso(request.created_ms),
        "extends": request.extends,
        "expires": iso(request.expires_ms),
        "grant": request.state.grant(),
        "decisions": decisions,
    })
}

fn reason_json(reason: &Reason) -> Value {
    let author = match reason.author {
        Author::Model => "model",
        Author::Person => "person",
        Author::Program => "program",
        Author::Gateway => "gateway",
    };
    json!({"text": reason.text, "author": author, "beside": reason.beside})
}

pub(crate) fn grant_json(grant: &Grant, now_ms: u64) -> Value {
    json!({
        "id": grant.id,
        "state": lists::grant_state(grant, now_ms),
        "request": grant.request,
        "entitlement": grant.entitlement,
        "subject": grant.subject,
        "actor": grant.actor,
        "run": grant.run,
        "upstream": grant.upstream,
        "kind": grant.target.kind(),
        "name": grant.target.name(),
        "constraints": grant.constraints.iter().map(Value::to_string).collect::<Vec<_>>(),
        "terms": terms_json(&grant.terms),
        "calls_used": grant.calls_used,
        "bytes_used": grant.bytes_used,
        "begins": iso(grant.starts_ms),
        "expires": iso(grant.expires_ms),
        "ended": grant.ended.as_ref().map(|(at_ms, _)| iso(*at_ms)),
    })
}

fn terms_json(terms: &Terms) -> Value {
    json!({
        "kind": terms.kind.as_str(),
        "duration_s": terms.duration.as_secs(),
        "calls_max": terms.calls_max,
        "bytes_max": terms.bytes_max,
    })
}

fn reach_json(row: &ReachRow) -> Value {
    json!({
        "why": row.why,
        "state": row.state,
        "id": row.id,
        "rule": row.rule,
        "subject": row.subject,
        "actor": row.actor,
        "upstream": row.upstream,
        "kind": row.kind,
        "name": row.name,
        "until": row.until,
    })
}

fn agent_json(row: &AgentRow) -> Value {
    json!({
        "actor": row.id,
        "subjects": row.subjects,
        "asked": row.asked,
        "pending": row.pending,
        "refused": row.refused,
        "grants": row.grants,
        "last_asked": row.last.as_ref().map(|last| &last.iso),
    })
}

pub(crate) fn lock_json(lock: &Lock) -> Value {
    let name = match &lock.scope {
        Scope::Tenant => None,
        Scope::Subject(id) => Some(id.to_string()),
        Scope::Actor(id) => Some(id.to_string()),
        Scope::Upstream(id) => Some(id.to_string()),
        Scope::Tool(upstream, tool) => Some(format!("{upstream}/{tool}")),
        Scope::Run(id) => Some(id.to_string()),
    };
    json!({
        "id": lock.id,
        "kind": lock.scope.kind(),
        "name": name,
        "reason": lock.reason,
        "by": lock.set_by,
        "since": iso(lock.set_ms),
        "expires": lock.expires_ms.map(iso),
    })
}
