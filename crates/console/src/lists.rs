//! Lists: what they are filtered by, how they are read a page at a time, and what a row says. Pages,
//! documents and files show the same rows.

mod agents;
mod reach;
mod row;

use cardea_access::{AccessRequest, Filter, Grant, Lock, Page, RequestState};
use cardea_domain::{ActorId, SubjectId, UpstreamId};
use url::form_urlencoded;

use crate::{
    ask::Ask,
    caller::Standing,
    desk::Desk,
    export,
    field::Field,
    refusal::{Refusal, down},
    routes::is_api,
};

pub(crate) use agents::{AgentRow, active_grants, agents, all_requests};
pub(crate) use reach::{ReachRow, reach};
pub(crate) use row::{
    GrantRow, LockRow, RequestRow, grant_row, grant_state, lock_row, request_row, target, terms,
};

/// Rows of a page.
pub(crate) const ROWS: usize = 50;

/// Rows that are looked at for one page; what a person may see and not decide is among them.
const LOOKED_AT_MAX: usize = 10_000;

/// Rows that are asked of the store at once.
const CHUNK: u32 = 500;

const SUBJECT: Field = Field::text("subject", 255, "the person, exactly");
const ACTOR: Field = Field::text("actor", 255, "the agent, exactly");
const UPSTREAM: Field = Field::text("upstream", 63, "the server, exactly");
const TOOL: Field = Field::text("tool", 4096, "the tool, resource or prompt, exactly");
const AFTER: Field = Field::text("after", 255, "begin after the row of this name");
const FORMAT: Field = Field::choice(
    "format",
    &["json", "csv"],
    "`csv` for a file of up to 10,000 rows",
);
const DONE: Field = Field::choice(
    "done",
    crate::pages::DONE_NAMES,
    "what was done just now, for pages",
);

const VIEWS: &[&str] = &["all", "decide", "mine"];
const REQUEST_STATES: &[&str] = &[
    "any",
    "pending",
    "approved",
    "refused",
    "expired",
    "cancelled",
    "void",
];
const GRANT_STATES: &[&str] = &["any", "active", "ended"];
const WHYS: &[&str] = &["grant", "entitlement", "policy"];

pub(crate) const REQUESTS: &[Field] = &[
    Field::choice(
        "view",
        VIEWS,
        "all that the person may see, those that wait for them, or those in their name",
    ),
    Field::choice("state", REQUEST_STATES, "what became of it"),
    SUBJECT,
    ACTOR,
    UPSTREAM,
    TOOL,
    AFTER,
    FORMAT,
];
pub(crate) const GRANTS: &[Field] = &[
    Field::choice(
        "state",
        GRANT_STATES,
        "whether it can be used; active when absent",
    ),
    Field::text("id", 63, "the one grant of this name"),
    SUBJECT,
    ACTOR,
    UPSTREAM,
    TOOL,
    AFTER,
    FORMAT,
    DONE,
];
pub(crate) const REACH: &[Field] = &[
    Field::choice(
        "why",
        WHYS,
        "by a grant, by an entitlement, which lets them ask, or by a policy that permits tools of the server by itself; by grants when absent",
    ),
    Field::choice("state", GRANT_STATES, "of grants; any when absent"),
    SUBJECT,
    ACTOR,
    UPSTREAM,
    TOOL,
    AFTER,
    FORMAT,
];
pub(crate) const AGENTS: &[Field] = &[AFTER, FORMAT];
pub(crate) const LOCKS: &[Field] = &[
    Field::text("id", 63, "the one lock of this name"),
    AFTER,
    FORMAT,
    DONE,
];

/// Rows of one page, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pub(crate) items: Vec<T>,
    /// The name of the last row, where there are more.
    pub(crate) after: Option<String>,
}

/// What a filter form shows again.
#[derive(Debug, Default)]
pub(crate) struct Shown<'a> {
    /// Whether anything is filtered at all.
    pub(crate) is_set: bool,
    pub(crate) subject: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) tool: &'a str,
}

/// The ways to other pages of a list.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) count: usize,
    /// Whether this is not the first page.
    pub(crate) first: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) csv: String,
    pub(crate) json: String,
}

/// Requests that the person may see, the newest first.
pub(crate) async fn requests(desk: &Desk<'_>) -> Result<Rows<AccessRequest>, Refusal> {
    let view = desk.ask.param("view").unwrap_or("all");
    let state = desk.ask.param("state").filter(|state| *state != "any");
    let Some(mut filter) = filter(desk, state) else {
        return Ok(Rows::none());
    };
    let caller = &desk.caller;
    if view == "mine" {
        filter.subject = Some(caller.person.subject.clone());
    }
    if view == "decide" {
        filter.state = Some(RequestState::Pending.as_str().to_owned());
    }
    let keep = |request: &AccessRequest| {
        let entitlement = desk.entitlement(request);
        caller.may_see(request, entitlement)
            && (view != "decide" || caller.standing(request, &desk.entitlements) == Standing::May)
    };
    let mut rows = Gathered::new(&desk.ask);
    while let Some(page) = rows.page() {
        let found = desk.access.requests(&filter, &page).await.map_err(down)?;
        rows.take(found, |request| request.id.as_str(), keep);
    }
    Ok(rows.done())
}

/// Grants that the person may see, the newest first.
pub(crate) async fn grants(desk: &Desk<'_>, state: &str) -> Result<Rows<Grant>, Refusal> {
    let state = desk.ask.param("state").unwrap_or(state);
    let Some(filter) = filter(desk, Some(state).filter(|state| *state != "any")) else {
        return Ok(Rows::none());
    };
    // The store learns that a grant's time is over when somebody looks.
    let is_active = |grant: &Grant| grant_state(grant, desk.now_ms()) == "active";
    let keep = |grant: &Grant| {
        let entitlement = desk.entitlements.entitlement(&grant.entitlement);
        (state != "active" || is_active(grant)) && desk.caller.may_see_grant(grant, entitlement)
    };
    let mut rows = Gathered::new(&desk.ask);
    while let Some(page) = rows.page() {
        let found = desk.access.grants(&filter, &page).await.map_err(down)?;
        rows.take(found, |grant| grant.id.as_str(), keep);
    }
    Ok(rows.done())
}

/// Locks that are set, by age.
pub(crate) fn locks(desk: &Desk<'_>) -> Rows<Lock> {
    let id = desk.ask.param("id");
    let mut all = desk.access.locks();
    all.retain(|lock| id.is_none_or(|id| lock.id.as_str() == id));
    Rows::of(&desk.ask, all, |lock| lock.id.as_str())
}

/// What the query asks for; `None` when it names what cannot be, so that nothing is found.
fn filter(desk: &Desk<'_>, state: Option<&str>) -> Option<Filter> {
    let ask = &desk.ask;
    let (subject, actor, upstream) = (
        ask.param("subject"),
        ask.param("actor"),
        ask.param("upstream"),
    );
    Some(Filter {
        state: state.map(str::to_owned),
        subject: subject.map(SubjectId::parse).transpose().ok()?,
        actor: actor.map(ActorId::parse).transpose().ok()?,
        upstream: upstream.map(UpstreamId::parse).transpose().ok()?,
        target: None,
        target_name: ask.param("tool").map(str::to_owned),
        name: ask.param("id").map(str::to_owned),
        onlooker: desk.caller.onlooker(&desk.entitlements),
    })
}

/// Rows so far, and how many more to look at.
struct Gathered<T> {
    items: Vec<T>,
    rows: usize,
    looked_at: usize,
    after: Option<String>,
    state: Reading,
}

enum Reading {
    More,
    /// There are more rows than were wanted.
    Full,
    /// There are no more.
    End,
}

impl<T> Gathered<T> {
    fn new(ask: &Ask) -> Self {
        Self {
            items: Vec::new(),
            rows: rows(ask),
            looked_at: 0,
            after: ask.param("after").map(str::to_owned),
            state: Reading::More,
        }
    }

    /// What to ask the store for next.
    fn page(&self) -> Option<Page> {
        let goes_on = matches!(self.state, Reading::More) && self.looked_at < LOOKED_AT_MAX;
        goes_on.then(|| Page {
            after: self.after.clone(),
            rows_max: CHUNK,
        })
    }

    fn take(&mut self, found: Vec<T>, name: impl Fn(&T) -> &str, keep: impl Fn(&T) -> bool) {
        self.looked_at += found.len();
        if found.len() < CHUNK as usize {
            self.state = Reading::End;
        }
        for row in found {
            if self.items.len() == self.rows {
                self.state = Reading::Full;
                return;
            }
            self.after = Some(name(&row).to_owned());
            if keep(&row) {
                self.items.push(row);
            }
        }
    }

    fn done(self) -> Rows<T> {
        Rows {
            items: self.items,
            after: self.after.filter(|_| !matches!(self.state, Reading::End)),
        }
    }
}

impl<T> Rows<T> {
    fn none() -> Self {
        Self {
            items: Vec::new(),
            after: None,
        }
    }

    /// Of rows that are all in memory, in the order in which they are shown.
    pub(crate) fn of(ask: &Ask, all: Vec<T>, name: impl Fn(&T) -> &str) -> Self {
        let after = ask.param("after");
        let begins = after.and_then(|after| all.iter().position(|row| name(row) == after));
        let begins = begins.map_or(0, |place| place + 1);
        let rows = rows(ask);
        let more = all.len().saturating_sub(begins) > rows;
        let items: Vec<_> = all.into_iter().skip(begins).take(rows).collect();
        let after = items
            .last()
            .filter(|_| more)
            .map(|row| name(row).to_owned());
        Self { items, after }
    }

    /// The ways to other pages.
    pub(crate) fn paging(&self, ask: &Ask) -> Paging {
        let api = match is_api(&ask.path) {
            true => ask.path.clone(),
            false => ask.path.replacen("/console/", "/api/v1/", 1),
        };
        Paging {
            count: self.items.len(),
            first: ask
                .param("after")
                .map(|_| with(&ask.path, ask, &[("after", None)])),
            next: self
                .after
                .as_deref()
                .map(|after| with(&ask.path, ask, &[("after", Some(after))])),
            csv: with(
                &api,
                ask,
                &[("after", None), ("done", None), ("format", Some("csv"))],
            ),
            json: with(
                &api,
                ask,
                &[("after", None), ("done", None), ("format", None)],
            ),
        }
    }
}

fn rows(ask: &Ask) -> usize {
    match is_csv(ask) {
        true => export::ROWS_MAX,
        false => ROWS,
    }
}

pub(crate) fn is_csv(ask: &Ask) -> bool {
    ask.param("format") == Some("csv")
}

/// The query's address with some parameters set, or taken out.
fn with(path: &str, ask: &Ask, changes: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(ask.query.as_bytes()) {
        if !value.is_empty() && !changes.iter().any(|(changed, _)| *changed == name) {
            query.append_pair(&name, &value);
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

impl<'a> Shown<'a> {
    pub(crate) fn of(ask: &'a Ask) -> Self {
        let text = |name| ask.param(name).unwrap_or_default();
        let names = [
            "subject", "actor", "upstream", "tool", "view", "state", "why",
        ];
        Self {
            is_set: names.iter().any(|name| ask.param(name).is_some()),
            subject: text("subject"),
            actor: text("actor"),
            upstream: text("upstream"),
            tool: text("tool"),
        }
    }
}
