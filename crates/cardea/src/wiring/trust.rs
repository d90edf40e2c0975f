//! Whose tokens are good: from the configuration's issuers to an authenticator.
//!
//! An issuer whose entries did not change is the same value in the next world: its keys are not
//! fetched again and its tokens not verified again because another tenant's settings changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use cardea_config as config;
use cardea_config::{Config, Issuer, TenantSource};
use cardea_domain::TenantId;
use cardea_identity::{
    Algorithm, Authenticator, ClaimPaths, Fetcher, IssuerSettings, KeySource, SigningKeys,
    TenantRule, TrustedIssuer,
};

use super::Lasting;

/// The authenticator, with what its issuers were made from.
#[derive(Clone)]
pub(crate) struct Kept {
    authenticator: Arc<Authenticator>,
    issuers: BTreeMap<String, (Vec<Basis>, Arc<TrustedIssuer>)>,
}

/// Everything that one entry of an issuer is made from.
#[derive(Clone, PartialEq)]
struct Basis {
    issuer: Issuer,
    /// The tenants that a claim of its tokens may name by their ids.
    tenants: BTreeSet<TenantId>,
}

impl Kept {
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.authenticator)
    }
}

/// An authenticator for the configuration's issuers; `before` is what the last world left.
pub(crate) fn build(
    config: &Config,
    lasting: &Lasting,
    before: Option<&Kept>,
) -> anyhow::Result<Kept> {
    let (keys, clock) = (&lasting.keys, &lasting.clock);
    let mut by_name: BTreeMap<String, Vec<Basis>> = BTreeMap::new();
    for issuer in &config.issuers {
        let name = match issuer {
            Issuer::Embedded(_) => config.public_origin(),
            Issuer::External(external) => external.issuer.clone(),
        };
        by_name.entry(name).or_default().push(basis(config, issuer));
    }
    let mut issuers = BTreeMap::new();
    for (name, entries) in by_name {
        let old = before.and_then(|before| before.issuers.get(&name));
        let issuer = match old {
            Some((was, issuer)) if *was == entries => Arc::clone(issuer),
            _ => {
                let same_keys = old.filter(|(was, _)| keys_of(was) == keys_of(&entries));
                let settings = entries
                    .iter()
                    .map(|entry| settings(&name, entry, keys))
                    .collect::<anyhow::Result<Vec<_>>>()
                    .with_context(|| format!("issuer `{name}`"))?;
                let before = same_keys.map(|(_, issuer)| &**issuer);
                let issuer = TrustedIssuer::new(settings, clock, before);
                Arc::new(issuer.context("an issuer without entries")?)
            }
        };
        issuers.insert(name, (entries, issuer));
    }
    let trusted = issuers.values().map(|(_, issuer)| Arc::clone(issuer));
    let before = before.map(|before| &*before.authenticator);
    let authenticator = Authenticator::new(trusted, clock.clone(), before)
        .with_revocations(Arc::clone(&lasting.revocations));
    let authenticator = Arc::new(authenticator);
    Ok(Kept {
        authenticator,
        issuers,
    })
}

fn basis(config: &Config, issuer: &Issuer) -> Basis {
    let names_by_id = matches!(issuer, Issuer::External(external)
        if matches!(external.tenant, TenantSource::Claim(_)));
    Basis {
        issuer: issuer.clone(),
        tenants: match names_by_id {
            true => config.tenants.keys().cloned().collect(),
            false => BTreeSet::new(),
        },
    }
}

/// Where the keys are that the entries of one issuer have in common.
fn keys_of(entries: &[Basis]) -> Option<Keys<'_>> {
    entries.first().map(|entry| match &entry.issuer {
        Issuer::Embedded(_) => Keys::Own,
        Issuer::External(external) => Keys::At(&external.keys, external.ca_file.as_deref()),
    })
}

#[derive(PartialEq)]
enum Keys<'a> {
    Own,
    At(&'a config::KeySource, Option<&'a Path>),
}

fn settings(name: &str, entry: &Basis, keys: &Arc<SigningKeys>) -> anyhow::Result<IssuerSettings> {
    match &entry.issuer {
        Issuer::Embedded(embedded) => Ok(IssuerSettings {
            issuer: name.to_owned(),
            advertised: true,
            keys: KeySource::Own(Arc::clone(keys)),
            algorithms: vec![Algorithm::ES256],
            audiences: Vec::new(),
            tenant: TenantRule::Claim {
                pointer: "/tenant".into(),
                tenants: by_id(&embedded.tenants),
            },
            required: Vec::new(),
            claims: ClaimPaths {
                groups: Some("/groups".into()),
                ..ClaimPaths::default()
            },
            typ: Some("at+jwt".into()),
            scopes: Vec::new(),
        }),
        Issuer::External(issuer) => external(issuer, &entry.tenants),
    }
}

fn by_id(tenants: &BTreeSet<TenantId>) -> BTreeMap<String, TenantId> {
    tenants.iter().map(|t| (t.to_string(), t.clone())).collect()
}

fn external(
    issuer: &config::ExternalIssuer,
    tenants: &BTreeSet<TenantId>,
) -> anyhow::Result<IssuerSettings> {
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
    Ok(IssuerSettings {
        issuer: issuer.issuer.clone(),
        advertised: issuer.advertised,
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
                tenants: by_id(tenants),
            },
            TenantSource::ClaimValues(pointer, values) => TenantRule::Claim {
                pointer: pointer.as_str().to_owned(),
                tenants: values.clone(),
            },
        },
        required: issuer
            .required_claims
            .iter()
            .map(|(claim, text)| (claim.as_str().to_owned(), text.clone()))
            .collect(),
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
pub(super) fn well_known(issuer: &url::Url) -> Vec<String> {
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
