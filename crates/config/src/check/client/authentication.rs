//! How a client shows who it is.

use url::{Host, Url};

use super::super::Checker;
use crate::{
    CertificateName, ClientAuthentication, ClientKeys,
    diagnostic::printable,
    raw::{RawClient, RawClientCertificate, RawConfig},
    yaml::{At, without_secrets},
};

impl Checker<'_> {
    pub(super) fn client_authentication(
        &mut self,
        at: &At,
        raw: &RawClient,
        config: &RawConfig,
    ) -> Option<ClientAuthentication> {
        let keys = self.client_keys(at, raw)?;
        match (&raw.certificate, keys) {
            (Some(certificate), None) if !raw.self_signed_certificate => {
                self.client_certificate(&at.key("certificate"), certificate, config)
            }
            (Some(_), _) => {
                let at = at.key("certificate");
                let diagnostic = self
                    .document
                    .error_at_key(&at, "there are keys of the client as well");
                self.report(&at, diagnostic.expected("one way to show who it is"));
                None
            }
            (None, Some(keys)) if raw.self_signed_certificate => {
                self.passes_certificates_on(at, config)?;
                Some(ClientAuthentication::SelfSignedTls(keys))
            }
            (None, Some(keys)) => Some(ClientAuthentication::PrivateKeyJwt(keys)),
            (None, None) if raw.self_signed_certificate => {
                let at = at.key("self_signed_certificate");
                let diagnostic = self.document.error(&at, "its certificates are not known");
                self.report(
                    &at,
                    diagnostic.expected("`jwks_file` or `jwks_url` with them as `x5c`"),
                );
                None
            }
            (None, None) => Some(ClientAuthentication::None),
        }
    }

    /// Its keys, if it has any; nothing when they are not usable.
    fn client_keys(&mut self, at: &At, raw: &RawClient) -> Option<Option<ClientKeys>> {
        let url_at = at.key("jwks_url");
        match (&raw.jwks_file, &raw.jwks_url) {
            (Some(_), Some(_)) => {
                let diagnostic = self
                    .document
                    .error(&url_at, "there is a `jwks_file` as well");
                self.report(&url_at, diagnostic.expected("one of both"));
                None
            }
            (Some(file), None) => {
                let text = self.text_of_file(&at.key("jwks_file"), file)?;
                Some(Some(ClientKeys::Document(text)))
            }
            (None, Some(url)) => Some(Some(ClientKeys::At(self.keys_url(&url_at, url)?))),
            (None, None) => Some(None),
        }
    }

    fn keys_url(&mut self, at: &At, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| {
            let has_user = !url.username().is_empty() || url.password().is_some();
            let has_name = matches!(url.host(), Some(Host::Domain(_)));
            url.scheme() == "https" && has_name && !has_user && url.fragment().is_none()
        });
        if url.is_none() {
            let shown = printable(&without_secrets(text));
            let message = format!("`{shown}` is not where a client's keys can be");
            let diagnostic = self.document.error(at, message);
            let expected = "an `https` URL with a host's name, without user and fragment";
            self.report(at, diagnostic.expected(expected));
        }
        url
    }

    fn client_certificate(
        &mut self,
        at: &At,
        raw: &RawClientCertificate,
        config: &RawConfig,
    ) -> Option<ClientAuthentication> {
        let asks = config
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_certificates.is_some());
        if !asks && config.trusted_proxies.is_empty() {
            let diagnostic = self
                .document
                .error_at_key(at, "no certificate of a client can arrive");
            let expected = "`tls.client_certificates`, or a proxy in `trusted_proxies`";
            self.report(at, diagnostic.expected(expected));
        }
        let name = match (&raw.dns_name, &raw.uri) {
            (Some(name), None) => Some(CertificateName::Dns(name.clone())),
            (None, Some(uri)) => Some(CertificateName::Uri(uri.clone())),
            _ => {
                let diagnostic = self
                    .document
                    .error_at_key(at, "which certificates are the client's?");
                self.report(at, diagnostic.expected("either `dns_name` or `uri`"));
                None
            }
        };
        let file_at = at.key("ca_file");
        let authorities = match self.has(&file_at) {
            true => self.text_of_file(&file_at, &raw.ca_file),
            false => None,
        };
        Some(ClientAuthentication::Tls {
            authorities: authorities?,
            name: name?,
        })
    }

    fn passes_certificates_on(&mut self, at: &At, config: &RawConfig) -> Option<()> {
        if !config.trusted_proxies.is_empty() {
            return Some(());
        }
        let at = at.key("self_signed_certificate");
        let message = "the gateway's own listener lets no self-signed certificate in";
        let diagnostic = self.document.error(&at, message);
        self.report(
            &at,
            diagnostic.expected("a proxy in `trusted_proxies` that passes it on"),
        );
        None
    }
}
