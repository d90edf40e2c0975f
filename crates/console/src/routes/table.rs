//! The table.

use http::Method;

use super::{
    Handler, Handler as H, Route,
    Who::{self, Administrator, Anyone, Overseer, Person},
};
use crate::{
    acts,
    field::Field,
    lists::{AGENTS, GRANTS, LOCKS, REACH, REQUESTS},
    pages,
};

/// Every route.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    get(pages::STYLE_PATH, Anyone, H::Style, &[], "the style sheet"),
    get(pages::SCRIPT_PATH, Anyone, H::Script, &[], "the script"),
    get(pages::ICON_PATH, Anyone, H::Icon, &[], "the icon"),
    get("/console", Person, H::Overview, &[], "what waits, what is open, what happened in the last hour"),
    get("/console/login", Anyone, H::Login, pages::LOGIN, "logs in again and comes back"),
    get("/console/requests", Person, H::RequestsPage, REQUESTS, "requests, the newest first"),
    get("/console/requests/new", Person, H::AskPage, &[], "a form that asks for access beforehand"),
    post("/console/requests", Person, H::Ask, WISH, "asks for access"),
    get("/console/requests/{id}", Person, H::RequestPage, pages::DONE, "one request, to look at and to decide"),
    post("/console/requests/{id}/approve", Person, H::Approve, APPROVAL, "says yes"),
    post("/console/requests/{id}/refuse", Person, H::Refuse, &[REASON], "says no"),
    post("/console/requests/{id}/cancel", Person, H::Cancel, &[], "takes a request back"),
    get("/console/grants", Person, H::GrantsPage, GRANTS, "grants, the newest first"),
    post("/console/grants/{id}/revoke", Person, H::Revoke, &[REASON], "ends a grant"),
    post("/console/grants/{id}/release", Person, H::Release, &[], "gives a grant back"),
    get("/console/reach", Person, H::ReachPage, REACH, "who can reach what, until when and why"),
    get("/console/agents", Person, H::AgentsPage, AGENTS, "agents that have asked for something"),
    get("/console/locks", Overseer, H::LocksPage, LOCKS, "what is locked"),
    post("/console/locks", Administrator, H::Lock, LOCK, "locks something"),
    post("/console/locks/{id}/lift", Administrator, H::Unlock, &[], "lifts a lock"),
    get("/api/v1/openapi.json", Anyone, H::OpenApi, &[], "this document"),
    get("/api/v1/overview", Person, H::Overall, &[], "how much waits and is open, and the calls of the last hour"),
    get("/api/v1/requests", Person, H::Requests, REQUESTS, "requests, the newest first"),
    post("/api/v1/requests", Person, H::Ask, WISH, "asks for access"),
    get("/api/v1/requests/{id}", Person, H::Request, &[], "one request"),
    post("/api/v1/requests/{id}/approve", Person, H::Approve, APPROVAL, "says yes"),
    post("/api/v1/requests/{id}/refuse", Person, H::Refuse, &[REASON], "says no"),
    post("/api/v1/requests/{id}/cancel", Person, H::Cancel, &[], "takes a request back"),
    get("/api/v1/grants", Person, H::Grants, GRANTS, "grants, the newest first"),
    post("/api/v1/grants/{id}/revoke", Person, H::Revoke, &[REASON], "ends a grant"),
    post("/api/v1/grants/{id}/release", Person, H::Release, &[], "gives a grant back"),
    get("/api/v1/reach", Person, H::Reach, REACH, "who can reach what, until when and why"),
    get("/api/v1/agents", Person, H::Agents, AGENTS, "agents that have asked for something"),
    get("/api/v1/locks", Overseer, H::Locks, LOCKS, "what is locked"),
    post("/api/v1/locks", Administrator, H::Lock, LOCK, "locks something"),
    delete("/api/v1/locks/{id}", Administrator, H::Unlock, "lifts a lock"),
    get("/api/v1/events", Person, H::Events, &[], "server-sent events: what has changed"),
];

const REASON: Field = Field::text(
    "reason",
    cardea_access::REASON_CHARS_MAX,
    "why; it is recorded and shown",
);
const APPROVAL: &[Field] = &[
    Field::number(
        "minutes",
        acts::MINUTES_MAX,
        "for so many minutes only; never more than was asked for",
    ),
    Field::number(
        "calls",
        acts::CALLS_MAX,
        "for so many calls only; never more than was asked for",
    ),
    Field::text(
        "constraint",
        16_384,
        "a JSON Schema, as text, that the arguments have to satisfy besides all others",
    ),
    REASON,
];
const WISH: &[Field] = &[
    Field::text("actor", 255, "the agent that is to have it").needed(),
    Field::text("upstream", 63, "the server").needed(),
    Field::choice(
        "kind",
        &["tool", "resource", "prompt"],
        "what of it; a tool when absent",
    ),
    Field::text("name", 4096, "its name or URI").needed(),
    Field::choice(
        "grant",
        &["time", "calls", "once"],
        "what kind of grant; the entitlement's first when absent",
    ),
    Field::number(
        "minutes",
        acts::MINUTES_MAX,
        "for how long; as long as may be asked for when absent",
    ),
    Field::number("calls", acts::CALLS_MAX, "how many calls"),
    Field::text(
        "ticket",
        cardea_access::LABEL_CHARS_MAX,
        "a ticket, by its name elsewhere",
    ),
    REASON,
];
const LOCK: &[Field] = &[
    Field::choice("kind", acts::LOCK_KINDS, "what is locked").needed(),
    Field::text(
        "name",
        4096,
        "its name; of a tool: server, slash, tool; of the tenant: none",
    ),
    Field::number(
        "minutes",
        acts::MINUTES_MAX,
        "for how long; until it is lifted when absent",
    ),
    Field::text(
        "reason",
        cardea_access::REASON_CHARS_MAX,
        "why; it is recorded and shown",
    )
    .needed(),
];

const fn get(
    path: &'static str,
    who: Who,
    handler: Handler,
    query: &'static [Field],
    what: &'static str,
) -> Route {
    Route {
        method: Method::GET,
        path,
        who,
        handler,
        query,
        body: &[],
        what,
    }
}

const fn post(
    path: &'static str,
    who: Who,
    handler: Handler,
    body: &'static [Field],
    what: &'static str,
) -> Route {
    Route {
        method: Method::POST,
        path,
        who,
        handler,
        query: &[],
        body,
        what,
    }
}

const fn delete(path: &'static str, who: Who, handler: Handler, what: &'static str) -> Route {
    Route {
        method: Method::DELETE,
        path,
        who,
        handler,
        query: &[],
        body: &[],
        what,
    }
}
