//! What one request sees: an immutable world, and the few things that outlive it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use cardea_audit::{Entry, Ledger};
use cardea_console::Console;
use cardea_domain::{Clock, Code, Denial, Principal, TenantId, UpstreamId};
use cardea_guard::tenant::Rules;
use cardea_identity::{Authenticator, AuthorizationServer, Holders};
use cardea_policy::{Outlook, Permit, Question};
use cardea_registry::{Known, Registry};
use tokio_util::sync::CancellationToken;

use crate::{
    Asked, Edge, Firewall, Metrics, Sealer, SpanSink, Tenant, Tls, TrustedProxies, Upstream,
    UpstreamIdentity,
    access::{Holds, TenantAccess, Tickets},
    facts::{Facts, NotPermitted},
    strangers::Strangers,
    streams::Streams,
};

/// Bounds on what a peer can make the gateway hold or wait for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A request's body: the SDKs' own bound is 4 MiB.
    pub body_bytes_max: usize,
    /// Nested arrays and objects in a message.
    pub json_depth_max: usize,
    /// Header lines of a request.
    pub header_count_max: usize,
    /// All header bytes of a request; at least 8 KiB.
    pub header_bytes_max: usize,
    /// From the connection's opening or the last answer to the end of the next head.
    pub header_timeout: Duration,
    /// From the head's end to the body's end.
    pub body_timeout: Duration,
    /// Open connections over all workers.
    pub connections_max: usize,
    /// One message of an upstream.
    pub answer_bytes_max: usize,
    /// A call from its start to its final answer, whatever its progress.
    pub call_timeout: Duration,
    /// A stream on which the upstream says nothing.
    pub stream_idle_timeout: Duration,
    /// Connecting to an upstream, its TLS handshake included.
    pub connect_timeout: Duration,
    /// Child processes of one upstream.
    pub sessions_stdio_max: usize,
    /// Of these, those of one principal.
    pub sessions_stdio_per_principal_max: usize,
    /// A child process that nobody uses.
    pub session_idle_timeout: Duration,
    /// Refusals of one address for one reason in a second that are recorded one by one, of requests
    /// without a good token.
    pub refusals_recorded_per_address_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 4 << 20,
            json_depth_max: 64,
            header_count_max: 64,
            header_bytes_max: 32 << 10,
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            connections_max: 10_000,
            answer_bytes_max: 16 << 20,
            call_timeout: Duration::from_secs(300),
            stream_idle_timeout: Duration::from_secs(1800),
            connect_timeout: Duration::from_secs(5),
            sessions_stdio_max: 64,
            sessions_stdio_per_principal_max: 8,
            session_idle_timeout: Duration::from_secs(1800),
            refusals_recorded_per_address_max: 10,
        }
    }
}

/// Everything that a decision is made from; replaced as a whole when the configuration changes.
pub struct World {
    /// The tenants.
    pub tenants: HashMap<TenantId, Arc<Tenant>>,
    /// The upstreams that exist for each of them.
    pub registry: Registry,
    /// Their connections; one for each entry of the registry, and for no other.
    pub upstreams: HashMap<(TenantId, UpstreamId), Arc<Upstream>>,
    /// What holds for the tools of upstreams that serve several tenants, where something does.
    pub guards: HashMap<(TenantId, UpstreamId), Rules>,
    /// What the arguments and results of tools have to be, for each upstream.
    pub firewalls: HashMap<(TenantId, UpstreamId), Firewall>,
    /// How upstreams are told who calls, where they are.
    pub identities: HashMap<(TenantId, UpstreamId), UpstreamIdentity>,
    /// Whose tokens are good.
    pub authenticator: Arc<Authenticator>,
    /// Who may present them.
    pub holders: Holders,
    /// TLS for new connections; `None` is plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Whose word about a client counts.
    pub proxies: TrustedProxies,
    /// The authorization server, where one is built in.
    pub authorization: Option<Arc<AuthorizationServer>>,
    /// Where people see and decide, where there is an authorization server by which they log in.
    pub console: Option<Arc<Console>>,
    /// How the gateway is seen from outside.
    pub edge: Edge,
    /// Bounds.
    pub limits: Limits,
}

impl World {
    /// The connections to a known upstream.
    pub(crate) fn upstream(&self, known: &Known) -> Option<&Arc<Upstream>> {
        self.upstreams
            .get(&(known.tenant().clone(), known.id().clone()))
    }

    /// What holds for the tools of a known upstream.
    pub(crate) fn rules(&self, known: &Known) -> Option<&Rules> {
        // Most gateways have none: no key is made for nothing.
        let guards = Some(&self.guards).filter(|guards| !guards.is_empty())?;
        guards.get(&(known.tenant().clone(), known.id().clone()))
    }

    /// What the arguments and results of a known upstream's tools have to be.
    pub(crate) fn firewall(&self, known: &Known) -> Option<&Firewall> {
        self.firewalls
            .get(&(known.tenant().clone(), known.id().clone()))
    }

    /// How a known upstream is told who calls.
    pub(crate) fn identity(&self, known: &Known) -> Option<&UpstreamIdentity> {
        let identities = Some(&self.identities).filter(|all| !all.is_empty())?;
        identities.get(&(known.tenant().clone(), known.id().clone()))
    }

    /// What may be asked for in the principal's tenant.
    pub(crate) fn access(&self, principal: &Principal) -> Option<&TenantAccess> {
        self.tenants.get(&principal.tenant)?.access.as_ref()
    }

    /// Decides a question by the policies of the tenant whose principal asks.
    ///
    /// # Errors
    /// As [`Policies::decide`](cardea_policy::Policies::decide); a tenant without policies may
    /// do nothing.
    pub(crate) fn decide(&self, question: Question) -> Result<Permit, NotPermitted> {
        match self.tenants.get(question.tenant()) {
            Some(tenant) => {
                let question = tenant.now(question);
                tenant.policies.decide(question).map_err(NotPermitted::from)
            }
            None => Err(NotPermitted {
                ruling: None,
                grantable: None,
                denial: Denial::new(Code::Internal, "the call could not be decided")
                    .detail("the tenant is not there"),
            }),
        }
    }

    /// What can be said of a question before there is a call.
    pub(crate) fn outlook(&self, question: Question) -> Outlook {
        match self.tenants.get(question.tenant()) {
            Some(tenant) => tenant.policies.outlook(&tenant.now(question)),
            None => Outlook::Refused,
        }
    }
}

/// What a [`Gateway`] is made of.
pub struct Parts {
    /// The first world.
    pub world: World,
    /// Where is recorded what belongs to no tenant.
    pub ledger: Ledger,
    /// Seals session ids and stream positions.
    pub sealer: Sealer,
    /// Marks the requests of servers that clients may answer.
    pub asked: Asked,
    /// Counters.
    pub metrics: Metrics,
    /// Time.
    pub clock: Clock,
    /// Where spans go; `None` traces nothing and passes contexts through.
    pub spans: Option<Arc<dyn SpanSink>>,
}

/// The gateway, shared by all workers.
pub struct Gateway {
    world: ArcSwap<World>,
    pub(crate) ledger: Ledger,
    pub(crate) sealer: Sealer,
    pub(crate) asked: Asked,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
    /// Cancelled when the gateway begins to shut down: long streams end, calls go on.
    pub(crate) draining: CancellationToken,
    pub(crate) streams: Streams,
    pub(crate) tickets: Tickets,
    pub(crate) holds: Holds,
    pub(crate) strangers: Strangers,
    ready: AtomicBool,
}

impl Gateway {
    /// A gateway that is not listening yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            world: ArcSwap::from_pointee(parts.world),
            ledger: parts.ledger,
            sealer: parts.sealer,
            asked: parts.asked,
            metrics: parts.metrics,
            clock: parts.clock,
            spans: parts.spans,
            draining: CancellationToken::new(),
            streams: Streams::default(),
            tickets: Tickets::default(),
            holds: Holds::default(),
            strangers: Strangers::default(),
            ready: AtomicBool::new(false),
        })
    }

    /// Where a call is recorded.
    pub(crate) fn ledger_of<'a>(&'a self, facts: &'a Facts) -> &'a Ledger {
        facts.tenant.as_ref().map_or(&self.ledger, |t| &t.ledger)
    }

    /// The world as it is now; load it once per request.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Puts a new world in place. Calls under way finish in the old one; child processes and
    /// connections of upstreams that are gone or changed end when their last call does.
    pub fn replace(&self, world: World) {
        let old = self.world.swap(Arc::new(world));
        let new = self.world.load();
        for (key, upstream) in &old.upstreams {
            let kept = new
                .upstreams
                .get(key)
                .is_some_and(|u| Arc::ptr_eq(u, upstream));
            if !kept {
                upstream.retire();
            }
        }
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, accepted: bool) {
        self.metrics.reloaded(accepted);
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Whether calls can be served: listening, not draining, and what happens can be recorded, at
    /// least of one tenant.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let failing = self.failing_logs();
        let world = self.world.load();
        let own_fails = failing.iter().any(|log| log.tenant.is_none());
        let of_tenants = failing.iter().filter(|log| log.tenant.is_some()).count();
        let all_fail = of_tenants > 0 && of_tenants >= world.tenants.len();
        self.ready.load(Ordering::Acquire)
            && !self.draining.is_cancelled()
            && !own_fails
            && !all_fail
    }

    /// The audit logs that cannot be written now.
    ///
    /// Nobody calls what is not ready, and a log heals with its next record: whoever asks makes one.
    pub(crate) fn failing_logs(&self) -> Vec<FailingLog> {
        let world = self.world.load();
        let tenants = world
            .tenants
            .iter()
            .map(|(id, tenant)| (Some(id), &tenant.ledger));
        let mut failing = Vec::new();
        for (tenant, ledger) in std::iter::once((None, &self.ledger)).chain(tenants) {
            if ledger.health().is_ok() {
                continue;
            }
            failing.push(FailingLog {
                tenant: tenant.cloned(),
            });
            let probe = Entry {
                event: Some("readiness_probe"),
                // As large as the record of a call with long arguments: less room is no room.
                detail: Some(&PROBE),
                ..Entry::default()
            };
            drop(ledger.append(&probe));
        }
        failing
    }
}

/// An audit log that cannot be written: the gateway's own, or a tenant's.
pub(crate) struct FailingLog {
    pub(crate) tenant: Option<TenantId>,
}

static PROBE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "-".repeat(4096));

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
