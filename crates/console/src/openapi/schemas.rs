//! What answers look like. The tests hold every answer against these.

use serde_json::{Map, Value, json};

/// All schemas, by name.
pub(super) fn all() -> Value {
    json!({
        "Request": request(),
        "Grant": grant(),
        "Reach": reach(),
        "Explanation": explanation(),
        "Agent": agent(),
        "Lock": lock(),
        "Server": server(),
        "Overview": overview(),
        "Revocation": object(&[("revoked", count("grants that were ended"))]),
        "Problem": problem(),
    })
}

/// A page of a list.
pub(super) fn list(item: &Value) -> Value {
    object(&[
        ("items", json!({"type": "array", "items": item})),
        ("next", optional(&text("the address of the next page"))),
    ])
}

fn server() -> Value {
    object(&[
        ("id", text("its name")),
        ("transport", choice(&["stdio", "http"])),
        ("pins", choice(&["approve", "first", "off"])),
        (
            "surveyed",
            json!({"type": "boolean", "description": "whether the gateway has looked at it as a whole"}),
        ),
        (
            "failed",
            optional(&text("why the gateway could not look at it")),
        ),
        ("approved", count("definitions that are approved")),
        ("waiting", count("definitions that wait for approval")),
        ("rejected", count("definitions that were rejected")),
    ])
}

fn explanation() -> Value {
    let ids = |what: &str| json!({"type": "array", "items": text(what)});
    let policy = object(&[
        ("id", text("its id")),
        ("effect", choice(&["permit", "forbid", "ask"])),
        (
            "outcome",
            choice(&[
                "applies",
                "about others",
                "not met",
                "depends on arguments",
                "fails",
            ]),
        ),
        (
            "detail",
            optional(&text(
                "the condition that does not hold, or what went wrong",
            )),
        ),
    ]);
    object(&[
        (
            "decision",
            choice(&[
                "permitted",
                "forbidden",
                "not permitted",
                "depends on arguments",
                "failed",
            ]),
        ),
        ("by", ids("a policy that decided")),
        ("error", optional(&text("why it could not be decided"))),
        (
            "needs_approval_by",
            ids("a policy by which the call needs an approval all the same"),
        ),
        ("policies", json!({"type": "array", "items": policy})),
        (
            "entitlement",
            optional(&text(
                "under which it can be asked for, where that would help",
            )),
        ),
        ("kinds", ids("a kind of grant")),
        ("decided", optional(&text("who decides under it"))),
    ])
}

fn request() -> Value {
    object(&[
        ("id", text("names sort by time")),
        (
            "state",
            choice(&[
                "pending",
                "approved",
                "refused",
                "expired",
                "cancelled",
                "void",
            ]),
        ),
        ("entitlement", text("under which it was asked")),
        ("subject", text("the person on whose behalf")),
        ("actor", text("the agent")),
        (
            "run",
            optional(&text("the run; none when a person asked beforehand")),
        ),
        ("action", text("what is to be done, as policies name it")),
        ("upstream", text("the server")),
        ("kind", text("Tool, Resource or Prompt")),
        ("name", optional(&text("its name or URI"))),
        ("arguments", optional(&text("as exact JSON text"))),
        (
            "constraint",
            optional(&text(
                "what arguments must satisfy as whoever asked says, beyond the entitlement; a JSON Schema as text",
            )),
        ),
        ("terms", terms()),
        ("reason", said("why, as whoever asked says")),
        (
            "justification",
            said("why, as the person in whose name it was asked has added"),
        ),
        ("ticket", optional(&text("by its name elsewhere"))),
        ("model", optional(&text("as the host asserts it"))),
        ("client", optional(&text("as it calls itself"))),
        (
            "extends",
            optional(&text("the grant whose end is to be put off")),
        ),
        ("created", time("when it was asked")),
        ("expires", time("when it ends unanswered")),
        ("grant", optional(&text("the grant that came of it"))),
        (
            "decisions",
            json!({"type": "array", "items": object(&[
                ("by", text("who: a person, through which program if not at a page, or a rule")),
                ("verdict", choice(&["approve", "refuse"])),
                ("reason", optional(&text("why"))),
                ("decided", time("when")),
            ])}),
        ),
    ])
}

fn said(what: &str) -> Value {
    let said = object(&[
        ("text", text("untrusted")),
        ("author", choice(&["model", "person", "program", "gateway"])),
        (
            "beside",
            optional(&text("what a model says to what the gateway has noticed")),
        ),
    ]);
    let mut said = optional(&said);
    if let Some(said) = said.as_object_mut() {
        said.insert("description".into(), json!(what));
    }
    said
}

fn grant() -> Value {
    object(&[
        ("id", text("names sort by time")),
        ("state", text("active, or how it ended")),
        ("request", text("where it came from")),
        ("entitlement", text("under which it was asked")),
        ("subject", text("the person on whose behalf")),
        ("actor", text("the agent")),
        ("run", optional(&text("the run that it is for"))),
        ("upstream", text("the server")),
        ("kind", text("Tool, Resource or Prompt")),
        ("name", optional(&text("its name or URI"))),
        (
            "constraints",
            json!({"type": "array", "items": text("what arguments must satisfy, all of them; a JSON Schema as text")}),
        ),
        ("terms", terms()),
        ("calls_used", count("calls that it was used for")),
        ("bytes_used", count("bytes of answers")),
        ("begins", time("from when on")),
        ("expires", time("until when at most")),
        ("ended", optional(&time("when it ended"))),
    ])
}

fn reach() -> Value {
    object(&[
        ("why", choice(&["grant", "entitlement", "policy"])),
        (
            "state",
            text("active, or how it ended; may ask, for entitlements; standing, for policies"),
        ),
        ("id", text("of the grant, entitlement or policy")),
        ("rule", text("the entitlement or policy by which it is so")),
        (
            "subject",
            text("the person, or the patterns of those who may ask"),
        ),
        (
            "actor",
            text("the agent, or the patterns of those that may ask"),
        ),
        ("upstream", text("the server, or its pattern")),
        ("kind", text("tool, resource or prompt")),
        ("name", text("the name, or its pattern")),
        (
            "until",
            optional(&time("until when; none for entitlements and policies")),
        ),
    ])
}

fn agent() -> Value {
    object(&[
        ("actor", text("the agent")),
        ("subjects", count("people for whom it asked")),
        ("asked", count("requests")),
        ("pending", count("requests that wait")),
        ("refused", count("requests that were refused")),
        ("grants", count("active grants")),
        ("last_asked", optional(&time("its newest request"))),
    ])
}

fn lock() -> Value {
    object(&[
        ("id", text("its name")),
        (
            "kind",
            text("what is locked: tenant, subject, actor, upstream, tool, run"),
        ),
        (
            "name",
            optional(&text(
                "its name; of a tool: server, slash, tool; of the tenant: none",
            )),
        ),
        ("reason", text("why")),
        ("by", text("who set it")),
        ("since", time("when")),
        ("expires", optional(&time("when it ends by itself"))),
    ])
}

fn overview() -> Value {
    object(&[
        ("to_decide", count("requests that wait for this person")),
        ("mine", count("requests of this person's agents that wait")),
        ("grants", count("active grants that this person may see")),
        (
            "minutes",
            optional(&json!({"type": "array", "items": object(&[
                ("calls", count("calls that reached their server")),
                ("denials", count("calls that were refused")),
            ])})),
        ),
    ])
}

/// RFC 9457 section 3.
fn problem() -> Value {
    let mut schema = object(&[
        ("type", text("a name for the kind of problem")),
        ("title", text("what is wrong")),
        ("status", json!({"type": "integer"})),
        ("instance", text("the path that was asked")),
        ("code", text("a stable code")),
        ("next", text("what to do next")),
    ]);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("field".into(), text("the field or parameter"));
        let page = "where a person goes on, when no program may";
        properties.insert("page".into(), text(page));
    }
    schema
}

fn terms() -> Value {
    object(&[
        ("kind", choice(&["time", "calls", "once"])),
        ("duration_s", count("for how long, from the decision on")),
        ("calls_max", optional(&count("how many calls"))),
        ("bytes_max", optional(&count("how many bytes of answers"))),
    ])
}

/// All of its members are there.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn optional(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn time(what: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": what})
}

fn count(what: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": what})
}

fn choice(choices: &[&str]) -> Value {
    json!({"type": "string", "enum": choices})
}
