//! Looking: servers, definitions, what differs.

use std::fmt::Write as _;

use cardea_config::{PinRule, Transport, Upstream};
use cardea_domain::text::{Breaks, diff::Side, visible};
use cardea_registry::{Flag, Pinned, Quarantined, State, View, Weight, difference, digest_text};
use serde_json::{Value, json};

use super::office::{Office, named, typed};
use crate::{
    cli::server::{DiffArgs, ShowArgs},
    command::{
        failure::{Failure, Status},
        table::{Table, text},
    },
};

const SERVERS: Table = Table {
    columns: &[
        ("SERVER", |row| text(row, "server")),
        ("BY", |row| text(row, "transport")),
        ("FROM", |row| text(row, "from")),
        ("STARTED", |row| flag(row, "server_approved")),
        ("PINS", |row| text(row, "pins")),
        ("LOOKED AT", |row| flag(row, "surveyed")),
        ("APPROVED", |row| number(row, "approved")),
        ("WAITING", |row| number(row, "waiting")),
        ("REJECTED", |row| number(row, "rejected")),
    ],
    none: "no servers",
};

const DEFINITIONS: Table = Table {
    columns: &[
        ("WHAT", |row| text(row, "what")),
        ("STATE", |row| text(row, "state")),
        ("DIGEST", |row| short(row, "digest")),
        ("BY", |row| text(row, "by")),
        ("REASON", |row| text(row, "reason")),
    ],
    none: "nothing was seen of it yet: the gateway looks at it when it runs",
};

/// A line of a server's may be as long as it likes; beyond this it is said how long.
const LINE_CHARS_MAX: usize = 4000;

pub(super) async fn list(office: &Office) -> Result<(), Failure> {
    let view = office.view().await?;
    let rows: Vec<_> = (office.servers())
        .map(|server| row(office, server, &view))
        .collect();
    office.tell(&json!({ "servers": rows }), &SERVERS.render(&rows))
}

pub(super) async fn show(office: &Office, args: &ShowArgs) -> Result<(), Failure> {
    let server = office.server(&args.server)?;
    let view = office.view().await?;
    let approved = view.pinned.iter().filter(|p| p.upstream == server.id);
    let approved = approved.map(approved_row);
    let held = view.quarantined.iter().filter(|q| q.upstream == server.id);
    let rows: Vec<_> = approved.chain(held.map(held_row)).collect();
    let mut document = row(office, server, &view);
    if let Some(document) = document.as_object_mut() {
        document.insert("definitions".into(), json!(rows));
    }
    let mut text = DEFINITIONS.render(&rows);
    if let Some(failed) = view.failed_look(&server.id) {
        let why = visible(&failed.why, LINE_CHARS_MAX, Breaks::Shown);
        let _infallible = write!(text, "\nthe gateway could not look at it: {why}");
    }
    office.tell(&document, &text)
}

pub(super) async fn diff(office: &Office, args: &DiffArgs) -> Result<(), Failure> {
    let server = office.server(&args.server)?;
    let view = office.view().await?;
    let held: Vec<_> = (view.quarantined.iter())
        .filter(|held| held.upstream == server.id)
        .collect();
    let chosen: Vec<_> = match args.items.is_empty() {
        true => (held.iter().copied())
            .filter(|held| held.state == State::Waiting)
            .collect(),
        false => (args.items.iter())
            .map(|item| {
                let found = held
                    .iter()
                    .find(|held| (held.kind, held.name.as_str()) == named(item));
                found.copied().ok_or_else(|| {
                    let text = format!("`{item}` of `{}` does not wait for approval", server.id);
                    Failure::new(Status::Unknown, text)
                })
            })
            .collect::<Result<_, _>>()?,
    };
    let documents: Vec<_> = chosen.iter().map(|held| differing(held)).collect();
    let texts: Vec<_> = chosen.iter().map(|held| read(held)).collect();
    let text = match texts.is_empty() {
        true => nothing_waits(office, server, &view),
        false => texts.join("\n"),
    };
    office.tell(&json!({ "differences": documents }), &text)
}

/// Why there is nothing to look at.
fn nothing_waits(office: &Office, server: &Upstream, view: &View) -> String {
    let id = &server.id;
    if let Some(added) = office.added(id.as_str())
        && added.approved.is_none()
    {
        return format!(
            "`{id}` itself waits for approval, and is not started before: cardea server approve {id} --reason …"
        );
    }
    if let Some(failed) = view.failed_look(id) {
        let why = visible(&failed.why, LINE_CHARS_MAX, Breaks::Shown);
        return format!("the gateway could not look at `{id}`: {why}");
    }
    match view.surveyed.contains(id) || server.pins == PinRule::Off {
        true => "nothing waits for approval".to_owned(),
        false => format!("the gateway has not looked at `{id}` yet: it does when it runs"),
    }
}

fn row(office: &Office, server: &Upstream, view: &View) -> Value {
    let id = &server.id;
    let held = |state| {
        let of = view.quarantined.iter();
        of.filter(|held| held.upstream == *id && held.state == state)
            .count()
    };
    let added = office.added(id.as_str());
    json!({
        "server": id.as_str(),
        "from": added.map_or("configuration", |added| added.record.spec.as_str()),
        "server_approved": added.is_none_or(|added| added.approved.is_some()),
        "record": added.map(|added| &added.record),
        "transport": match &server.transport {
            Transport::Stdio(_) => "stdio",
            Transport::Http(_) => "http",
        },
        "pins": match server.pins {
            PinRule::Approve => "approve",
            PinRule::First => "first",
            PinRule::Off => "off",
        },
        "surveyed": view.surveyed.contains(id),
        "failed": view.failed_look(id).map(|failed| &failed.why),
        "approved": view.pinned.iter().filter(|pin| pin.upstream == *id).count(),
        "waiting": held(State::Waiting),
        "rejected": held(State::Rejected),
    })
}

fn approved_row(pin: &Pinned) -> Value {
    json!({
        "what": typed(pin.kind, &pin.name),
        "kind": pin.kind.as_str(),
        "name": pin.name,
        "state": "approved",
        "digest": digest_text(&pin.digest),
        "by": pin.approved_by,
        "reason": pin.reason,
        "at_ms": pin.approved_ms,
    })
}

fn held_row(held: &Quarantined) -> Value {
    json!({
        "what": typed(held.kind, &held.name),
        "kind": held.kind.as_str(),
        "name": held.name,
        "state": match (held.state, &held.approved) {
            (State::Rejected, _) => "rejected",
            (State::Waiting, Some(_)) => "changed",
            (State::Waiting, None) => "new",
        },
        "digest": held.digest.as_ref().map(digest_text),
        "by": held.decided_by,
        "reason": held.reason,
        "flags": held.flags.iter().map(flag_json).collect::<Vec<_>>(),
        "at_ms": held.seen_ms,
    })
}

fn flag_json(flag: &Flag) -> Value {
    json!({ "alarm": flag.weight == Weight::Alarm, "text": flag.text })
}

fn differing(held: &Quarantined) -> Value {
    let found = difference(held.approved.as_deref(), &held.definition);
    let parts: Vec<_> = found.parts.iter().map(ToString::to_string).collect();
    let mut document = held_row(held);
    if let Some(document) = document.as_object_mut() {
        document.insert("parts".into(), json!(parts));
        document.insert("approved".into(), json!(held.approved));
        document.insert("shown".into(), json!(held.definition));
    }
    document
}

/// A difference for people: what it is about, what is conspicuous, then line by line.
fn read(held: &Quarantined) -> String {
    let found = difference(held.approved.as_deref(), &held.definition);
    let what = visible(&typed(held.kind, &held.name), 300, Breaks::Shown);
    let parts: Vec<_> = found.parts.iter().map(ToString::to_string).collect();
    let mut out = match (&held.approved, held.state) {
        (Some(_), _) => format!("{what} has changed: {}\n", parts.join(", ")),
        (None, State::Rejected) => format!("{what} is rejected\n"),
        (None, State::Waiting) => format!("{what} is new\n"),
    };
    // Writing to a string cannot fail.
    if let Some(digest) = &held.digest {
        let _ = writeln!(out, "  {}", digest_text(digest));
    }
    for flag in &held.flags {
        let mark = match flag.weight {
            Weight::Alarm => '!',
            Weight::Note => '*',
        };
        let text = visible(&flag.text, LINE_CHARS_MAX, Breaks::Shown);
        let _ = writeln!(out, "  {mark} {text}");
    }
    for (side, line) in &found.lines {
        let mark = match side {
            Side::Both => ' ',
            Side::Old => '-',
            Side::New => '+',
        };
        let line = visible(line, LINE_CHARS_MAX, Breaks::Shown);
        let _ = writeln!(out, "{mark} {line}");
    }
    out
}

fn number(row: &Value, member: &str) -> String {
    let number = row.get(member).and_then(Value::as_u64);
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn flag(row: &Value, member: &str) -> String {
    match row.get(member).and_then(Value::as_bool) {
        Some(true) => "yes".to_owned(),
        _ => "no".to_owned(),
    }
}

fn short(row: &Value, member: &str) -> String {
    let digest = row.get(member).and_then(Value::as_str).unwrap_or("-");
    digest.chars().take("sha256:".len() + 12).collect()
}
