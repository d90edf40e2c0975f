//! From a checked configuration to a world.

mod access;
pub(crate) mod added;
mod authorization;
mod budgets;
mod console;
pub(crate) mod constraints;
mod flow;
pub(crate) mod holders;
pub(crate) mod notifications;
mod partitions;
mod registry;
pub(crate) mod sandbox;
mod state_dir;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use cardea_config as config;
use cardea_config::{Config, Issuer, SandboxMode, Transport};
use cardea_domain::{Clock, TenantId, UpstreamId};
use cardea_gateway::{
    Edge, Gateway, LedgerJournal, Limits, Room, Tenant, TenantLimits, Upstream, World,
};
use cardea_identity::{Dpop, Revocations, SigningKeys, server::State};
use cardea_registry::{
    Connection, Entry, HttpServer, Locked, Registry, ServerIdentity, StdioServer,
};
use http::{HeaderName, HeaderValue};
use jiff::tz::TimeZone;

mod tenant_tools;

use crate::policies;

pub(crate) use access::entitlements;
use budgets::budgets;
use notifications::Receivers;
pub(crate) use partitions::Partitions;

/// A world, with the configuration it was made from, so that the next one can keep what did not
/// change: connections, child processes, keys, verified tokens.
pub(crate) struct Built {
    pub(crate) world: World,
    /// Who is to be told of what happens in it.
    pub(crate) receivers: Receivers,
    pub(crate) kept: Kept,
}

/// What outlives one world.
#[derive(Clone)]
pub(crate) struct Kept {
    trust: trust::Kept,
    authorization: Option<authorization::Kept>,
    dpop: Arc<Dpop>,
    policies: BTreeMap<TenantId, policies::Set>,
    /// What the callers of a tenant hold is counted on across worlds.
    rooms: BTreeMap<TenantId, Arc<Room>>,
    upstreams: HashMap<(TenantId, UpstreamId), Made>,
    /// What servers may write: none is kept whose sandbox does not know of all of it.
    around: sandbox::Surroundings,
}

/// An upstream of one tenant: its settings, and what was made from them.
type Made = (config::Upstream, Arc<Entry>, Arc<Upstream>);

/// What outlives every world: opened once by the process.
pub(crate) struct Lasting {
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) revocations: Arc<Revocations>,
    /// What the authorization server remembers; `None` when it was off at the start.
    pub(crate) authorization: Option<Arc<State>>,
    accesses: access::Accesses,
    heralds: notifications::Heralds,
    flows: flow::Flows,
    registrar: registry::Registrars,
    /// The secret from which the keys for what clients hold are derived.
    pub(crate) sealing: Vec<u8>,
    pub(crate) clock: Clock,
}

/// Less than a quarter of the least `limits.max_staleness`.
const LOOK_EVERY: Duration = Duration::from_millis(400);

impl Lasting {
    pub(crate) async fn open(config: &Config, clock: &Clock) -> anyhow::Result<Self> {
        state_dir::check(&config.state_dir)?;
        let keys = signing_keys(config, clock)?;
        let revocations = Arc::<Revocations>::default();
        let authorization = match &config.authorization_server {
            Some(_) => Some(authorization::state(config, &keys, &revocations, clock).await?),
            None => None,
        };
        let lasting = Self {
            keys,
            revocations,
            authorization,
            accesses: access::Accesses::default(),
            heralds: notifications::Heralds::default(),
            flows: flow::Flows::default(),
            registrar: registry::Registrars::default(),
            sealing: state_dir::sealing_secret(&config.state_dir)?,
            clock: clock.clone(),
        };
        lasting.welcome(config).await?;
        Ok(lasting)
    }

    /// The configuration with the servers that were added and approved.
    pub(crate) async fn with_added(&self, config: Config) -> anyhow::Result<Config> {
        added::lay_over(config, self.registrar.servers().await?)
    }

    /// Opens what outlives every world for the tenants of a configuration; before a world is built from it.
    pub(crate) async fn welcome(&self, config: &Config) -> anyhow::Result<()> {
        let state = self.authorization.as_ref();
        self.registrar.open(config, state, &self.clock).await?;
        match state {
            Some(state) => self.accesses.open(config, state, &self.clock).await,
            None => Ok(()),
        }
    }

    /// Lets go of what a new world does not have, and tells the receivers that it has; once it is in place.
    pub(crate) async fn part(&self, gateway: &Arc<Gateway>, receivers: Receivers) {
        self.heralds.follow(gateway, receivers, &self.clock);
        access::end_uncovered(&gateway.world()).await;
    }

    /// Looks again and again whether the store is there, as long as grants rest on it. Without an end, and beside
    /// everything else that is done now and then: what takes long must not look like a store that is gone.
    pub(crate) async fn watch_store(&self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(state) = &self.authorization else {
                continue;
            };
            if self.accesses.want_a_sign()
                && let Err(error) = state.store().beat().await
            {
                tracing::error!(%error, "the store cannot be written; what was granted holds for `limits.max_staleness`");
            }
        }
    }

    /// Rotates keys, forgets what has ended, learns what other processes did; tells whether there are other servers now.
    pub(crate) async fn tend(&self, gateway: &Arc<Gateway>) -> bool {
        if let Err(error) = self.keys.tend() {
            tracing::error!(%error, "the signing keys cannot be rotated; the old ones go on");
        }
        if let Some(state) = &self.authorization
            && let Err(error) = state.tend(&LedgerJournal(gateway)).await
        {
            tracing::error!(%error, "the store cannot be tended");
        }
        self.accesses.tend(self.clock.unix_s()).await;
        self.registrar.tend(gateway).await
    }
}

/// Builds a world from a configuration; `before` is what the last one left.
pub(crate) fn build(
    config: &Config,
    lasting: &Lasting,
    partitions: &mut Partitions,
    before: Option<&Kept>,
) -> anyhow::Result<Built> {
    let compiled = policies::compile(config, before.map(|kept| &kept.policies))
        .map_err(|mistakes| anyhow!("{}", mistakes.to_string().trim_end()))?;
    let rules = compiled.rules;
    let policies: BTreeMap<_, _> = compiled
        .tenants
        .into_iter()
        .map(|(id, (_, set))| (id, set))
        .collect();
    let clock = &lasting.clock;
    let trust = trust::build(config, lasting, before.map(|k| &k.trust))?;
    let dpop = holders::dpop(config, "resource", lasting, before.map(|kept| &kept.dpop))?;
    let authorization = authorization::build(
        config,
        lasting,
        before.and_then(|k| k.authorization.as_ref()),
    )?;
    let around = sandbox::Surroundings::of(config);
    let same_boxes = before.is_some_and(|kept| kept.around == around);
    let mut upstreams = HashMap::new();
    for (key, wanted) in &config.upstreams {
        let is_boxed = matches!(&wanted.transport, Transport::Stdio(stdio) if stdio.sandbox.mode != SandboxMode::Off);
        let same = before
            .filter(|_| same_boxes || !is_boxed)
            .and_then(|kept| kept.upstreams.get(key))
            .filter(|(was, _, _)| was == wanted);
        let made = match same {
            Some(kept) => kept.clone(),
            None => {
                let entry = entry(wanted)?;
                let entry = Arc::new(lasting.registrar.pinned(entry, wanted));
                let sandbox = sandbox::profile(wanted, &around);
                let limits = limits(&wanted.limits);
                let upstream = Upstream::new(&entry, config.workers, sandbox, &limits)
                    .with_context(|| format!("upstream `{}`", wanted.id))?;
                (wanted.clone(), entry, Arc::new(upstream))
            }
        };
        upstreams.insert(key.clone(), made);
    }
    let receivers = notifications::receivers(config)?;
    // Last, since what is opened is written to.
    let ledgers = partitions.of_tenants(config)?;
    let mut tenants = HashMap::new();
    let mut rooms = BTreeMap::new();
    for (id, ledger) in ledgers {
        let (Some(set), Some(own)) = (policies.get(&id), config.tenants.get(&id)) else {
            bail!("the tenant `{id}` has no policies; this is a mistake in Cardea");
        };
        let room = before.and_then(|kept| kept.rooms.get(&id)).cloned();
        let room = room.unwrap_or_default();
        let of_tenant = upstreams.iter().filter(|((tenant, _), _)| *tenant == id);
        let made_from = access::RuleMaker {
            compiled: &rules,
            policies: &set.policies,
            upstreams: Arc::new(
                of_tenant
                    .map(|((_, upstream), (_, entry, _))| (upstream.clone(), Arc::clone(entry)))
                    .collect(),
            ),
        };
        let access = lasting.accesses.of(
            &id,
            own,
            &made_from,
            &config.flow_labels,
            &ledger,
            &config.public_origin(),
        )?;
        let tenant = Tenant {
            flow: lasting.flows.of(config, &id, own, clock)?,
            registrar: lasting.registrar.of(config, &id),
            clock: clock.clone(),
            time_zone: TimeZone::get(&own.time_zone).context("`time_zone`")?,
            access,
            policies: Arc::clone(&set.policies),
            ledger,
            limits: TenantLimits {
                calls_max: own.limits.calls_per_tenant_max,
                streams_max: own.limits.streams_per_tenant_max,
                streams_per_principal_max: own.limits.streams_per_principal_max,
            },
            budgets: budgets(own)?,
            room: Arc::clone(&room),
        };
        tenants.insert(id.clone(), Arc::new(tenant));
        rooms.insert(id, room);
    }
    let world = World {
        tenants,
        registry: Registry::new(upstreams.values().map(|(_, entry, _)| Arc::clone(entry))),
        upstreams: upstreams
            .iter()
            .map(|(key, (_, _, upstream))| (key.clone(), Arc::clone(upstream)))
            .collect(),
        authenticator: trust.authenticator(),
        guards: tenant_tools::guards(config)?,
        firewalls: constraints::firewalls(config)?,
        identities: tenant_tools::identities(config, &lasting.keys, clock)?,
        holders: holders::holders(config, &dpop, clock),
        tls: holders::tls(config, clock)?,
        proxies: holders::proxies(config),
        authorization: authorization.as_ref().map(authorization::Kept::server),
        console: authorization
            .as_ref()
            .map(|kept| console::build(config, kept.server(), clock)),
        edge: edge(config, Some(&lasting.keys)),
        limits: limits(&config.limits),
    };
    let kept = Kept {
        trust,
        authorization,
        dpop,
        policies,
        rooms,
        upstreams,
        around,
    };
    Ok(Built {
        world,
        receivers,
        kept,
    })
}

/// How the gateway is seen from outside.
pub(crate) fn edge(config: &Config, keys: Option<&Arc<SigningKeys>>) -> Edge {
    // What a tenant's own issuers are called is not for everybody, unless it says so.
    let advertised = config.issuers.iter().filter(|issuer| match issuer {
        Issuer::Embedded(_) => true,
        Issuer::External(external) => external.advertised,
    });
    let mut issuers = Vec::new();
    let mut scopes = BTreeSet::new();
    for issuer in advertised {
        let name = match issuer {
            Issuer::Embedded(_) => config.public_origin(),
            Issuer::External(external) => {
                scopes.extend(external.required_scopes.iter().cloned());
                external.issuer.clone()
            }
        };
        if !issuers.contains(&name) {
            issuers.push(name);
        }
    }
    if config.authorization_server.is_some() {
        scopes.insert("mcp".to_owned());
    }
    Edge::new(
        &config.public_origin(),
        config.allowed_hosts.iter().map(ToString::to_string),
        config.allowed_origins.iter().cloned(),
        issuers,
        scopes.into_iter().collect(),
        keys.filter(|_| is_issuer(config) || tenant_tools::tells(config))
            .cloned(),
    )
    .with_bindings(holders::bindings(config))
}

/// The gateway's own keys; the process opens them once, and they outlive every world.
pub(crate) fn signing_keys(config: &Config, clock: &Clock) -> anyhow::Result<Arc<SigningKeys>> {
    SigningKeys::open(&config.state_dir, clock.clone())
        .map(Arc::new)
        .context("the signing keys cannot be used")
}

/// Whether tokens of the gateway's own are accepted.
fn is_issuer(config: &Config) -> bool {
    config
        .issuers
        .iter()
        .any(|issuer| matches!(issuer, Issuer::Embedded(_)))
}

fn entry(wanted: &config::Upstream) -> anyhow::Result<Entry> {
    let connection = match &wanted.transport {
        Transport::Http(http) => {
            let mut headers = Vec::new();
            for (name, value) in &http.headers {
                let mut value = HeaderValue::from_str(value.expose())
                    .with_context(|| format!("the value of header `{name}`"))?;
                value.set_sensitive(true);
                headers.push((HeaderName::from_bytes(name.as_bytes())?, value));
            }
            Connection::Http(HttpServer {
                url: http.url.clone(),
                headers,
                ca_file: http.ca_file.clone(),
                identity: ServerIdentity {
                    spki_pins: http.spki_pins.clone(),
                    spiffe_id: http.spiffe_id.clone(),
                },
                client_certificate: http.client_certificate.clone(),
            })
        }
        Transport::Stdio(stdio) => Connection::Stdio(StdioServer {
            command: stdio.command.display().to_string(),
            args: stdio.args.clone(),
            env: stdio
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            cwd: stdio.cwd.clone(),
            locked: stdio
                .locked
                .iter()
                .map(|(path, digest)| Locked {
                    path: path.clone(),
                    digest: *digest,
                })
                .collect(),
        }),
    };
    let entry = Entry::new(wanted.tenant.clone(), wanted.id.clone(), connection);
    Ok(entry.held(wanted.is_held).added(wanted.added_ms))
}

fn limits(limits: &config::Limits) -> Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        body_bytes_max: size(limits.body_bytes_max),
        json_depth_max: limits.json_depth_max,
        header_count_max: limits.header_count_max,
        header_bytes_max: size(limits.header_bytes_max),
        header_timeout: limits.header_timeout,
        body_timeout: limits.body_timeout,
        connections_max: limits.connections_max,
        answer_bytes_max: size(limits.answer_bytes_max),
        call_timeout: limits.call_timeout,
        stream_idle_timeout: limits.stream_idle_timeout,
        connect_timeout: limits.connect_timeout,
        sessions_stdio_max: limits.sessions_stdio_max,
        sessions_stdio_per_principal_max: limits.sessions_stdio_per_principal_max,
        session_idle_timeout: limits.session_idle_timeout,
        refusals_recorded_per_address_max: limits.refusals_recorded_per_address_max,
    }
}
