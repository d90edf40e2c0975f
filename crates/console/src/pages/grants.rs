//! Grants, with what is left of them and the way to end them.

use askama::Template;
use cardea_access::{Grant, Kind};
use http::StatusCode;

use super::Frame;
use crate::{
    acts::MINUTES_MAX,
    desk::Desk,
    lists::{self, GrantRow, Paging, Shown, grant_row},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "grants.html")]
struct Page<'a> {
    frame: Frame<'a>,
    filter: Shown<'a>,
    states: &'static [(&'static str, &'static str)],
    state: &'a str,
    rows: Vec<Row>,
    paging: Paging,
    token: String,
    reason_chars_max: usize,
    minutes_max: u64,
    /// For administrators.
    may_revoke_all: bool,
}

struct Row {
    grant: GrantRow,
    end: Option<End>,
    may_extend: bool,
}

/// How this person can end a grant.
struct End {
    path: &'static str,
    name: &'static str,
    takes_reason: bool,
}

const STATES: &[(&str, &str)] = &[("active", "Active"), ("ended", "Ended"), ("any", "Any")];

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::grants(desk, "active").await?;
    let page = Page {
        frame: Frame::new(desk, "/console/grants", "Grants"),
        filter: Shown::of(&desk.ask),
        states: STATES,
        state: desk.ask.param("state").unwrap_or("active"),
        paging: rows.paging(&desk.ask),
        rows: rows.items.iter().map(|grant| row(desk, grant)).collect(),
        token: desk.form_token(),
        reason_chars_max: cardea_access::REASON_CHARS_MAX,
        minutes_max: MINUTES_MAX,
        may_revoke_all: desk.caller.is_administrator,
    };
    Ok(reply::page(StatusCode::OK, &page))
}

fn row(desk: &Desk<'_>, grant: &Grant) -> Row {
    let row = grant_row(grant, desk.now_ms());
    let entitlement = desk.entitlements.entitlement(&grant.entitlement);
    let end = match row.state {
        "active" if grant.subject == desk.caller.person.subject => Some(End {
            path: "release",
            name: "Give back",
            takes_reason: false,
        }),
        "active" if desk.caller.may_revoke(grant, entitlement) => Some(End {
            path: "revoke",
            name: "Revoke",
            takes_reason: true,
        }),
        _ => None,
    };
    let may_extend = row.state == "active"
        && grant.subject == desk.caller.person.subject
        && grant.terms.kind != Kind::Once;
    Row {
        grant: row,
        end,
        may_extend,
    }
}
