//! What receivers are told, as pure functions.

use cardea_access::{
    AccessRequest, Author, DecidedBy, EndReason, Entitlement, Entitlements, Grant, Lock, Need,
    RequestState, Stage, Verdict,
};
use cardea_domain::{Target, TenantId};
use cardea_notify::{Kind, Notice, Said};

/// Where things are, and what they are called.
pub(super) struct Pages {
    pub(super) tenant: TenantId,
    /// The address below which requests have their pages, with a slash at the end.
    pub(super) requests: Option<String>,
    pub(super) entitlements: Entitlements,
}

/// What is decided or over is news for a day.
const NEWS_MS: u64 = 24 * 3600 * 1000;

impl Pages {
    fn of(&self, request: &impl std::fmt::Display) -> Option<String> {
        let below = self.requests.as_ref()?;
        Some(format!("{below}{request}"))
    }

    fn notice(&self, id: String, kind: Kind, title: &'static str, at_ms: u64) -> Notice {
        Notice {
            id,
            kind,
            tenant: self.tenant.clone(),
            at_ms,
            until_ms: at_ms.saturating_add(NEWS_MS),
            title,
            words: Vec::new(),
            said: Vec::new(),
            page: None,
        }
    }
}

/// A request waits for people: those of the entitlement, of whom some may have said yes.
pub(super) fn requested(
    request: &AccessRequest,
    entitlement: Option<&Entitlement>,
    pages: &Pages,
) -> Notice {
    // One more approval is news to whoever has to give the next one.
    let so_far = request.approvals.len();
    let title = match so_far {
        0 => "Access is asked for",
        _ => "A request for access needs one more approval",
    };
    let id = format!("{}-requested-{so_far}", request.id);
    let notice = pages.notice(id, Kind::Requested, title, request.created_ms);
    let approvers: Vec<_> = entitlement
        .into_iter()
        .flat_map(|e| &e.stages)
        .map(stage)
        .collect();
    let approved: Vec<_> = request.approvals.iter().map(|a| a.by.to_string()).collect();
    let notice = Notice {
        until_ms: request.expires_ms,
        page: pages.of(&request.id),
        said: reasons(request),
        ..about(notice, request)
    };
    notice.with("Decides", "approvers", Some(approvers)).with(
        "Approved by",
        "approved_by",
        (so_far > 0).then_some(approved),
    )
}

/// What became of a request.
pub(super) fn decided(request: &AccessRequest, now_ms: u64, pages: &Pages) -> Notice {
    let (kind, title) = match request.state {
        RequestState::Approved(_) => (Kind::Approved, "A request for access was approved"),
        RequestState::Refused => (Kind::Refused, "A request for access was refused"),
        RequestState::Expired => (Kind::Expired, "Nobody decided about a request for access"),
        _ => (Kind::Withdrawn, "A request for access is over"),
    };
    let is_decided = matches!(kind, Kind::Approved | Kind::Refused);
    let last = request.approvals.last().filter(|_| is_decided);
    let at_ms = last.map_or(now_ms, |a| a.decided_ms);
    let id = format!("{}-{}", request.id, request.state.as_str());
    let notice = about(pages.notice(id, kind, title, at_ms), request);
    let deciders = request.approvals.iter().filter(|a| match request.state {
        RequestState::Refused => a.verdict == Verdict::Refuse,
        _ => a.verdict == Verdict::Approve,
    });
    let by: Vec<_> = deciders.map(|a| a.by.to_string()).collect();
    let why = last.and_then(|last| {
        Some(Said {
            by: match last.by {
                DecidedBy::Person(_) => "Whoever decided says",
                DecidedBy::Rule(_) => "The rule says",
            },
            name: "decision_reason",
            text: last.reason.clone()?,
        })
    });
    let notice = Notice {
        page: pages.of(&request.id),
        said: why.into_iter().collect(),
        ..notice
    };
    notice
        .with("State", "state", Some(request.state.as_str()))
        .with("Decided by", "decided_by", (!by.is_empty()).then_some(by))
        .with("Grant", "grant", request.state.grant().map(|g| g.as_str()))
}

/// A grant is over.
pub(super) fn grant_ended(grant: &Grant, reason: EndReason, now_ms: u64, pages: &Pages) -> Notice {
    let id = format!("{}-ended", grant.id);
    let at_ms = grant.ended.map_or(now_ms, |(at_ms, _)| at_ms);
    let title = match reason {
        EndReason::Revoked => "A grant was revoked",
        _ => "A grant has ended",
    };
    let notice = Notice {
        page: pages.of(&grant.request),
        ..pages.notice(id, Kind::GrantEnded, title, at_ms)
    };
    let (label, kind) = target(&grant.target);
    notice
        .with("Person", "subject", Some(grant.subject.as_str()))
        .with("Agent", "actor", Some(grant.actor.as_str()))
        .with("Server", "upstream", Some(grant.upstream.as_str()))
        .with("Kind of target", "target_kind", Some(kind))
        .with(label, "target", grant.target.name())
        .with(
            "Entitlement",
            "entitlement",
            Some(grant.entitlement.as_str()),
        )
        .with("Request", "request", Some(grant.request.as_str()))
        .with("Grant", "grant", Some(grant.id.as_str()))
        .with("Ended because", "end_reason", Some(reason.as_str()))
}

/// A lock is set, or gone.
pub(super) fn lock(lock: &Lock, is_set: bool, now_ms: u64, pages: &Pages) -> Notice {
    let (kind, title, what) = match is_set {
        true => (Kind::Locked, "Access was locked", "set"),
        false => (Kind::Unlocked, "A lock was lifted, or has ended", "lifted"),
    };
    let at_ms = if is_set { lock.set_ms } else { now_ms };
    let notice = pages.notice(format!("{}-{what}", lock.id), kind, title, at_ms);
    let why = (!lock.reason.is_empty()).then(|| Said {
        by: "Whoever set it says",
        name: "reason",
        text: lock.reason.clone(),
    });
    let notice = Notice {
        said: why.into_iter().collect(),
        ..notice
    };
    notice
        .with("Lock", "lock", Some(lock.id.as_str()))
        .with("Locked", "scope", Some(lock.scope.to_string()))
        .with("Set by", "set_by", Some(lock.set_by.as_str()))
        .with("Ends (ms since 1970)", "expires_ms", lock.expires_ms)
}

/// What every notice of a request says.
fn about(notice: Notice, request: &AccessRequest) -> Notice {
    let (label, kind) = target(&request.target);
    notice
        .with("Person", "subject", Some(request.subject.as_str()))
        .with("Agent", "actor", Some(request.actor.as_str()))
        .with("Server", "upstream", Some(request.upstream.as_str()))
        .with("Kind of target", "target_kind", Some(kind))
        .with(label, "target", request.target.name())
        .with(
            "Entitlement",
            "entitlement",
            Some(request.entitlement.as_str()),
        )
        .with("Request", "request", Some(request.id.as_str()))
        .with("Kind of grant", "kind", Some(request.terms.kind.as_str()))
        .with(
            "Seconds",
            "duration_s",
            Some(request.terms.duration.as_secs()),
        )
        .with("Calls", "calls", request.terms.calls_max)
        .with(
            "Client, as it calls itself",
            "client",
            request.client.as_deref(),
        )
        .with("Model, as asserted", "model", request.model.as_deref())
        .with("Ticket", "ticket", request.ticket.as_deref())
}

fn reasons(request: &AccessRequest) -> Vec<Said> {
    let Some(reason) = &request.reason else {
        return Vec::new();
    };
    let beside = reason.beside.as_deref();
    let beside = beside.map(|text| said(Author::Model, text));
    let first = said(reason.author, &reason.text);
    [Some(first), beside].into_iter().flatten().collect()
}

fn said(author: Author, text: &str) -> Said {
    let (by, name) = match author {
        Author::Model => ("The agent says, in a model's words", "reason_by_model"),
        Author::Person => ("The person says", "reason_by_person"),
        Author::Program => (
            "A program with the person's login says",
            "reason_by_program",
        ),
        Author::Gateway => ("The gateway has noticed", "reason_by_gateway"),
    };
    Said {
        by,
        name,
        text: text.to_owned(),
    }
}

fn target(target: &Target) -> (&'static str, &'static str) {
    match target {
        Target::Tool(_) => ("Tool", "tool"),
        Target::Prompt(_) => ("Prompt", "prompt"),
        Target::Resource(_) | Target::Template(_) => ("Resource", "resource"),
        Target::Upstream => ("Server", "upstream"),
    }
}

/// Who decides at one stage: `2 of: ada, group leads`.
fn stage(stage: &Stage) -> String {
    let users = stage.users.iter().map(ToString::to_string);
    let groups = stage.groups.iter().map(|group| format!("group {group}"));
    let names: Vec<_> = users.chain(groups).collect();
    let need = match stage.need {
        Need::Any => "one of".to_owned(),
        Need::All => "each of".to_owned(),
        Need::N(n) => format!("{n} of"),
    };
    format!("{need}: {}", names.join(", "))
}
