//! The authorization server by its configuration.

use std::sync::Arc;

use anyhow::Context as _;
use cardea_config as config;
use cardea_config::{Config, LoginCredential, TenantSource};
use cardea_domain::{Clock, TenantId};
use cardea_identity::{
    AuthorizationServer, ClaimPaths, Dpop, Revocations, SigningKeys, TenantRule,
    server::{
        Accounts, CertificateName, Certificates, ClientAuthentication, ConfiguredClient,
        LoginProvider, ProviderCredential, PublishedKeys, ServerSettings, State,
    },
};

use super::{Lasting, edge, holders, trust::well_known};

/// What the server remembers, opened once. Prints the links by which first accounts are set up.
pub(super) async fn state(
    config: &Config,
    keys: &Arc<SigningKeys>,
    revocations: &Arc<Revocations>,
    clock: &Clock,
) -> anyhow::Result<Arc<State>> {
    let (keys, revocations) = (Arc::clone(keys), Arc::clone(revocations));
    let state = State::open(&config.state_dir, keys, revocations, clock.clone())
        .await
        .context("the authorization server cannot start")?;
    let has_accounts = config
        .authorization_server
        .as_ref()
        .is_some_and(|server| server.local_accounts);
    if has_accounts {
        let accounts = Accounts::open(&config.state_dir, clock.clone()).await?;
        for (tenant, path) in accounts.first_links(config.tenants.keys()).await? {
            // Once, to whoever started the gateway; it is a secret, and good for a day.
            tracing::warn!(
                %tenant,
                "the tenant has no account yet; set up its first one at {}{path}",
                config.public_origin()
            );
        }
        accounts.close().await;
    }
    Ok(Arc::new(state))
}

/// The server, with what it was made from.
#[derive(Clone)]
pub(crate) struct Kept {
    basis: Basis,
    dpop: Arc<Dpop>,
    server: Arc<AuthorizationServer>,
}

#[derive(Clone, PartialEq)]
struct Basis {
    settings: config::AuthorizationServer,
    tenants: Vec<TenantId>,
    origin: String,
    certificates: Certificates,
}

impl Kept {
    pub(super) fn server(&self) -> Arc<AuthorizationServer> {
        Arc::clone(&self.server)
    }
}

/// The server; `None` when there is none, or when it was off at the start. The one of before goes
/// on when nothing of it changed: it knows documents and keys of others.
pub(super) fn build(
    config: &Config,
    lasting: &Lasting,
    before: Option<&Kept>,
) -> anyhow::Result<Option<Kept>> {
    let (Some(wanted), Some(state)) = (&config.authorization_server, &lasting.authorization) else {
        return Ok(None);
    };
    let basis = Basis {
        settings: wanted.clone(),
        tenants: config.tenants.keys().cloned().collect(),
        origin: config.public_origin(),
        certificates: certificates(config),
    };
    let dpop = holders::dpop(config, "token", lasting, before.map(|kept| &kept.dpop))?;
    let same = before.filter(|kept| kept.basis == basis && Arc::ptr_eq(&kept.dpop, &dpop));
    if let Some(kept) = same {
        return Ok(Some(kept.clone()));
    }
    let settings = settings(config, wanted);
    let server = AuthorizationServer::new(settings, Arc::clone(&dpop), Arc::clone(state))
        .context("`authorization_server`")?;
    Ok(Some(Kept {
        basis,
        dpop,
        server: Arc::new(server),
    }))
}

fn settings(config: &Config, wanted: &config::AuthorizationServer) -> ServerSettings {
    let edge = edge(config, None);
    ServerSettings {
        origin: config.public_origin(),
        tenants: config.tenants.keys().cloned().collect(),
        access_token_s: wanted.access_ttl.as_secs(),
        grant_s: wanted.grant_ttl.as_secs(),
        clients: wanted
            .clients
            .iter()
            .map(|client| ConfiguredClient {
                id: client.id.clone(),
                name: client.name.clone(),
                redirect_uris: client.redirect_uris.clone(),
                authentication: authentication(&client.authentication),
                tenants: client.tenants.clone(),
                unattended: client.unattended.clone(),
                introspects: client
                    .introspects
                    .iter()
                    .map(|upstream| edge.upstream_resource(upstream.as_str()))
                    .collect(),
            })
            .collect(),
        documents: wanted.documents,
        private_hosts: wanted.private_hosts.clone(),
        certificates: certificates(config),
        registration: wanted.registration,
        local_accounts: wanted.local_accounts,
        login: wanted
            .login
            .iter()
            .map(|login| provider(login, config))
            .collect(),
    }
}

fn authentication(wanted: &config::ClientAuthentication) -> ClientAuthentication {
    match wanted {
        config::ClientAuthentication::None => ClientAuthentication::None,
        config::ClientAuthentication::PrivateKeyJwt(keys) => {
            ClientAuthentication::PrivateKeyJwt(published(keys))
        }
        config::ClientAuthentication::Tls { authorities, name } => ClientAuthentication::Tls {
            authorities: authorities.clone(),
            name: match name {
                config::CertificateName::Dns(name) => CertificateName::Dns(name.clone()),
                config::CertificateName::Uri(uri) => CertificateName::Uri(uri.clone()),
            },
        },
        config::ClientAuthentication::SelfSignedTls(keys) => {
            ClientAuthentication::SelfSignedTls(published(keys))
        }
    }
}

fn published(keys: &config::ClientKeys) -> PublishedKeys {
    match keys {
        config::ClientKeys::Document(text) => PublishedKeys::Document(text.clone()),
        config::ClientKeys::At(url) => PublishedKeys::At(url.to_string()),
    }
}

/// How certificates of clients can arrive: the proxies' word comes before the listener's.
fn certificates(config: &Config) -> Certificates {
    match (&config.tls, config.trusted_proxies.is_empty()) {
        (_, false) => Certificates::Proxy,
        (Some(tls), true) if tls.clients.is_some() => Certificates::Handshake,
        _ => Certificates::Never,
    }
}

fn provider(login: &config::Login, config: &Config) -> LoginProvider {
    let all = || {
        let tenants = config.tenants.keys();
        tenants.map(|t| (t.to_string(), t.clone())).collect()
    };
    LoginProvider {
        name: login.name.clone(),
        issuer: login.issuer.clone(),
        metadata_urls: well_known(&login.url),
        client_id: login.client_id.clone(),
        credential: match &login.credential {
            LoginCredential::Public => ProviderCredential::Public,
            LoginCredential::Secret(secret) => {
                ProviderCredential::Secret(secret.expose().to_owned())
            }
            LoginCredential::OwnKeys => ProviderCredential::OwnKeys,
        },
        tenant: match &login.tenant {
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
            subject: login.subject_claim.as_str().to_owned(),
            groups: login.groups_claim.as_ref().map(|c| c.as_str().to_owned()),
            ..ClaimPaths::default()
        },
        scope: std::iter::once("openid")
            .chain(
                login
                    .scopes
                    .iter()
                    .map(String::as_str)
                    .filter(|s| *s != "openid"),
            )
            .collect::<Vec<_>>()
            .join(" "),
        ca_file: login.ca_file.clone(),
    }
}
