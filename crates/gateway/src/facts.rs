//! What is known of one call, gathered on its way, for its records, its metrics and its span.

use std::{borrow::Cow, net::IpAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use cardea_audit::{Entry, Kind, Response as RecordedResponse};
use cardea_domain::{Action, Denial, Principal, Target, UpstreamId};
use uuid::Uuid;

use crate::{Tenant, protocol::Dialect, tenant::Place, trace::TraceContext};

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
    pub(crate) decided_by: Arc<[Arc<str>]>,
    pub(crate) epoch: Option<u64>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) parent_span: Option<[u8; 8]>,
    pub(crate) upstream_us: Option<u64>,
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
    pub(crate) denial: Option<Denial>,
}

impl Facts {
    pub(crate) fn new(peer: IpAddr, http_method: &http::Method, unix_ms: u64) -> Self {
        Self {
            call: Uuid::now_v7().to_string(),
            started: Instant::now(),
            started_us: unix_ms.saturating_mul(1000),
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
            decided_by: Arc::from([]),
            epoch: None,
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
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
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
            }),
            total_us: Some(self.elapsed_us()),
            upstream_us: self.upstream_us,
            ..self.entry(Kind::Outcome)
        }
    }

    /// The record of a request that the server makes within the call.
    pub(crate) fn server_request<'a>(
        &'a self,
        method: &'a str,
        denial: Option<&'a Denial>,
        bytes: usize,
    ) -> Entry<'a> {
        Entry {
            method,
            denial,
            arguments: None,
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
            decided_by: &self.decided_by,
            epoch: self.epoch,
            peer: Some(self.peer),
            trace_id: self.trace.map(|t| t.trace_id),
            ..Entry::default()
        }
    }
}
