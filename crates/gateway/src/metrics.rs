//! Counters in Prometheus' text format.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::facts::{Facts, Outcome};

/// All counters of the gateway.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    upstream_seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    open_calls: Gauge,
    connections: Gauge,
    handshake_failures: Counter,
    reloads: Family<ReloadLabels, Counter>,
    audit_records: Counter<u64, AtomicU64>,
    audit_ok: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tenant: String,
    upstream: String,
    method: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

/// From 50 us to 13 min in steps of two.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_05, 2.0, 24))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cardea");
        let calls = Family::default();
        registry.register("calls", "Calls that ended, by outcome", calls.clone());
        let refusals = Family::default();
        registry.register(
            "refusals",
            "Calls refused before they reached their upstream, by code",
            refusals.clone(),
        );
        let total = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "call_duration",
            "From a call's head to its record",
            Unit::Seconds,
            total.clone(),
        );
        let upstream = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "upstream_duration",
            "From sending a call upstream to the beginning of the reply",
            Unit::Seconds,
            upstream.clone(),
        );
        let open_calls = Gauge::default();
        registry.register("open_calls", "Calls under way", open_calls.clone());
        let connections = Gauge::default();
        registry.register(
            "connections",
            "Open client connections",
            connections.clone(),
        );
        let handshake_failures = Counter::default();
        registry.register(
            "tls_handshake_failures",
            "Connections that ended before their TLS handshake did",
            handshake_failures.clone(),
        );
        let reloads = Family::default();
        registry.register("reloads", "Configuration reloads", reloads.clone());
        let audit_records = Counter::default();
        registry.register(
            "audit_records",
            "Durable audit records",
            audit_records.clone(),
        );
        let audit_ok = Gauge::default();
        registry.register(
            "audit_ok",
            "1 while the audit log can be written",
            audit_ok.clone(),
        );
        Self {
            registry,
            calls,
            refusals,
            seconds: total,
            upstream_seconds: upstream,
            open_calls,
            connections,
            handshake_failures,
            reloads,
            audit_records,
            audit_ok,
        }
    }
}

impl Metrics {
    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    pub(crate) fn call_opened(&self) {
        self.open_calls.inc();
    }

    pub(crate) fn call_closed(&self, facts: &Facts, outcome: &Outcome) {
        self.open_calls.dec();
        let upstream = facts
            .upstream
            .as_ref()
            .map_or("", |u| u.as_str())
            .to_owned();
        let tenant = facts
            .principal
            .as_ref()
            .map_or("", |p| p.tenant.as_str())
            .to_owned();
        self.calls
            .get_or_create(&CallLabels {
                tenant,
                upstream: upstream.clone(),
                method: method_label(&facts.method).to_owned(),
                outcome: outcome.word,
            })
            .inc();
        let labels = UpstreamLabels { upstream };
        self.seconds
            .get_or_create(&labels)
            .observe(facts.elapsed_us() as f64 / 1e6);
        if let Some(took) = facts.upstream_us {
            self.upstream_seconds
                .get_or_create(&labels)
                .observe(took as f64 / 1e6);
        }
    }

    pub(crate) fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { code }).inc();
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn connections(&self) -> usize {
        usize::try_from(self.connections.get()).unwrap_or(0)
    }

    pub(crate) fn reloaded(&self, accepted: bool) {
        let result = if accepted { "accepted" } else { "refused" };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// All counters as text (OpenMetrics 1.0), with the state of the audit log as of now.
    pub(crate) fn render(&self, audit_records: u64, audit_ok: bool) -> String {
        let counted = self.audit_records.get();
        self.audit_records
            .inc_by(audit_records.saturating_sub(counted));
        self.audit_ok.set(i64::from(audit_ok));
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

/// The names of methods that clients make up are not labels: there is no end to them.
fn method_label(method: &str) -> &str {
    let known = matches!(method, "GET" | "POST" | "DELETE" | "response")
        || cardea_mcp::method::is_core(method);
    if known { method } else { "extension" }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
