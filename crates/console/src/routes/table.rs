//! The table.

use http::Method;

use super::{
    Handler, Handler as H, Route,
    Token::{self, Good, No, Page},
    Who::{self, Administrator, Anyone, Overseer, Person},
};
use crate::{
    acts, explain,
    field::Field,
    lists::{AGENTS, GRANTS, LOCKS, REACH, REQUESTS},
    pages, tighter,
};

/// Every route.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Route] = &[
    get(pages::STYLE_PATH, Anyone, No, H::Style, &[], "the style sheet"),
    get(pages::SCRIPT_PATH, Anyone, No, H::Script, &[], "the script"),
    get(pages::ICON_PATH, Anyone, No, H::Icon, &[], "the icon"),
    get("/console", Person, No, H::Overview, &[], "what waits, what is open, what happened in the last hour"),
    get("/console/login", Anyone, No, H::Login, pages::LOGIN, "logs in again and comes back"),
    get("/console/requests", Person, No, H::RequestsPage, REQUESTS, "requests, the newest first"),
    get("/console/requests/new", Person, No, H::AskPage, &[], "a form that asks for access beforehand"),
    post("/console/requests", Person, No, H::Ask, WISH, "asks for access"),
    get("/console/requests/{id}", Person, No, H::RequestPage, pages::DONE, "one request, to look at and to decide"),
    post("/console/requests/{id}/approve", Person, No, H::Approve, PAGE_APPROVAL, "says yes"),
    post("/console/requests/{id}/refuse", Person, No, H::Refuse, &[REASON], "says no"),
    post("/console/requests/{id}/justify", Person, No, H::Justify, WHY, "says why, for those who decide"),
    post("/console/requests/{id}/cancel", Person, No, H::Cancel, &[], "takes a request back"),
    get("/console/grants", Person, No, H::GrantsPage, GRANTS, "grants, the newest first"),
    post("/console/grants/{id}/revoke", Person, No, H::Revoke, &[REASON], "ends a grant"),
    post("/console/grants/{id}/release", Person, No, H::Release, &[], "gives a grant back"),
    post("/console/grants/{id}/extend", Person, No, H::Extend, EXTENSION, "asks for a later end of a grant"),
    post("/console/revocations", Person, No, H::RevokeAll, REVOCATION, "ends every grant of a person, an agent, a server, a tool, a run or the tenant"),
    get("/console/reach", Person, No, H::ReachPage, REACH, "who can reach what, until when and why"),
    get("/console/explain", Overseer, No, H::ExplainPage, explain::QUERY, "what policies make of a call, and who could approve it"),
    get("/console/agents", Person, No, H::AgentsPage, AGENTS, "agents that have asked for something"),
    get("/console/locks", Overseer, No, H::LocksPage, LOCKS, "what is locked"),
    post("/console/locks", Administrator, No, H::Lock, LOCK, "locks something"),
    post("/console/locks/{id}/lift", Administrator, No, H::Unlock, &[], "lifts a lock"),
    get("/console/servers", Overseer, No, H::ServersPage, &[], "servers, and how much of what they say waits for approval"),
    get("/console/servers/{id}", Overseer, No, H::ServerPage, pages::DONE, "one server: who it is, what waits, what is approved"),
    post("/console/servers/{id}/approve", Administrator, No, H::ApproveDefinition, DEFINITION, "approves a definition as it was shown"),
    post("/console/servers/{id}/reject", Administrator, No, H::RejectDefinition, DEFINITION, "rejects a definition"),
    post("/console/servers/{id}/withdraw", Administrator, No, H::WithdrawDefinition, PINNED, "takes an approval back"),
    get("/api/v1/openapi.json", Anyone, No, H::OpenApi, &[], "this document"),
    get("/api/v1/overview", Person, Good, H::Overall, &[], "how much waits and is open, and the calls of the last hour"),
    get("/api/v1/requests", Person, Good, H::Requests, REQUESTS, "requests, the newest first"),
    post("/api/v1/requests", Person, Good, H::Ask, WISH, "asks for access"),
    get("/api/v1/requests/{id}", Person, Good, H::Request, &[], "one request"),
    post("/api/v1/requests/{id}/approve", Person, Page("/console/requests/{id}"), H::Approve, APPROVAL, "says yes"),
    post("/api/v1/requests/{id}/refuse", Person, Good, H::Refuse, &[REASON], "says no"),
    post("/api/v1/requests/{id}/justify", Person, Good, H::Justify, WHY, "says why, for those who decide"),
    post("/api/v1/requests/{id}/cancel", Person, Good, H::Cancel, &[], "takes a request back"),
    get("/api/v1/grants", Person, Good, H::Grants, GRANTS, "grants, the newest first"),
    post("/api/v1/grants/{id}/revoke", Person, Good, H::Revoke, &[REASON], "ends a grant"),
    post("/api/v1/grants/{id}/release", Person, Good, H::Release, &[], "gives a grant back"),
    post("/api/v1/grants/{id}/extend", Person, Good, H::Extend, EXTENSION, "asks for a later end of a grant"),
    post("/api/v1/revocations", Person, Good, H::RevokeAll, REVOCATION, "ends every grant of a person, an agent, a server, a tool, a run or the tenant"),
    get("/api/v1/reach", Person, Good, H::Reach, REACH, "who can reach what, until when and why"),
    get("/api/v1/explain", Overseer, Good, H::Explain, explain::QUERY, "what policies make of a call, and who could approve it"),
    get("/api/v1/agents", Person, Good, H::Agents, AGENTS, "agents that have asked for something"),
    get("/api/v1/locks", Overseer, Good, H::Locks, LOCKS, "what is locked"),
    post("/api/v1/locks", Administrator, Good, H::Lock, LOCK, "locks something"),
    delete("/api/v1/locks/{id}", Administrator, Page("/console/locks?id={id}"), H::Unlock, "lifts a lock"),
    get("/api/v1/servers", Overseer, Good, H::Servers, &[], "servers, and how much of what they say waits for approval"),
    get("/api/v1/events", Person, Good, H::Events, &[], "server-sent events: what has changed"),
];

macro_rules! tightening {
    ($($number:literal),*) => {
        &[
            MINUTES,
            CALLS,
            BYTES,
            CONSTRAINT,
            REASON,
            $(
                Field::text(concat!("argument_", $number), 255, "an argument, by its name"),
                Field::choice(concat!("rule_", $number), tighter::RULES, "how it is tightened"),
                Field::text(concat!("value_", $number), 4096, "its value, or the folder that it is below"),
            )*
        ]
    };
}

const KIND: Field = Field::choice("kind", acts::servers::KINDS, "what it is").needed();
/// Instructions have none.
const NAME: Field = Field::text("name", 4096, "its name, as the server spells it");
const WHY_IT: Field = Field::text(
    "reason",
    cardea_registry::REASON_CHARS_MAX,
    "why; it is recorded and shown",
)
.needed();
const DEFINITION: &[Field] = &[
    KIND,
    NAME,
    Field::text(
        "digest",
        acts::servers::DIGEST_CHARS_MAX,
        "the digest of what was shown; nothing else is decided about",
    )
    .needed(),
    WHY_IT,
];
const PINNED: &[Field] = &[KIND, NAME, WHY_IT];
const REASON: Field = Field::text(
    "reason",
    cardea_access::REASON_CHARS_MAX,
    "why; it is recorded and shown",
);
const MINUTES: Field = Field::number(
    "minutes",
    acts::MINUTES_MAX,
    "for so many minutes only; never more than was asked for",
);
const CALLS: Field = Field::number(
    "calls",
    acts::CALLS_MAX,
    "for so many calls only; never more than was asked for",
);
const BYTES: Field = Field::number(
    "bytes",
    acts::BYTES_MAX,
    "answers of so many bytes together only; never more than was asked for",
);
const APPROVAL: &[Field] = &[MINUTES, CALLS, BYTES, CONSTRAINT, REASON];
/// The same, with what a form has for each argument in place of a schema.
const PAGE_APPROVAL: &[Field] = tightening!(1, 2, 3, 4, 5, 6, 7, 8);
const CONSTRAINT: Field = Field::text(
    "constraint",
    16_384,
    "a JSON Schema, as text, that the arguments have to satisfy besides all others",
);
const TICKET: Field = Field::text(
    "ticket",
    cardea_access::LABEL_CHARS_MAX,
    "a ticket, by its name elsewhere",
);
const WHY: &[Field] = &[REASON.needed()];
const EXTENSION: &[Field] = &[
    Field::number(
        "minutes",
        acts::MINUTES_MAX,
        "for so long from the decision on; as long as may be asked for when absent",
    ),
    TICKET,
    REASON,
];
const SCOPE_KIND: Field = Field::choice("kind", acts::SCOPE_KINDS, "what it is about").needed();
const SCOPE_NAME: Field = Field::text(
    "name",
    4096,
    "its name; of a tool: server, slash, tool; of the tenant: none",
);
const REVOCATION: &[Field] = &[SCOPE_KIND, SCOPE_NAME, REASON.needed()];
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
        "arguments",
        cardea_access::ARGUMENTS_BYTES_MAX,
        "arguments as exact JSON text: an example, for those who decide",
    ),
    CONSTRAINT,
    TICKET,
    REASON,
];
const LOCK: &[Field] = &[
    SCOPE_KIND,
    SCOPE_NAME,
    Field::number(
        "minutes",
        acts::MINUTES_MAX,
        "for how long; until it is lifted when absent",
    ),
    REASON.needed(),
];

const fn get(
    path: &'static str,
    who: Who,
    token: Token,
    handler: Handler,
    query: &'static [Field],
    what: &'static str,
) -> Route {
    Route {
        method: Method::GET,
        path,
        who,
        token,
        handler,
        query,
        body: &[],
        what,
    }
}

const fn post(
    path: &'static str,
    who: Who,
    token: Token,
    handler: Handler,
    body: &'static [Field],
    what: &'static str,
) -> Route {
    Route {
        method: Method::POST,
        path,
        who,
        token,
        handler,
        query: &[],
        body,
        what,
    }
}

const fn delete(
    path: &'static str,
    who: Who,
    token: Token,
    handler: Handler,
    what: &'static str,
) -> Route {
    Route {
        method: Method::DELETE,
        path,
        who,
        token,
        handler,
        query: &[],
        body: &[],
        what,
    }
}
