//! Counters in Prometheus' text format.

use std::sync::{Arc, atomic::AtomicU64};

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

use cardea_domain::{TenantId, UpstreamId};

use crate::facts::{Facts, Outcome};

/// All counters of the gateway.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    upstream_seconds: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    open_calls: Family<TenantLabels, Gauge>,
    connections: Gauge,
    handshake_failures: Counter,
    reloads: Family<ReloadLabels, Counter>,
    notifications: Family<NoticeLabels, Counter>,
    sandbox_blocked: Family<BlockedLabels, Counter>,
    audit_records: Family<TenantLabels, Counter<u64, AtomicU64>>,
    audit_ok: Family<TenantLabels, Gauge>,
}

/// A label that a call has at hand already: each call is counted four times.
type Label = Option<Arc<str>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tenant: Label,
    upstream: Label,
    method: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    tenant: Label,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    tenant: Label,
    upstream: Label,
}

/// The tenant; empty for what belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabels {
    tenant: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoticeLabels {
    tenant: String,
    receiver: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BlockedLabels {
    tenant: String,
    upstream: String,
    kind: &'static str,
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
        let open_calls = Family::default();
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
        let notifications = Family::default();
        registry.register(
            "notifications",
            "Notices to receivers elsewhere, by what became of them",
            notifications.clone(),
        );
        let sandbox_blocked = Family::default();
        registry.register(
            "sandbox_blocked",
            "What sandboxes kept their servers from: connections, or what ended them",
            sandbox_blocked.clone(),
        );
        let audit_records = Family::default();
        registry.register(
            "audit_records",
            "Durable audit records",
            audit_records.clone(),
        );
        let audit_ok = Family::default();
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
            notifications,
            sandbox_blocked,
            audit_records,
            audit_ok,
        }
    }
}

impl Metrics {
    pub(crate) fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    pub(crate) fn call_opened(&self, facts: &Facts) {
        let tenant = tenant_of(facts);
        self.open_calls
            .get_or_create(&TenantLabels { tenant })
            .inc();
    }

    pub(crate) fn call_closed(&self, facts: &Facts, outcome: &Outcome) {
        let tenant = tenant_of(facts);
        let upstream = facts.upstream.as_ref().map(|u| Arc::clone(u.as_shared()));
        let labels = TenantLabels {
            tenant: tenant.clone(),
        };
        self.open_calls.get_or_create(&labels).dec();
        self.calls
            .get_or_create(&CallLabels {
                tenant: tenant.clone(),
                upstream: upstream.clone(),
                method: method_label(&facts.method),
                outcome: outcome.word,
            })
            .inc();
        let labels = UpstreamLabels { tenant, upstream };
        self.seconds
            .get_or_create(&labels)
            .observe(facts.elapsed_us() as f64 / 1e6);
        if let Some(took) = facts.upstream_us {
            self.upstream_seconds
                .get_or_create(&labels)
                .observe(took as f64 / 1e6);
        }
    }

    pub(crate) fn refused(&self, facts: &Facts, code: &'static str) {
        let tenant = tenant_of(facts);
        self.refusals
            .get_or_create(&RefusalLabels { tenant, code })
            .inc();
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

    /// Counts what became of a notice.
    pub(crate) fn notified(&self, tenant: &str, receiver: &str, result: &'static str) {
        let labels = NoticeLabels {
            tenant: tenant.to_owned(),
            receiver: receiver.to_owned(),
            result,
        };
        self.notifications.get_or_create(&labels).inc();
    }

    /// Counts what a sandbox kept its server from.
    pub(crate) fn sandbox_blocked(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        kind: &'static str,
    ) {
        let labels = BlockedLabels {
            tenant: tenant.to_string(),
            upstream: upstream.to_string(),
            kind,
        };
        self.sandbox_blocked.get_or_create(&labels).inc();
    }

    /// Notes the state of an audit log as of now; the gateway's own has an empty `tenant`.
    pub(crate) fn audit(&self, tenant: &str, records: u64, ok: bool) {
        let labels = TenantLabels {
            tenant: Some(tenant.into()),
        };
        let counter = self.audit_records.get_or_create(&labels);
        counter.inc_by(records.saturating_sub(counter.get()));
        self.audit_ok.get_or_create(&labels).set(i64::from(ok));
    }

    /// All counters as text (OpenMetrics 1.0).
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn tenant_of(facts: &Facts) -> Label {
    let principal = facts.principal.as_ref()?;
    Some(Arc::clone(principal.tenant.as_shared()))
}

/// What a text of metrics has about one tenant: its samples, and what describes them.
pub(crate) fn of_tenant(text: &str, tenant: &str) -> String {
    let label = format!("tenant=\"{tenant}\"");
    let mut out = String::new();
    let mut described = String::new();
    for line in text.lines() {
        if line == "# EOF" {
            break;
        }
        if line.starts_with('#') {
            // A family's description begins with its help.
            if line.starts_with("# HELP ") {
                described.clear();
            }
            described.push_str(line);
            described.push('\n');
        } else if has_label(line, &label) {
            out.push_str(&described);
            described.clear();
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str("# EOF\n");
    out
}

/// Values of labels are ids, names of methods and codes: none holds a quote or a comma.
fn has_label(sample: &str, label: &str) -> bool {
    let labels = sample
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    labels.is_some_and(|(labels, _)| labels.split(',').any(|l| l == label))
}

/// The names of methods that clients make up are not labels: there is no end to them.
fn method_label(method: &str) -> &'static str {
    let of_http = ["GET", "POST", "DELETE", "response"].into_iter();
    of_http
        .chain(cardea_mcp::method::METHODS.iter().map(|m| m.name))
        .find(|known| *known == method)
        .unwrap_or("extension")
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP a Things.
# TYPE a counter
a_total{tenant=\"acme\",upstream=\"x\"} 1
a_total{tenant=\"acme-2\",upstream=\"x\"} 2
# HELP b Others.
# TYPE b gauge
b 3
# HELP c More.
# TYPE c gauge
# UNIT c seconds
c{tenant=\"globex\"} 4
c{upstream=\"x\",tenant=\"acme\"} 5
# EOF
";

    #[test]
    fn a_tenants_scrape_has_its_own_series_and_no_other() {
        let expected = "\
# HELP a Things.
# TYPE a counter
a_total{tenant=\"acme\",upstream=\"x\"} 1
# HELP c More.
# TYPE c gauge
# UNIT c seconds
c{upstream=\"x\",tenant=\"acme\"} 5
# EOF
";
        assert_eq!(of_tenant(TEXT, "acme"), expected);
        assert_eq!(of_tenant(TEXT, "nobody"), "# EOF\n");
        assert_eq!(of_tenant(TEXT, ""), "# EOF\n");
    }
}
