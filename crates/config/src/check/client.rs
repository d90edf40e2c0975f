//! The clients that the authorization server knows beforehand.

mod authentication;

use std::collections::BTreeSet;

use cardea_domain::{ActorId, SubjectId, TenantId, UpstreamId};
use url::Url;

use super::{Checker, url::is_loopback};
use crate::{
    Client,
    diagnostic::{nearest, printable},
    raw::{RawClient, RawConfig},
    yaml::At,
};

impl Checker<'_> {
    pub(super) fn known_clients(
        &mut self,
        at: &At,
        raws: &[RawClient],
        upstreams: &BTreeSet<&str>,
        config: &RawConfig,
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
            clients.extend(self.client(&at, raw, upstreams, config));
        }
        (clients.len() == raws.len()).then_some(clients)
    }

    fn client(
        &mut self,
        at: &At,
        raw: &RawClient,
        upstreams: &BTreeSet<&str>,
        config: &RawConfig,
    ) -> Option<Client> {
        let id_at = at.key("id");
        let id = match ActorId::parse(&raw.id) {
            Ok(id) => Some(id),
            // That it is missing was said.
            Err(_) if !self.has(&id_at) => None,
            Err(error) => {
                let diagnostic = self.document.error(&id_at, error.to_string());
                self.report(&id_at, diagnostic);
                None
            }
        };
        let authentication = self.client_authentication(at, raw, config);
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
            Some(subject) => Some(self.unattended(at, raw, subject, tenants.as_ref())?),
        };
        Some(Client {
            id: id?,
            name: raw.name.clone(),
            redirect_uris: raw.redirect_uris.clone(),
            authentication: authentication?,
            tenants,
            unattended,
            introspects,
        })
    }

    fn unattended(
        &mut self,
        at: &At,
        raw: &RawClient,
        subject: &str,
        tenants: Option<&BTreeSet<TenantId>>,
    ) -> Option<(TenantId, SubjectId)> {
        let at = at.key("subject");
        let is_confidential =
            raw.jwks_file.is_some() || raw.jwks_url.is_some() || raw.certificate.is_some();
        let one = tenants.filter(|tenants| is_confidential && tenants.len() == 1);
        let Some(tenant) = one.and_then(|tenants| tenants.first()) else {
            let message = "a client that acts unattended shows who it is, for one tenant";
            let diagnostic = self.document.error(&at, message);
            let expected = "`jwks_file`, `jwks_url` or `certificate`, and `tenants` with one tenant, \
                            beside it";
            self.report(&at, diagnostic.expected(expected));
            return None;
        };
        Some((tenant.clone(), SubjectId::parse(subject).ok()?))
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
