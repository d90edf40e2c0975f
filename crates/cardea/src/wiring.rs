//! From a checked configuration to a world.

pub(crate) mod holders;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use cardea_config as config;
use cardea_config::{Config, Issuer, TenantSource, Transport};
use cardea_domain::{Clock, TenantId, UpstreamId};
use cardea_gateway::{Edge, Limits, Sealer, Upstream, World};
use cardea_identity::{
    Algorithm, Authenticator, ClaimPaths, Dpop, Fetcher, IssuerSettings, KeySource, SigningKeys,
    TenantRule,
};
use cardea_registry::{Connection, Entry, HttpServer, Registry, StdioServer};
use http::{HeaderName, HeaderValue};

use crate::policies;

/// A world, with the configuration it was made from, so that the next one can keep what did not
/// change: connections, child processes, keys, verified tokens.
pub(crate) struct Built {
    pub(crate) world: World,
    pub(crate) kept: Kept,
}

/// What outlives one world.
#[derive(Clone)]
pub(crate) struct Kept {
    trust: Trust,
    authenticator: Arc<Authenticator>,
    dpop: Arc<Dpop>,
    upstreams: HashMap<UpstreamId, (config::Upstream, Arc<Entry>, Arc<Upstream>)>,
}

/// Everything that an authenticator is made from.
#[derive(Clone, PartialEq)]
struct Trust {
    issuers: Vec<Issuer>,
    tenants: BTreeSet<TenantId>,
    origin: String,
}

/// Builds a world from a configuration; `before` is what the last one left.
pub(crate) fn build(
    config: &Config,
    keys: &Arc<SigningKeys>,
    clock: &Clock,
    epoch: u64,
    before: Option<&Kept>,
) -> anyhow::Result<Built> {
    let policies = policies::compile(config, epoch)
        .map_err(|mistakes| anyhow!("{}", mistakes.to_string().trim_end()))?;
    let trust = Trust {
        issuers: config.issuers.clone(),
        tenants: config.tenants.clone(),
        origin: config.public_origin(),
    };
    let authenticator = match before {
        Some(kept) if kept.trust == trust => Arc::clone(&kept.authenticator),
        _ => Arc::new(authenticator(config, keys, clock)?),
    };
    let dpop = holders::dpop(config, clock, before.map(|kept| &kept.dpop))?;
    let mut upstreams = HashMap::new();
    for (id, wanted) in &config.upstreams {
        let same = before
            .and_then(|kept| kept.upstreams.get(id))
            .filter(|(was, _, _)| was == wanted);
        let made = match same {
            Some(kept) => kept.clone(),
            None => {
                let entry = Arc::new(entry(wanted)?);
                let upstream = Upstream::new(&entry, config.workers, &limits(&wanted.limits))
                    .with_context(|| format!("upstream `{id}`"))?;
                (wanted.clone(), entry, Arc::new(upstream))
            }
        };
        upstreams.insert(id.clone(), made);
    }
    let world = World {
        registry: Registry::new(upstreams.values().map(|(_, entry, _)| Arc::clone(entry))),
        upstreams: upstreams
            .iter()
            .map(|(id, (_, _, upstream))| (id.clone(), Arc::clone(upstream)))
            .collect(),
        policies,
        authenticator: Arc::clone(&authenticator),
        holders: holders::holders(config, &dpop, clock),
        tls: holders::tls(config, clock)?,
        proxies: holders::proxies(config),
        edge: edge(config, Some(keys)),
        limits: limits(&config.limits),
    };
    let kept = Kept {
        trust,
        authenticator,
        dpop,
        upstreams,
    };
    Ok(Built { world, kept })
}

/// How the gateway is seen from outside.
pub(crate) fn edge(config: &Config, keys: Option<&Arc<SigningKeys>>) -> Edge {
    let issuers = config.issuers.iter().map(|issuer| match issuer {
        Issuer::Embedded(_) => config.public_origin(),
        Issuer::External(external) => external.issuer.clone(),
    });
    let mut scopes: Vec<String> = config
        .issuers
        .iter()
        .filter_map(|issuer| match issuer {
            Issuer::External(external) => Some(external.required_scopes.iter().cloned()),
            Issuer::Embedded(_) => None,
        })
        .flatten()
        .collect();
    scopes.sort();
    scopes.dedup();
    Edge::new(
        &config.public_origin(),
        config.allowed_hosts.iter().map(ToString::to_string),
        config.allowed_origins.iter().cloned(),
        issuers.collect(),
        scopes,
        keys.filter(|_| is_issuer(config)).cloned(),
    )
    .with_bindings(holders::bindings(config))
}

/// The sealer, by the secret in the state folder.
pub(crate) fn sealer(state_dir: &Path) -> anyhow::Result<Sealer> {
    let secret = holders::sealing_secret(state_dir)?;
    Ok(Sealer::new(&secret)?)
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

fn authenticator(
    config: &Config,
    keys: &Arc<SigningKeys>,
    clock: &Clock,
) -> anyhow::Result<Authenticator> {
    let mut settings = Vec::new();
    for issuer in &config.issuers {
        settings.push(match issuer {
            Issuer::Embedded(embedded) => IssuerSettings {
                issuer: config.public_origin(),
                keys: KeySource::Own(Arc::clone(keys)),
                algorithms: vec![Algorithm::ES256],
                audiences: Vec::new(),
                tenant: TenantRule::Claim {
                    pointer: "/tenant".into(),
                    tenants: embedded
                        .tenants
                        .iter()
                        .map(|t| (t.to_string(), t.clone()))
                        .collect(),
                },
                claims: ClaimPaths {
                    groups: Some("/groups".into()),
                    ..ClaimPaths::default()
                },
                typ: Some("at+jwt".into()),
                scopes: Vec::new(),
            },
            Issuer::External(external) => self::external(external, config)
                .with_context(|| format!("issuer `{}`", external.issuer))?,
        });
    }
    Ok(Authenticator::new(settings, clock.clone()))
}

fn external(issuer: &config::ExternalIssuer, config: &Config) -> anyhow::Result<IssuerSettings> {
    let fetcher = Fetcher::new(issuer.ca_file.as_deref())?;
    let keys = match &issuer.keys {
        config::KeySource::Jwks(url) => KeySource::Jwks {
            url: url.to_string(),
            fetcher,
        },
        config::KeySource::Metadata(url) => KeySource::Discovery {
            urls: vec![url.to_string()],
            fetcher,
        },
        config::KeySource::WellKnown(url) => KeySource::Discovery {
            urls: well_known(url),
            fetcher,
        },
    };
    let all = || {
        config
            .tenants
            .iter()
            .map(|t| (t.to_string(), t.clone()))
            .collect()
    };
    Ok(IssuerSettings {
        issuer: issuer.issuer.clone(),
        keys,
        algorithms: issuer
            .algorithms
            .iter()
            .map(|a| a.as_str().parse().context("an algorithm is not known"))
            .collect::<anyhow::Result<_>>()?,
        audiences: issuer.audiences.iter().cloned().collect(),
        tenant: match &issuer.tenant {
            TenantSource::Fixed(tenant) => TenantRule::Fixed(tenant.clone()),
            TenantSource::Claim(pointer) => TenantRule::Claim {
                pointer: pointer.as_str().to_owned(),
                tenants: all(),
            },
            TenantSource::ClaimValues(pointer, values) => TenantRule::Claim {
                pointer: pointer.as_str().to_owned(),
                tenants: values.clone(),
            },
        },
        claims: ClaimPaths {
            subject: issuer.subject_claim.as_str().to_owned(),
            actor: issuer
                .actor_claims
                .iter()
                .map(|c| c.as_str().to_owned())
                .collect(),
            groups: issuer.groups_claim.as_ref().map(|c| c.as_str().to_owned()),
        },
        typ: issuer.require_typ.map(str::to_owned),
        scopes: issuer.required_scopes.iter().cloned().collect(),
    })
}

/// RFC 8414 section 3.1, then OpenID Connect Discovery 1.0 section 4, in the order that MCP
/// 2026-07-28 asks of clients.
fn well_known(issuer: &url::Url) -> Vec<String> {
    let origin = issuer.origin().ascii_serialization();
    let path = issuer.path().trim_end_matches('/');
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    urls
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
        }),
    };
    Ok(Entry::new(
        wanted.id.clone(),
        wanted.tenants.iter().cloned(),
        connection,
    ))
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
        streams_per_principal_max: limits.streams_per_principal_max,
        answer_bytes_max: size(limits.answer_bytes_max),
        call_timeout: limits.call_timeout,
        stream_idle_timeout: limits.stream_idle_timeout,
        connect_timeout: limits.connect_timeout,
        sessions_stdio_max: limits.sessions_stdio_max,
        session_idle_timeout: limits.session_idle_timeout,
    }
}
