//! The authorization server.

use std::collections::{BTreeMap, BTreeSet};

use cardea_domain::{ActorId, SubjectId, UpstreamId};
use url::Url;

use super::{Checker, files::Wanted, issuer::TenantKeys, secret::Use, url::is_loopback};
use crate::{
    AuthorizationServer, Client, Login, LoginCredential,
    diagnostic::{nearest, printable},
    quantity::Quantity,
    raw::{
        ACCESS_TOKEN_MAX, ACCESS_TOKEN_MIN, GRANT_MAX, GRANT_MIN, RawAuthorizationServer,
        RawClient, RawConfig, RawLogin,
    },
    yaml::At,
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
        let clients = self.known_clients(&at.key("clients"), &raw.clients, &upstreams);
        let document_hosts = self.document_hosts(at, raw);
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
            document_hosts: document_hosts?,
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
            let message = format!("`{}` is not a provider's `iss`", printable(text));
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

    fn document_hosts(
        &mut self,
        at: &At,
        raw: &RawAuthorizationServer,
    ) -> Option<Option<BTreeMap<String, Option<std::path::PathBuf>>>> {
        let hosts_at = at.key("private_document_hosts");
        if !raw.client_documents && !raw.private_document_hosts.is_empty() {
            let diagnostic = self
                .document
                .error_at_key(&hosts_at, "clients are not known by documents here");
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
        Some(raw.client_documents.then_some(hosts))
    }

    fn known_clients(
        &mut self,
        at: &At,
        raws: &[RawClient],
        upstreams: &BTreeSet<&str>,
    ) -> Option<Vec<Client>> {
        let mut clients = Vec::new();
        let mut ids = BTreeSet::new();
        for (index, raw) in raws.iter().enumerate() {
            let at = at.index(index);
            if !ids.insert(&raw.id) {
                let at = at.key("id");
                let diagnostic = self
                    .document
                    .error(&at, "there is a client with this id already");
                self.report(&at, diagnostic.expected("one entry for each client"));
            }
            clients.extend(self.client(&at, raw, upstreams));
        }
        (clients.len() == raws.len()).then_some(clients)
    }

    fn client(&mut self, at: &At, raw: &RawClient, upstreams: &BTreeSet<&str>) -> Option<Client> {
        let id_at = at.key("id");
        let id = match ActorId::parse(&raw.id) {
            Ok(id) => Some(id),
            Err(error) => {
                let diagnostic = self.document.error(&id_at, error.to_string());
                self.report(&id_at, diagnostic);
                None
            }
        };
        let jwks = self.optional(raw.jwks_file.as_deref(), |checker, text| {
            checker.text_of_file(&at.key("jwks_file"), text)
        });
        let tenants = raw
            .tenants
            .as_ref()
            .map(|ids| self.tenants(&at.key("tenants"), ids));
        for (index, uri) in raw.redirect_uris.iter().enumerate() {
            self.redirect_uri(&at.key("redirect_uris").index(index), uri);
        }
        let introspects = raw.introspects.iter().enumerate();
        let introspects = introspects
            .filter_map(|(index, id)| {
                self.introspected(&at.key("introspects").index(index), id, upstreams)
            })
            .collect();
        let unattended = match &raw.subject {
            None => None,
            Some(subject) => {
                let subject_at = at.key("subject");
                let one = raw
                    .jwks_file
                    .is_some()
                    .then_some(tenants.as_ref())
                    .flatten();
                let tenant = one
                    .filter(|t| t.len() == 1)
                    .and_then(|t| t.first().cloned());
                if tenant.is_none() {
                    let message = "a client that acts unattended shows who it is, for one tenant";
                    let diagnostic = self.document.error(&subject_at, message);
                    let expected = "`jwks_file`, and `tenants` with one tenant, beside it";
                    self.report(&subject_at, diagnostic.expected(expected));
                }
                Some((tenant?, SubjectId::parse(subject).ok()?))
            }
        };
        Some(Client {
            id: id?,
            name: raw.name.clone(),
            redirect_uris: raw.redirect_uris.clone(),
            jwks: jwks?,
            tenants,
            unattended,
            introspects,
        })
    }

    fn redirect_uri(&mut self, at: &At, text: &str) {
        let url = Url::parse(text).ok().filter(|url| {
            let is_plain =
                !text.contains(['*', '#']) && url.username().is_empty() && url.password().is_none();
            is_plain
                && match url.scheme() {
                    "https" => true,
                    "http" => is_loopback(url),
                    scheme => scheme.contains('.'),
                }
        });
        if url.is_none() {
            let message = format!("`{}` cannot be a redirect URI", printable(text));
            let diagnostic = self.document.error(at, message);
            let expected = "`https`, `http` on loopback, or an app's own scheme such as \
                            `com.example.app:/callback`; without fragment and wildcards";
            self.report(at, diagnostic.expected(expected));
        }
    }

    fn introspected(
        &mut self,
        at: &At,
        id: &str,
        upstreams: &BTreeSet<&str>,
    ) -> Option<UpstreamId> {
        if upstreams.contains(id) {
            return UpstreamId::parse(id).ok();
        }
        let message = format!("there is no upstream `{}`", printable(id));
        let names = upstreams.iter().copied();
        let diagnostic = self.document.error(at, message).suggest(nearest(id, names));
        self.report(at, diagnostic);
        None
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
