//! Lists: requests, grants, locks, who can reach what.

use cardea_domain::text::{Breaks, visible};
use serde_json::Value;

use super::{
    gateway::{Gateway, Query},
    table::{Table, shown, target, terms, text},
};
use crate::{
    cli::access::{GrantsArgs, RequestsArgs, WhoCanArgs},
    command::Failure,
};

const REQUESTS: Table = Table {
    columns: &[
        ("REQUEST", |row| text(row, "id")),
        ("STATE", |row| text(row, "state")),
        ("PERSON", |row| text(row, "subject")),
        ("AGENT", |row| text(row, "actor")),
        ("WHAT", target),
        ("TERMS", terms),
        ("ASKED", |row| text(row, "created")),
    ],
    none: "no requests",
};

const GRANTS: Table = Table {
    columns: &[
        ("GRANT", |row| text(row, "id")),
        ("STATE", |row| text(row, "state")),
        ("PERSON", |row| text(row, "subject")),
        ("AGENT", |row| text(row, "actor")),
        ("WHAT", target),
        ("TERMS", terms),
        ("USED", used),
        ("UNTIL", |row| text(row, "expires")),
    ],
    none: "no grants",
};

const LOCKS: Table = Table {
    columns: &[
        ("LOCK", |row| text(row, "id")),
        ("LOCKED", locked),
        ("BY", |row| text(row, "by")),
        ("SINCE", |row| text(row, "since")),
        ("UNTIL", |row| match row.get("expires") {
            Some(Value::String(until)) => shown(until),
            _ => "it is lifted".to_owned(),
        }),
        ("REASON", |row| text(row, "reason")),
    ],
    none: "nothing is locked",
};

const REACH: Table = Table {
    columns: &[
        ("WHY", |row| text(row, "why")),
        ("RULE", |row| text(row, "rule")),
        ("STATE", |row| text(row, "state")),
        ("PERSON", |row| text(row, "subject")),
        ("AGENT", |row| text(row, "actor")),
        ("WHAT", target),
        ("UNTIL", |row| text(row, "until")),
        ("ID", |row| text(row, "id")),
    ],
    none: "nobody, by a grant or by asking; what policies permit by themselves is for administrators and auditors to see",
};

pub(super) async fn requests(gateway: Gateway, args: &RequestsArgs) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        let request = gateway.get(&format!("/requests/{id}")).await?;
        return gateway.tell(&request, &whole(&gateway, &request));
    }
    let view = match (args.decide, args.mine) {
        (true, _) => Some("decide"),
        (_, true) => Some("mine"),
        _ => None,
    };
    let query = Query::default()
        .with("view", view)
        .with("state", args.state.as_deref())
        .filtered(&args.filter);
    let rows = gateway.list("/requests", &query, args.filter.limit).await?;
    gateway.print(&rows, &REQUESTS)
}

pub(super) async fn grants(gateway: Gateway, args: &GrantsArgs) -> Result<(), Failure> {
    let query = Query::default()
        .with("state", Some(&args.state))
        .filtered(&args.filter);
    let rows = gateway.list("/grants", &query, args.filter.limit).await?;
    gateway.print(&rows, &GRANTS)
}

pub(super) async fn locks(gateway: Gateway) -> Result<(), Failure> {
    let rows = all_locks(&gateway).await?;
    gateway.print(&rows, &LOCKS)
}

/// Every lock that is set.
pub(super) async fn all_locks(gateway: &Gateway) -> Result<Vec<Value>, Failure> {
    gateway.list("/locks", &Query::default(), 10_000).await
}

/// By grants, then by entitlements, which let them ask, then by policies, which administrators and auditors see.
pub(super) async fn who_can(gateway: Gateway, args: &WhoCanArgs) -> Result<(), Failure> {
    let query = |why| {
        Query::default()
            .with("why", Some(why))
            .with("upstream", Some(args.upstream.as_str()))
            .with("tool", args.tool.as_deref())
            .with("subject", args.subject.as_deref())
            .with("actor", args.actor.as_deref())
    };
    let state = match args.ended {
        true => "any",
        false => "active",
    };
    let by_grants = query("grant").with("state", Some(state));
    let mut rows = gateway.list("/reach", &by_grants, args.limit).await?;
    rows.extend(
        gateway
            .list("/reach", &query("entitlement"), args.limit)
            .await?,
    );
    // A policy names groups and people, and no row of it is about one agent alone.
    if args.subject.is_none() && args.actor.is_none() {
        rows.extend(gateway.list("/reach", &query("policy"), args.limit).await?);
    }
    gateway.print(&rows, &REACH)
}

fn used(row: &Value) -> String {
    let max = row.pointer("/terms/calls_max").and_then(Value::as_u64);
    let used = row.get("calls_used").and_then(Value::as_u64);
    match (used, max) {
        (Some(used), Some(max)) => format!("{used} of {max}"),
        _ => "-".to_owned(),
    }
}

fn locked(row: &Value) -> String {
    let kind = text(row, "kind");
    match row.get("name").and_then(Value::as_str) {
        Some(name) => format!("{kind} {}", shown(name)),
        None => kind,
    }
}

/// One request, with everything that the terminal can show of it.
fn whole(gateway: &Gateway, request: &Value) -> String {
    let said = |member: &str| {
        let said = request.get(member).filter(|said| said.is_object())?;
        let by = match said.get("author").and_then(Value::as_str) {
            Some("person") => "by the person",
            Some("program") => "by a program in their name",
            Some("gateway") => "noticed by the gateway",
            _ => "by a model, unchecked",
        };
        let text = said.get("text").and_then(Value::as_str)?;
        let beside = match said.get("beside").and_then(Value::as_str) {
            Some(text) => {
                let text = visible(text, 1000, Breaks::Shown);
                format!("; {text} (by a model, unchecked)")
            }
            None => String::new(),
        };
        let text = visible(text, 1000, Breaks::Shown);
        Some(format!("{text} ({by}){beside}"))
    };
    let member = |name: &str| {
        let text = request.get(name).and_then(Value::as_str)?;
        Some(visible(text, 4000, Breaks::Shown))
    };
    let id = text(request, "id");
    // What is not for one call is for arguments that nobody has seen yet.
    let is_exact = request.pointer("/terms/kind").and_then(Value::as_str) == Some("once");
    let facts = [
        ("request", Some(id.clone())),
        ("state", member("state")),
        ("person", member("subject")),
        ("agent", member("actor")),
        ("run", member("run")),
        (
            "model",
            member("model").map(|model| format!("{model} (as asserted)")),
        ),
        ("what", Some(target(request))),
        (
            if is_exact { "arguments" } else { "example" },
            member("arguments"),
        ),
        ("must satisfy", member("constraint")),
        ("terms", Some(terms(request))),
        ("reason", said("reason")),
        ("justification", said("justification")),
        ("ticket", member("ticket")),
        ("entitlement", member("entitlement")),
        ("extends", member("extends")),
        ("asked", member("created")),
        ("expires", member("expires")),
        ("grant", member("grant")),
        (
            "page",
            Some(gateway.address(&format!("/console/requests/{id}"))),
        ),
    ];
    let mut lines: Vec<_> = facts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name:<14} {}", value?)))
        .collect();
    let decisions = request.get("decisions").and_then(Value::as_array);
    for decision in decisions.into_iter().flatten() {
        let verdict = text(decision, "verdict");
        let reason = match decision.get("reason").and_then(Value::as_str) {
            Some(reason) => format!(": {}", visible(reason, 1000, Breaks::Shown)),
            None => String::new(),
        };
        let by = text(decision, "by");
        lines.push(format!("{:<14} {verdict} by {by}{reason}", "decided"));
    }
    lines.join("\n")
}
