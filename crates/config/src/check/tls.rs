//! TLS, trusted proxies, and tokens that are bound to keys.

use std::collections::BTreeMap;

use cardea_domain::TenantId;
use ipnet::IpNet;
use url::Url;

use super::{Checker, files::Wanted};
use crate::{
    ClientCertificates, Dpop, RequiredBinding, Tls,
    config::network,
    diagnostic::printable,
    quantity::Quantity as _,
    raw::{
        IAT_WINDOW_MAX, IAT_WINDOW_MIN, KeyKind, RawClientCertificates, RawConfig, RawDpop,
        RawRequiredBinding, RawTls,
    },
    yaml::At,
};

impl Checker<'_> {
    pub(super) fn tls(&mut self, raw: Option<&RawTls>) -> Option<Option<Tls>> {
        let at = At::root().key("tls");
        self.optional(raw, |checker, raw| {
            let certificate = checker.pem(&at.key("certificate"), &raw.certificate);
            let key = checker.pem(&at.key("key"), &raw.key);
            let clients_at = at.key("client_certificates");
            let clients = checker.optional(raw.client_certificates.as_ref(), |checker, raw| {
                checker.clients(&clients_at, raw)
            });
            Some(Tls {
                certificate: certificate?,
                key: key?,
                clients: clients?,
            })
        })
    }

    fn clients(&mut self, at: &At, raw: &RawClientCertificates) -> Option<ClientCertificates> {
        let has_broken = self.document.has_broken(&at.key("spiffe"));
        if raw.ca_file.is_none() && raw.spiffe.is_empty() && !has_broken {
            let diagnostic = self
                .document
                .error_at_key(at, "nobody's certificate would be accepted")
                .expected("`ca_file`, or at least one trust domain in `spiffe`");
            self.report(at, diagnostic);
            return None;
        }
        let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
            checker.pem(&at.key("ca_file"), text)
        });
        let spiffe_at = at.key("spiffe");
        let mut spiffe = BTreeMap::new();
        for (domain, text) in &raw.spiffe {
            if let Some(path) = self.pem(&spiffe_at.key(domain), text) {
                spiffe.insert(domain.clone(), path);
            }
        }
        (spiffe.len() == raw.spiffe.len()).then_some(ClientCertificates {
            ca_file: ca_file?,
            spiffe,
            required: raw.required,
        })
    }

    fn pem(&mut self, at: &At, text: &str) -> Option<std::path::PathBuf> {
        if text.is_empty() {
            // The key itself is missing, which is said already.
            return None;
        }
        self.existing(at, text, Wanted::File)
    }

    /// With TLS of its own, the gateway is seen under `https`.
    pub(super) fn tls_fits(&mut self, raw: &RawConfig, public_url: &Url) {
        let at = At::root().key("public_url");
        if raw.tls.is_some() && public_url.scheme() == "http" {
            let diagnostic = self
                .document
                .error(&at, "clients would not speak TLS to this address")
                .expected("`https`, since there is `tls`");
            self.report(&at, diagnostic);
        }
    }

    pub(super) fn trusted_proxies(&mut self, texts: &[String]) -> Option<Vec<IpNet>> {
        let at = At::root().key("trusted_proxies");
        let mut proxies = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = at.index(index);
            let diagnostic = match network(text) {
                Some(found) if found.prefix_len() > 0 => {
                    proxies.push(found);
                    continue;
                }
                Some(_) => self
                    .document
                    .error(&at, "anybody could claim to be anybody")
                    .expected("the networks of your proxies only"),
                None => self
                    .document
                    .error(&at, format!("`{}` is not a network", printable(text)))
                    .expected("a network such as `10.0.0.0/8`, or an address"),
            };
            self.report(&at, diagnostic);
        }
        (proxies.len() == texts.len()).then_some(proxies)
    }

    pub(super) fn dpop(&mut self, raw: &RawDpop) -> Dpop {
        let at = At::root().key("dpop").key("iat_window");
        self.range(&at, raw.iat_window, IAT_WINDOW_MIN, IAT_WINDOW_MAX);
        Dpop {
            require_nonce: raw.require_nonce,
            iat_window: raw.iat_window.checked(),
            algorithms: raw.algorithms.clone(),
        }
    }

    pub(super) fn required_bindings(
        &mut self,
        raw: &RawConfig,
    ) -> BTreeMap<TenantId, RequiredBinding> {
        let asks_for_certificates = raw
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_certificates.is_some());
        let mut required = BTreeMap::new();
        for (id, tenant) in &raw.tenants {
            let wanted = match tenant.require_binding {
                RawRequiredBinding::Whether(false) => continue,
                RawRequiredBinding::Whether(true) => RequiredBinding::Any,
                RawRequiredBinding::By(KeyKind::Dpop) => RequiredBinding::Dpop,
                RawRequiredBinding::By(KeyKind::Certificate) => RequiredBinding::Certificate,
            };
            if wanted == RequiredBinding::Certificate
                && !asks_for_certificates
                && raw.trusted_proxies.is_empty()
            {
                let at = At::root().key("tenants").key(id).key("require_binding");
                let diagnostic = self
                    .document
                    .error(&at, "no client certificate can reach the gateway")
                    .expected("`tls.client_certificates`, or `trusted_proxies`, beside it");
                self.report(&at, diagnostic);
            }
            if let Ok(id) = TenantId::parse(id) {
                required.insert(id, wanted);
            }
        }
        required
    }
}
