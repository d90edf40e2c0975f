//! The authorization server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use url::Url;

use super::{Checker, files::Wanted, issuer::TenantKeys, secret::Use, url::is_loopback};
use crate::{
    AuthorizationServer, Login, LoginCredential,
    diagnostic::printable,
    quantity::Quantity,
    raw::{
        ACCESS_TOKEN_MAX, ACCESS_TOKEN_MIN, GRANT_MAX, GRANT_MIN, RawAuthorizationServer,
        RawConfig, RawLogin,
    },
    yaml::{At, without_secrets},
};

impl Checker<'_> {
    pub(super) fn authorization_server(
        &mut self,
        at: &At,
        raw: &RawAuthorizationServer,
        config: &RawConfig,
    ) -> Option<AuthorizationServer> {
        let upstreams = known_upstreams(config);
        let ttl = at.key("access_ttl");
        self.range(&ttl, raw.access_ttl, ACCESS_TOKEN_MIN, ACCESS_TOKEN_MAX);
        self.range(&at.key("grant_ttl"), raw.grant_ttl, GRANT_MIN, GRANT_MAX);
        let login: Vec<_> = raw
            .login
            .iter()
            .enumerate()
            .filter_map(|(index, raw)| self.login(&at.key("login").index(index), raw))
            .collect();
        let clients = self.known_clients(&at.key("clients"), &raw.clients, &upstreams, config);
        let private_hosts = self.private_hosts(at, raw);
        let local_accounts = raw.local_accounts.unwrap_or(raw.login.is_empty());
        if !local_accounts && raw.login.is_empty() {
            let at = at.key("local_accounts");
            let diagnostic = self.document.error(&at, "then nobody can log in");
            self.report(&at, diagnostic.expected("`true`, or a provider in `login`"));
        }
        (login.len() == raw.login.len()).then_some(AuthorizationServer {
            access_ttl: raw.access_ttl.checked(),
            grant_ttl: raw.grant_ttl.checked(),
            login,
            local_accounts,
            clients: clients?,
            documents: raw.client_documents,
            private_hosts: private_hosts?,
            registration: raw.registration,
        })
    }

    fn login(&mut self, at: &At, raw: &RawLogin) -> Option<Login> {
        let url = self.login_url(&at.key("issuer"), &raw.issuer);
        let credential = self.login_credential(at, raw);
        let keys = TenantKeys {
            tenant: raw.tenant.as_ref(),
            claim: raw.tenant_claim.as_ref(),
            values: raw.tenant_values.as_ref(),
        };
        let tenant = self.tenant_source(at, &keys);
        let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
            checker.existing(&at.key("ca_file"), text, Wanted::File)
        });
        let url = url?;
        Some(Login {
            name: match &raw.name {
                Some(name) => name.clone(),
                None => url.host_str().unwrap_or_default().to_owned(),
            },
            issuer: raw.issuer.clone(),
            url,
            client_id: raw.client_id.clone(),
            credential: credential?,
            tenant: tenant?,
            subject_claim: raw.subject_claim.clone(),
            groups_claim: raw.groups_claim.clone(),
            scopes: raw.scopes.clone(),
            ca_file: ca_file?,
        })
    }

    fn login_url(&mut self, at: &At, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| {
            let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
            let has_user = !url.username().is_empty() || url.password().is_some();
            is_safe && !has_user && url.query().is_none() && url.fragment().is_none()
        });
        if url.is_none() && self.has(at) {
            let shown = printable(&without_secrets(text));
            let message = format!("`{shown}` is not a provider's `iss`");
            let diagnostic = self.document.error(at, message);
            let expected = "an `https` URL without user, query and fragment";
            self.report(at, diagnostic.expected(expected));
        }
        url
    }

    fn login_credential(&mut self, at: &At, raw: &RawLogin) -> Option<LoginCredential> {
        let secret_at = at.key("client_secret");
        match (&raw.client_secret, raw.own_keys) {
            (Some(_), true) => {
                let at = at.key("own_keys");
                let diagnostic = self
                    .document
                    .error(&at, "there is a `client_secret` as well");
                self.report(&at, diagnostic.expected("one of both"));
                None
            }
            (Some(secret), false) => self
                .secret(&secret_at, "client_secret", secret, Use::Variable)
                .map(LoginCredential::Secret),
            (None, true) => Some(LoginCredential::OwnKeys),
            (None, false) if self.has(&secret_at) => None,
            (None, false) => Some(LoginCredential::Public),
        }
    }

    fn private_hosts(
        &mut self,
        at: &At,
        raw: &RawAuthorizationServer,
    ) -> Option<BTreeMap<String, Option<PathBuf>>> {
        let hosts_at = at.key("private_document_hosts");
        let is_fetching =
            raw.client_documents || raw.clients.iter().any(|client| client.jwks_url.is_some());
        if !is_fetching && !raw.private_document_hosts.is_empty() {
            let diagnostic = self.document.error_at_key(
                &hosts_at,
                "nothing is fetched for clients: none is known by a document, none has a `jwks_url`",
            );
            self.report(&hosts_at, diagnostic.expected("`client_documents: true`"));
        }
        let mut hosts = BTreeMap::new();
        for (host, raw) in &raw.private_document_hosts {
            let at = hosts_at.key(host).key("ca_file");
            let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
                checker.existing(&at, text, Wanted::File)
            });
            hosts.insert(host.clone(), ca_file?);
        }
        Some(hosts)
    }
}

/// The ids of all upstreams, those of single tenants too.
fn known_upstreams(raw: &RawConfig) -> BTreeSet<&str> {
    let own = raw
        .tenants
        .values()
        .flat_map(|tenant| tenant.upstreams.keys());
    raw.upstreams
        .keys()
        .chain(own)
        .map(String::as_str)
        .collect()
}
