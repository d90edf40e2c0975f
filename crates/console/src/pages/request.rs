//! One request, to look at and to decide: everything that will happen, on one page.

use askama::Template;
use cardea_access::{
    AccessRequest, Approval, Author, DecidedBy, Entitlement, Filter, Kind, Narrowing, Need, Page,
    Stage, Verdict,
};
use cardea_domain::text::diff::{Line, Side, diff};
use http::StatusCode;

use super::Frame;
use crate::{
    caller::Standing,
    desk::Desk,
    lists,
    pretty::pretty,
    refusal::{Refusal, down},
    reply::{self, Reply},
    rooms::{Labelled, Ruling, Subject},
    text::{Breaks, visible},
    tighter,
    time::{self, Moment},
};

/// Arguments up to here are shown whole; whoever cannot see everything does not approve here.
pub(crate) const ARGUMENTS_CHARS_MAX: usize = 256 * 1024;
/// A description is told by its beginning.
const DESCRIPTION_CHARS_MAX: usize = 4000;
const NAME_CHARS_MAX: usize = 300;

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage<'a> {
    frame: Frame<'a>,
    request: lists::RequestRow,
    ends_how: &'static str,
    token: String,
    reason_chars_max: usize,
    lines: Vec<LineRow>,
    no_arguments: &'static str,
    /// Whether what is shown is what will be called, and not an example.
    is_exact: bool,
    /// What bounds the arguments of a grant that is not for one call.
    bounds: &'static str,
    offers: Vec<OfferRow>,
    bytes_max: Option<u64>,
    compared_with: Option<String>,
    is_diff: bool,
    description: Option<String>,
    reasons: Vec<Said>,
    may_decide: bool,
    login_again: Option<String>,
    cannot_approve: Option<&'static str>,
    calls_field: Option<CallsField>,
    why_not: Option<&'static str>,
    may_cancel: bool,
    may_justify: bool,
    own_text: &'static str,
    facts: Vec<Fact>,
    grant: Option<String>,
    stages: Vec<StageRow>,
    decisions: Vec<DecisionRow>,
}

/// A line of the arguments, in an element of this name.
struct LineRow {
    tag: &'static str,
    text: String,
}

/// An argument that can be tightened, with the names of its fields.
struct OfferRow {
    names: &'static tighter::Names,
    name: String,
    /// As it is sent; the name above is as it is shown.
    argument: String,
    value: String,
}

struct Said {
    by: &'static str,
    text: String,
}

struct CallsField {
    max: Option<u64>,
}

struct Fact {
    name: &'static str,
    value: String,
}

struct StageRow {
    need: String,
    of: String,
    is_done: bool,
}

struct DecisionRow {
    state: &'static str,
    by: String,
    at: Moment,
    narrowed: Option<String>,
    reason: Option<String>,
}

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let request = desk.request().await?;
    let entitlement = desk.entitlement(&request);
    let before = last_approved(desk, &request).await?;
    let subject = desk.subject(&request.upstream, &request.target).await?;
    let standing = desk.caller.standing(&request, &desk.entitlements);
    let is_whole = shown_len(request.arguments.as_deref()) <= ARGUMENTS_CHARS_MAX;
    let waits_for_words = entitlement.is_some_and(|e| e.lacks_justification(&request));
    let standing = match standing {
        Standing::May if !is_whole => Standing::MayNot(
            "The arguments are too long to be shown whole, so they cannot be approved here. Refuse them through the API, or let the request end.",
        ),
        other => other,
    };
    let is_own = request.subject == desk.caller.person.subject;
    let is_pending = request.state == cardea_access::RequestState::Pending;
    let login_again = match desk.check_login() {
        Ok(()) => None,
        Err(_) => Some(format!("/console/login?next={}", desk.ask.path)),
    };
    let title = title(&request);
    let page = RequestPage {
        frame: Frame::new(desk, "/console/requests", title),
        ends_how: if is_pending {
            "and ends unanswered in"
        } else {
            ""
        },
        token: desk.form_token(),
        reason_chars_max: cardea_access::REASON_CHARS_MAX,
        lines: lines(&request, before.as_ref()),
        no_arguments: no_arguments(&request),
        is_exact: request.terms.kind == Kind::Once,
        bounds: bounds(&request, entitlement),
        offers: offers(&request, &subject.arguments),
        bytes_max: request.terms.bytes_max,
        is_diff: before.is_some(),
        compared_with: before.map(|before| before.id.to_string()),
        description: subject
            .description
            .as_deref()
            .map(|text| visible(text, DESCRIPTION_CHARS_MAX, Breaks::Kept)),
        reasons: reasons(&request),
        may_decide: standing == Standing::May,
        login_again,
        cannot_approve: waits_for_words
            .then_some("The person in whose name it is asked has to say why first, on this page."),
        calls_field: calls_field(&request),
        why_not: match standing {
            Standing::MayNot(why) if is_pending => Some(why),
            _ => None,
        },
        may_cancel: is_own && is_pending,
        may_justify: is_own && request.takes_justification(desk.caller.by()),
        own_text: "It waits for those who decide. You can leave this page; the agent may try again.",
        facts: facts(desk, &request, entitlement, &subject),
        grant: request.state.grant().map(ToString::to_string),
        stages: stages(&request, entitlement),
        decisions: request.approvals.iter().map(decision).collect(),
        request: lists::request_row(&request),
    };
    Ok(reply::page(StatusCode::OK, &page))
}

fn short(text: &str) -> String {
    visible(text, NAME_CHARS_MAX, Breaks::Shown)
}

fn title(request: &AccessRequest) -> String {
    let how = match request.terms.kind {
        Kind::Time => "for a time",
        Kind::Calls => "for some calls",
        Kind::Once => "once, as below",
    };
    let name = request.target.name().unwrap_or_default();
    let (name, upstream) = (short(name), &request.upstream);
    format!(
        "“{name}” on {upstream}, {how}: for {} by {}",
        short(request.subject.as_str()),
        short(request.actor.as_str())
    )
}

/// The newest request for the same thing, by the same agent and person, that was approved, where
/// the person may see it: it can be of an entitlement that others decide about.
async fn last_approved(
    desk: &Desk<'_>,
    request: &AccessRequest,
) -> Result<Option<AccessRequest>, Refusal> {
    let filter = Filter {
        state: Some("approved".to_owned()),
        subject: Some(request.subject.clone()),
        actor: Some(request.actor.clone()),
        upstream: Some(request.upstream.clone()),
        target: Some(request.target.clone()),
        ..Filter::default()
    };
    let newest = Page {
        after: Some(request.id.to_string()),
        rows_max: 1,
    };
    let found = desk.access.requests(&filter, &newest).await;
    let newest = found.map_err(down)?.into_iter().next();
    Ok(newest.filter(|before| desk.caller.may_see(before, desk.entitlement(before))))
}

fn shown_len(arguments: Option<&str>) -> usize {
    arguments.map_or(0, |text| pretty(text).chars().count())
}

fn no_arguments(request: &AccessRequest) -> &'static str {
    match (request.terms.kind, &request.arguments) {
        (Kind::Once, _) => "The call has no arguments.",
        (_, None) => {
            "It is not for one call: the agent chooses the arguments of each, within what is said under “Facts”."
        }
        (_, Some(_)) => "None.",
    }
}

/// What holds for the arguments of calls that nobody sees beforehand.
fn bounds(request: &AccessRequest, entitlement: Option<&Entitlement>) -> &'static str {
    let is_bound = request.constraint.is_some()
        || entitlement.is_some_and(|entitlement| entitlement.constraint.is_some());
    match is_bound {
        true => "within what “Facts” says that arguments must satisfy",
        false => "and nothing bounds them but what you choose under “Decide”",
    }
}

fn offers(request: &AccessRequest, schema_names: &[String]) -> Vec<OfferRow> {
    if request.terms.kind == Kind::Once || request.extends.is_some() {
        return Vec::new();
    }
    let offers = tighter::offers(request.arguments.as_deref(), schema_names);
    let rows = offers.into_iter().zip(&tighter::FIELDS);
    rows.map(|(offer, names)| OfferRow {
        names,
        name: short(&offer.name),
        argument: offer.name,
        value: offer.value,
    })
    .collect()
}

/// The arguments line by line; with an earlier request, what differs is marked.
fn lines(request: &AccessRequest, before: Option<&AccessRequest>) -> Vec<LineRow> {
    let layout = |request: &AccessRequest| {
        let text = request.arguments.as_deref().map(pretty)?;
        Some(visible(&text, ARGUMENTS_CHARS_MAX, Breaks::Kept))
    };
    let Some(now) = layout(request) else {
        return Vec::new();
    };
    // Without an earlier one nothing is marked.
    let before = before.and_then(layout).unwrap_or_else(|| now.clone());
    let row = |line: &Line<'_>| LineRow {
        tag: match line.side {
            Side::Both => "span",
            Side::Old => "del",
            Side::New => "ins",
        },
        text: line.text.to_owned(),
    };
    diff(&before, &now).iter().map(row).collect()
}

fn reasons(request: &AccessRequest) -> Vec<Said> {
    let said = request.reason.iter().chain(&request.justification);
    let said = said.flat_map(|reason| {
        let beside = reason.beside.as_deref();
        [
            Some((reason.author, &*reason.text)),
            beside.map(|text| (Author::Model, text)),
        ]
    });
    let said = said.flatten().map(|(author, text)| Said {
        by: match author {
            Author::Model => "Written by a model; nobody has checked it",
            Author::Person => "Written by the person in whose name it is asked",
            Author::Program => {
                "Sent by a program in the person’s name; a model may have written it"
            }
            Author::Gateway => "Noticed by the gateway",
        },
        text: visible(text, cardea_access::REASON_CHARS_MAX, Breaks::Kept),
    });
    said.collect()
}

fn calls_field(request: &AccessRequest) -> Option<CallsField> {
    match request.terms.kind {
        Kind::Once => None,
        Kind::Time | Kind::Calls => Some(CallsField {
            max: request.terms.calls_max,
        }),
    }
}

/// What its labels say that a call can do, the worst first.
fn risk(labels: &Labelled) -> String {
    let Labelled::As(labels) = labels else {
        return "unknown: nobody has labelled this tool, so it is taken for everything dangerous"
            .to_owned();
    };
    let has = |label| labels.contains(&label);
    let mut said = Vec::new();
    if has("destructive") {
        said.push("high: it takes away or replaces what is there");
    }
    if has("external") {
        said.push("high: what it says reaches others");
    }
    if has("outward") {
        said.push("it fetches an address that the agent chooses");
    }
    if has("private") {
        said.push("its results hold what outsiders must not have");
    }
    if has("untrusted") {
        said.push("its results hold what outsiders wrote");
    }
    if said.is_empty() {
        said.push(match has("read-only") {
            true => "low: it changes nothing",
            false => "it changes something",
        });
    }
    said.join("; ")
}

fn facts(
    desk: &Desk<'_>,
    request: &AccessRequest,
    entitlement: Option<&Entitlement>,
    subject: &Subject,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact =
        |name, value: Option<String>| facts.extend(value.map(|value| Fact { name, value }));
    fact("Person", Some(short(request.subject.as_str())));
    fact("Agent", Some(short(request.actor.as_str())));
    let chain: Vec<_> = request
        .chain
        .iter()
        .map(|actor| short(actor.as_str()))
        .collect();
    fact("Through", (!chain.is_empty()).then(|| chain.join(", ")));
    let people = request.owners.subjects.iter();
    let people = people.map(|owner| short(owner.as_str()));
    let groups = request.owners.groups.iter();
    let groups = groups.map(|group| format!("group {}", short(group)));
    let owners: Vec<_> = people.chain(groups).collect();
    fact("Owned by", (!owners.is_empty()).then(|| owners.join(", ")));
    fact("Model, as asserted", request.model.as_deref().map(short));
    fact("Client, as asserted", request.client.as_deref().map(short));
    fact(
        "Run",
        Some(
            request
                .run
                .as_ref()
                .map_or_else(|| "any of this agent".to_owned(), |run| short(run.as_str())),
        ),
    );
    fact("Server", Some(request.upstream.to_string()));
    fact(request.target.kind(), request.target.name().map(short));
    fact("Risk", subject.labels.as_ref().map(risk));
    fact(
        "Labels",
        match &subject.labels {
            Some(Labelled::As(labels)) if !labels.is_empty() => Some(labels.join(", ")),
            _ => None,
        },
    );
    fact(
        "As its server says, unchecked",
        (!subject.asserted.is_empty()).then(|| subject.asserted.join(", ")),
    );
    fact("Terms", Some(lists::terms(&request.terms)));
    fact(
        "Bytes of answers, at most",
        request.terms.bytes_max.map(|bytes| bytes.to_string()),
    );
    let schema = entitlement
        .and_then(|e| e.constraint.as_ref())
        .map(ToString::to_string);
    fact(
        "Arguments must satisfy",
        schema
            .as_deref()
            .map(|text| visible(text, 2000, Breaks::Shown)),
    );
    let schema = request.constraint.as_ref().map(ToString::to_string);
    fact(
        "And, as the asker says",
        schema
            .as_deref()
            .map(|text| visible(text, 2000, Breaks::Shown)),
    );
    fact("Entitlement", Some(entitlement_text(request, entitlement)));
    fact("Ticket", request.ticket.as_deref().map(short));
    fact(
        "Policies",
        Some(ruling(&desk.rooms.ruling(desk.tenant(), request))),
    );
    fact("Extends", request.extends.as_ref().map(ToString::to_string));
    fact("Asked", Some(Moment::at(request.created_ms).text));
    facts
}

fn entitlement_text(request: &AccessRequest, entitlement: Option<&Entitlement>) -> String {
    let id = request.entitlement.to_string();
    match entitlement {
        None => format!("{id}, which is not configured any more: it can only be refused"),
        Some(entitlement) => match &entitlement.description {
            Some(text) => format!("{id}: {}", short(text)),
            None => id,
        },
    }
}

fn ruling(ruling: &Ruling) -> String {
    let named = |ids: &[String]| {
        ids.iter()
            .map(|id| short(id))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match ruling {
        Ruling::Permits(ids) => format!("permit it by themselves: {}", named(ids)),
        Ruling::Silent => "say nothing to it: the grant decides".to_owned(),
        Ruling::Forbids(ids) => format!(
            "forbid it, and a grant does not change that: {}",
            named(ids)
        ),
        Ruling::Unknown(why) => format!("cannot say beforehand: {}", short(why)),
    }
}

fn stages(request: &AccessRequest, entitlement: Option<&Entitlement>) -> Vec<StageRow> {
    let Some(entitlement) = entitlement else {
        return Vec::new();
    };
    let is_over = request.state.grant().is_some();
    let row = |stage: &Stage| StageRow {
        need: match stage.need {
            Need::Any => "Any one of".to_owned(),
            Need::All => "All of".to_owned(),
            Need::N(n) => format!("{n} of"),
        },
        of: {
            let users = stage.users.iter().map(|user| short(user.as_str()));
            let groups = stage
                .groups
                .iter()
                .map(|group| format!("group {}", short(group)));
            users.chain(groups).collect::<Vec<_>>().join(", ")
        },
        is_done: is_over,
    };
    entitlement.stages.iter().map(row).collect()
}

fn decision(approval: &Approval) -> DecisionRow {
    DecisionRow {
        state: match approval.verdict {
            Verdict::Approve => "approved",
            Verdict::Refuse => "refused",
        },
        by: match (&approval.by, &approval.program) {
            (DecidedBy::Person(subject), None) => short(subject.as_str()),
            (DecidedBy::Person(subject), Some(program)) => format!(
                "{} through {}",
                short(subject.as_str()),
                short(program.as_str())
            ),
            (DecidedBy::Rule(name), _) => format!("the rule {}", short(name)),
        },
        at: Moment::at(approval.decided_ms),
        narrowed: narrowed(&approval.narrowing),
        reason: approval
            .reason
            .as_deref()
            .map(|text| visible(text, cardea_access::REASON_CHARS_MAX, Breaks::Kept)),
    }
}

fn narrowed(narrowing: &Narrowing) -> Option<String> {
    let parts = [
        narrowing.duration.map(time::duration),
        narrowing.calls_max.map(|calls| format!("{calls} calls")),
        narrowing.bytes_max.map(|bytes| format!("{bytes} bytes")),
        narrowing
            .constraint
            .as_ref()
            .map(|_| "tighter arguments".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("narrowed to {}", parts.join(", ")))
}
