//! The servers of the tenant, what they say of themselves, and what of it waits; for administrators, deciding that.

use askama::Template;
use cardea_domain::{
    UpstreamId,
    text::{Breaks, diff::Side, visible},
};
use cardea_registry::{
    DefinitionKind, Pinned, Quarantined, REASON_CHARS_MAX, State, View, Weight, difference,
    digest_text,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::Frame;
use crate::{
    desk::Desk,
    refusal::Refusal,
    reply::{self, Reply},
    rooms::ServerFacts,
    time::Moment,
};

/// A line of a definition may be as long as a server likes; beyond this it is said how long.
const LINE_CHARS_MAX: usize = 4000;
const NAME_CHARS_MAX: usize = 300;
/// More definitions than this are looked at at a terminal.
const HELD_MAX: usize = 200;
/// More lines than this are read at a terminal.
const LINES_MAX: usize = 2000;

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage<'a> {
    frame: Frame<'a>,
    rows: Vec<ServerRow>,
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage<'a> {
    frame: Frame<'a>,
    server: ServerRow,
    facts: Vec<(String, String)>,
    held: Vec<HeldRow>,
    /// How many more are looked at elsewhere.
    more: usize,
    approved: Vec<ApprovedRow>,
    /// For administrators.
    token: Option<String>,
    reason_chars_max: usize,
}

struct ServerRow {
    id: String,
    transport: &'static str,
    pins: &'static str,
    surveyed: bool,
    /// Why the gateway could not look at it.
    failed: Option<String>,
    approved: usize,
    waiting: usize,
    rejected: usize,
}

/// A definition in quarantine.
struct HeldRow {
    kind: &'static str,
    /// As it is sent back.
    name: String,
    /// As it is shown.
    shown: String,
    state: &'static str,
    /// What changed: `words, schema`.
    parts: String,
    alarms: Vec<String>,
    notes: Vec<String>,
    /// `None` where nobody can approve it.
    digest: Option<String>,
    decided: Option<(String, String)>,
    why_not: Option<String>,
    seen: Moment,
    lines: Vec<LineRow>,
    left_off: usize,
}

struct LineRow {
    tag: &'static str,
    text: String,
}

struct ApprovedRow {
    kind: &'static str,
    name: String,
    shown: String,
    digest: String,
    labels: String,
    by: String,
    reason: String,
    at: Moment,
}

/// Every server with how much of it is approved and waits.
pub(crate) async fn list(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let view = view(desk).await?;
    let rows = desk.rooms.servers(desk.tenant());
    let page = ServersPage {
        frame: Frame::new(desk, "/console/servers", "Servers"),
        rows: rows.iter().map(|facts| server_row(facts, &view)).collect(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}

/// The same as a document.
pub(crate) async fn documents(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let view = view(desk).await?;
    let items = desk.rooms.servers(desk.tenant());
    let items: Vec<Value> = (items.iter())
        .map(|facts| {
            let row = server_row(facts, &view);
            json!({
                "id": row.id,
                "transport": row.transport,
                "pins": row.pins,
                "surveyed": row.surveyed,
                "failed": row.failed,
                "approved": row.approved,
                "waiting": row.waiting,
                "rejected": row.rejected,
            })
        })
        .collect();
    Ok(reply::json(
        StatusCode::OK,
        &json!({ "items": items, "next": null }),
    ))
}

/// One server: who it is, what waits, what is approved.
pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let facts = facts(desk)?;
    let view = view(desk).await?;
    let of = |id: &UpstreamId| *id == facts.id;
    let held = view.quarantined.iter().filter(|held| of(&held.upstream));
    let approved = view.pinned.iter().filter(|pinned| of(&pinned.upstream));
    let page = ServerPage {
        frame: Frame::new(desk, "/console/servers", format!("Server {}", facts.id)),
        server: server_row(&facts, &view),
        more: held.clone().count().saturating_sub(HELD_MAX),
        held: held.take(HELD_MAX).map(held_row).collect(),
        approved: approved
            .map(|pinned| approved_row(pinned, &facts))
            .collect(),
        facts: (facts.identity.iter())
            .map(|(what, text)| {
                (
                    (*what).to_owned(),
                    visible(text, LINE_CHARS_MAX, Breaks::Shown),
                )
            })
            .collect(),
        token: desk.caller.is_administrator.then(|| desk.form_token()),
        reason_chars_max: REASON_CHARS_MAX,
    };
    Ok(reply::page(StatusCode::OK, &page))
}

/// The server that the path names, where the tenant has it.
pub(crate) fn facts(desk: &Desk<'_>) -> Result<ServerFacts, Refusal> {
    let servers = desk.rooms.servers(desk.tenant());
    let found = servers
        .into_iter()
        .find(|facts| facts.id.as_str() == desk.id);
    found.ok_or_else(Refusal::not_found)
}

async fn view(desk: &Desk<'_>) -> Result<View, Refusal> {
    let Some(registrar) = desk.rooms.registrar(desk.tenant()) else {
        return Ok(View::default());
    };
    registrar.view(desk.tenant()).await.map_err(|error| {
        tracing::error!(%error, "the registry cannot be read");
        Refusal::unavailable()
    })
}

fn server_row(facts: &ServerFacts, view: &View) -> ServerRow {
    let held = |state| {
        let of = view.quarantined.iter();
        of.filter(|held| held.upstream == facts.id && held.state == state)
            .count()
    };
    ServerRow {
        id: facts.id.to_string(),
        transport: facts.transport,
        pins: facts.pins,
        surveyed: view.surveyed.contains(&facts.id),
        failed: view
            .failed_look(&facts.id)
            .map(|failed| visible(&failed.why, LINE_CHARS_MAX, Breaks::Shown)),
        approved: (view.pinned.iter())
            .filter(|pinned| pinned.upstream == facts.id)
            .count(),
        waiting: held(State::Waiting),
        rejected: held(State::Rejected),
    }
}

fn held_row(held: &Quarantined) -> HeldRow {
    let found = difference(held.approved.as_deref(), &held.definition);
    let parts: Vec<_> = found.parts.iter().map(ToString::to_string).collect();
    let flags = |weight| {
        let flags = held.flags.iter().filter(move |flag| flag.weight == weight);
        flags
            .map(|flag| visible(&flag.text, LINE_CHARS_MAX, Breaks::Shown))
            .collect()
    };
    let is_rejected = held.state == State::Rejected;
    let reason = held.reason.clone().unwrap_or_default();
    HeldRow {
        kind: held.kind.as_str(),
        name: held.name.clone(),
        shown: shown(held.kind, &held.name),
        state: match (is_rejected, &held.approved) {
            (true, _) => "rejected",
            (false, Some(_)) => "changed",
            (false, None) => "new",
        },
        parts: parts.join(", "),
        alarms: flags(Weight::Alarm),
        notes: flags(Weight::Note),
        digest: held.digest.as_ref().map(digest_text),
        decided: held.decided_by.clone().map(|by| (by, reason.clone())),
        why_not: held.digest.is_none().then(|| match reason.is_empty() {
            true => "Two readers could take it differently, so nobody can approve it.".to_owned(),
            false => visible(&reason, NAME_CHARS_MAX, Breaks::Shown),
        }),
        seen: Moment::at(held.seen_ms),
        left_off: found.lines.len().saturating_sub(LINES_MAX),
        lines: (found.lines.iter().take(LINES_MAX))
            .map(|(side, text)| line_row(*side, text))
            .collect(),
    }
}

fn line_row(side: Side, text: &str) -> LineRow {
    LineRow {
        tag: match side {
            Side::Both => "span",
            Side::Old => "del",
            Side::New => "ins",
        },
        text: visible(text, LINE_CHARS_MAX, Breaks::Shown),
    }
}

fn approved_row(pinned: &Pinned, facts: &ServerFacts) -> ApprovedRow {
    let labels = facts.labels.get(&pinned.name);
    let labels = labels.filter(|_| pinned.kind == DefinitionKind::Tool);
    ApprovedRow {
        kind: pinned.kind.as_str(),
        name: pinned.name.clone(),
        shown: shown(pinned.kind, &pinned.name),
        digest: digest_text(&pinned.digest),
        labels: labels.map(|labels| labels.join(", ")).unwrap_or_default(),
        by: visible(&pinned.approved_by, NAME_CHARS_MAX, Breaks::Shown),
        reason: visible(&pinned.reason, NAME_CHARS_MAX, Breaks::Shown),
        at: Moment::at(pinned.approved_ms),
    }
}

fn shown(kind: DefinitionKind, name: &str) -> String {
    match kind {
        DefinitionKind::Instructions => "instructions".to_owned(),
        _ => visible(name, NAME_CHARS_MAX, Breaks::Shown),
    }
}
