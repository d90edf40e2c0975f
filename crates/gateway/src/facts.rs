//! What is known of one call, gathered on its way, for its records, its metrics and its span.

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_audit::{Decision, Effect, Entry, Kind, Response as RecordedResponse};
use cardea_domain::{Action, Denial, Principal, Target, UpstreamId};
use cardea_policy::{Permit, Question, Refusal};

use crate::{Tenant, call_id, protocol::Dialect, tenant::Place, trace::TraceContext};

/// Everything that was learnt of a call so far; stations add what they find.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) call: String,
    pub(crate) started: Instant,
    pub(crate) started_us: u64,
    pub(crate) peer: IpAddr,
    /// Known as soon as the token is: its log is where the call is recorded.
    pub(crate) tenant: Option<Arc<Tenant>>,
    /// The call's counted place among those of the tenant, held until its end is recorded.
    pub(crate) place: Option<Place>,
    pub(crate) principal: Option<Principal>,
    pub(crate) model: Option<String>,
    pub(crate) client: Option<Bytes>,
    pub(crate) upstream: Option<UpstreamId>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) method: Cow<'static, str>,
    pub(crate) action: Option<Action>,
    pub(crate) target: Option<Target>,
    /// The raw JSON-RPC id, of a request or of a client's own response.
    pub(crate) id: Option<String>,
    /// Whether a JSON-RPC answer is due.
    pub(crate) is_request: bool,
    pub(crate) arguments: Option<Bytes>,
    /// What the policies said; `None` as long as they were not asked.
    pub(crate) ruling: Option<Ruling>,
    /// The grant that it is made by, or what was asked for where there is none.
    pub(crate) access: Option<AccessFacts>,
    /// What asking them took.
    pub(crate) decision_us: Option<u64>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) parent_span: Option<[u8; 8]>,
    pub(crate) upstream_us: Option<u64>,
}

pub(crate) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// What the policies said, as far as it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Ruling {
    effect: Effect,
    policies: Arc<[Arc<str>]>,
    epoch: u64,
}

impl From<&Permit> for Ruling {
    fn from(permit: &Permit) -> Self {
        Self {
            effect: Effect::Permit,
            policies: permit.policies_shared(),
            epoch: permit.epoch(),
        }
    }
}

impl From<&Refusal> for Ruling {
    fn from(refusal: &Refusal) -> Self {
        Self {
            effect: Effect::Deny,
            policies: refusal.policies_shared(),
            epoch: refusal.epoch(),
        }
    }
}

impl Ruling {
    /// What these policies keep from being done until somebody has approved it.
    pub(crate) fn held(policies: Arc<[Arc<str>]>, epoch: u64) -> Self {
        Self {
            effect: Effect::Deny,
            policies,
            epoch,
        }
    }

    /// The same, where a grant or an entitlement allows what no policy permits.
    pub(crate) fn allowed_beside(self) -> Self {
        Self {
            effect: Effect::Permit,
            ..self
        }
    }

    fn decision(&self) -> Decision<'_> {
        Decision {
            effect: self.effect,
            policies: &self.policies,
            epoch: self.epoch,
        }
    }
}

/// Why there is no permit for a question.
#[derive(Debug)]
pub(crate) struct NotPermitted {
    /// `None` when the policies could not be asked.
    pub(crate) ruling: Option<Ruling>,
    pub(crate) denial: Denial,
    /// What a grant could still allow: nothing stands against it but that no policy permits it.
    pub(crate) grantable: Option<Box<Question>>,
}

/// What stands between the call and policies that do not permit it.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessFacts {
    pub(crate) entitlement: Option<Arc<str>>,
    pub(crate) request: Option<String>,
    pub(crate) grant: Option<String>,
}

impl AccessFacts {
    fn entry(&self) -> cardea_audit::Access<'_> {
        cardea_audit::Access {
            entitlement: self.entitlement.as_deref(),
            request: self.request.as_deref(),
            grant: self.grant.as_deref(),
        }
    }
}

impl From<Refusal> for NotPermitted {
    fn from(refusal: Refusal) -> Self {
        Self {
            ruling: Some(Ruling::from(&refusal)),
            denial: refusal.denial(),
            grantable: refusal
                .lacks_a_permit_only()
                .then(|| refusal.into_question()),
        }
    }
}

/// What became of a server's request to the client.
#[derive(Debug)]
pub(crate) struct Heard {
    /// `None` for what no policy is asked about.
    pub(crate) ruling: Option<Ruling>,
    pub(crate) allowed: Result<(), Denial>,
}

/// How a call ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) word: &'static str,
    pub(crate) status: u16,
    pub(crate) bytes: usize,
    pub(crate) rpc_code: Option<i64>,
    pub(crate) is_error: bool,
    pub(crate) events: usize,
    pub(crate) hidden: usize,
    pub(crate) rows_foreign: usize,
    pub(crate) rows_unlabelled: usize,
    pub(crate) blocks_untyped: usize,
    pub(crate) held_back: usize,
    pub(crate) denial: Option<Denial>,
}

impl Outcome {
    /// What of the result was another tenant's, or could not be shown not to be, in words.
    pub(crate) fn of_another_tenant(&self) -> Option<String> {
        if let Some(denial) = &self.denial {
            let is_result = denial.code == cardea_domain::Code::TenantResult;
            return is_result.then(|| {
                let why = denial.detail.as_deref().unwrap_or_default();
                format!("the result was refused: {why}")
            });
        }
        (self.rows_foreign > 0)
            .then(|| format!("rows of another tenant left out: {}", self.rows_foreign))
    }
}

impl Facts {
    pub(crate) fn new(peer: IpAddr, http_method: &http::Method, unix_us: u64) -> Self {
        Self {
            call: call_id::new(unix_us / 1000),
            started: Instant::now(),
            started_us: unix_us,
            peer,
            tenant: None,
            place: None,
            principal: None,
            model: None,
            client: None,
            upstream: None,
            dialect: None,
            method: match *http_method {
                http::Method::POST => Cow::Borrowed("POST"),
                http::Method::GET => Cow::Borrowed("GET"),
                http::Method::DELETE => Cow::Borrowed("DELETE"),
                _ => Cow::Borrowed("HTTP"),
            },
            action: None,
            target: None,
            id: None,
            is_request: false,
            arguments: None,
            ruling: None,
            access: None,
            decision_us: None,
            trace: None,
            parent_span: None,
            upstream_us: None,
        }
    }

    pub(crate) fn era(&self) -> cardea_mcp::Era {
        self.dialect.map_or(cardea_mcp::Era::Legacy, |d| d.era)
    }

    /// The tenant's id; empty for what belongs to none.
    pub(crate) fn tenant_name(&self) -> &str {
        self.principal.as_ref().map_or("", |p| p.tenant.as_str())
    }

    pub(crate) fn elapsed_us(&self) -> u64 {
        micros(self.started.elapsed())
    }

    /// The record of a call that is about to reach its upstream.
    pub(crate) fn intent(&self) -> Entry<'_> {
        self.entry(Kind::Intent)
    }

    /// The record of a call that was refused before it reached its upstream.
    pub(crate) fn refusal<'a>(&'a self, denial: &'a Denial) -> Entry<'a> {
        Entry {
            denial: Some(denial),
            total_us: Some(self.elapsed_us()),
            ..self.entry(Kind::Denial)
        }
    }

    /// The record of a call's end.
    pub(crate) fn outcome<'a>(&'a self, outcome: &'a Outcome) -> Entry<'a> {
        Entry {
            // The intent holds them; its outcome is found by the same call id.
            arguments: None,
            denial: outcome.denial.as_ref(),
            response: Some(RecordedResponse {
                word: outcome.word,
                status: outcome.status,
                bytes: outcome.bytes,
                rpc_code: outcome.rpc_code,
                is_error: outcome.is_error,
                events: outcome.events,
                hidden: outcome.hidden,
                rows_foreign: outcome.rows_foreign,
                rows_unlabelled: outcome.rows_unlabelled,
                blocks_untyped: outcome.blocks_untyped,
                held_back: outcome.held_back,
            }),
            total_us: Some(self.elapsed_us()),
            upstream_us: self.upstream_us,
            ..self.entry(Kind::Outcome)
        }
    }

    /// The record of something about the call that somebody should look at.
    pub(crate) fn event<'a>(&'a self, name: &'a str, detail: &'a str) -> Entry<'a> {
        Entry {
            arguments: None,
            event: Some(name),
            detail: Some(detail),
            ..self.entry(Kind::Event)
        }
    }

    /// The record of a server process that is about to be started for the call.
    pub(crate) fn process_start(&self) -> Entry<'_> {
        Entry {
            arguments: None,
            event: Some("process_start"),
            ..self.entry(Kind::Event)
        }
    }

    /// The record of a request that the server makes within the call.
    pub(crate) fn server_request<'a>(
        &'a self,
        method: &'a str,
        heard: &'a Heard,
        bytes: usize,
    ) -> Entry<'a> {
        Entry {
            method,
            denial: heard.allowed.as_ref().err(),
            arguments: None,
            decision: heard.ruling.as_ref().map(Ruling::decision),
            decision_us: None,
            response: Some(RecordedResponse {
                word: "server_request",
                bytes,
                ..RecordedResponse::default()
            }),
            ..self.entry(Kind::Event)
        }
    }

    fn entry(&self, kind: Kind) -> Entry<'_> {
        Entry {
            kind,
            call: &self.call,
            principal: self.principal.as_ref(),
            model: self.model.as_deref(),
            client: self
                .client
                .as_deref()
                .and_then(|c| std::str::from_utf8(c).ok()),
            upstream: self.upstream.as_ref(),
            version: self.dialect.map(|d| d.version.as_str()),
            method: &self.method,
            action: self.action,
            target: self.target.as_ref(),
            id: self.id.as_deref(),
            arguments: self
                .arguments
                .as_deref()
                .and_then(|a| std::str::from_utf8(a).ok()),
            decision: self.ruling.as_ref().map(Ruling::decision),
            access: self.access.as_ref().map(AccessFacts::entry),
            decision_us: self.decision_us,
            peer: Some(self.peer),
            trace_id: self.trace.map(|t| t.trace_id),
            ..Entry::default()
        }
    }
}
