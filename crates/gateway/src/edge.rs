//! How the gateway is seen from outside: names, addresses, resource metadata.

use std::sync::Arc;

use cardea_domain::{Code, Denial};
use cardea_identity::{
    Scheme, SigningKeys,
    server::{API_PATH, API_SCOPE},
};
use http::{HeaderMap, header};
use serde_json::json;

/// The gateway's outside.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Scheme, host and port, without a trailing slash.
    origin: String,
    /// `Host` values, in lower case.
    hosts: Vec<String>,
    /// `Origin` values, in lower case.
    origins: Vec<String>,
    /// Authorization servers, as the resource metadata names them.
    issuers: Vec<String>,
    scopes: Vec<String>,
    /// The gateway's own keys, where there is something to verify with them.
    keys: Option<Arc<SigningKeys>>,
    bindings: Bindings,
}

/// How tokens can be, or have to be, bound to keys.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// The algorithms of DPoP proofs, by their JOSE names.
    pub algorithms: Vec<String>,
    /// Whether every tenant takes tokens with a DPoP key only.
    pub dpop_required: bool,
    /// Whether client certificates reach the gateway.
    pub certificates: bool,
}

/// The path under which all upstreams are.
pub(crate) const MCP_PATH: &str = "/mcp";
/// RFC 9728, section 3.
pub(crate) const RESOURCE_METADATA_PATH: &str = "/.well-known/oauth-protected-resource";
/// Where the gateway's own public keys are.
pub(crate) const JWKS_PATH: &str = "/.well-known/jwks.json";

impl Edge {
    /// An outside at `origin` (`https://host[:port]`), answering to `hosts` and `origins` too.
    #[must_use]
    pub fn new(
        origin: &str,
        hosts: impl IntoIterator<Item = String>,
        origins: impl IntoIterator<Item = String>,
        issuers: Vec<String>,
        scopes: Vec<String>,
        keys: Option<Arc<SigningKeys>>,
    ) -> Self {
        let origin = origin.trim_end_matches('/').to_owned();
        let own_host = origin
            .split("://")
            .nth(1)
            .unwrap_or_default()
            .to_lowercase();
        let own_origin = origin.to_lowercase();
        Self {
            hosts: std::iter::once(own_host)
                .chain(hosts.into_iter().map(|h| h.to_lowercase()))
                .collect(),
            origins: std::iter::once(own_origin)
                .chain(origins.into_iter().map(|o| o.to_lowercase()))
                .collect(),
            origin,
            issuers,
            scopes,
            keys,
            bindings: Bindings::default(),
        }
    }

    /// The same outside, with these ways of binding tokens told to clients.
    #[must_use]
    pub fn with_bindings(self, bindings: Bindings) -> Self {
        Self { bindings, ..self }
    }

    /// The address of a path as it is seen from outside.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The resource identifier of the gateway as a whole (RFC 8707): good for every upstream.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}{MCP_PATH}", self.origin)
    }

    /// The resource identifier of one upstream.
    #[must_use]
    pub fn upstream_resource(&self, upstream: &str) -> String {
        format!("{}{MCP_PATH}/{upstream}", self.origin)
    }

    /// The resource identifier of the gateway's own API.
    pub(crate) fn api_resource(&self) -> String {
        self.address(API_PATH)
    }

    pub(crate) fn jwks(&self) -> Option<Arc<str>> {
        self.keys.as_ref().map(|keys| keys.jwks())
    }

    /// The metadata of the gateway's own API (RFC 9728), which takes tokens of its own
    /// authorization server alone, each bound to a key.
    pub(crate) fn api_metadata(&self) -> String {
        json!({
            "resource": self.api_resource(),
            "authorization_servers": [self.origin],
            "bearer_methods_supported": ["header"],
            "scopes_supported": [API_SCOPE],
            "resource_name": "Cardea access",
            "dpop_signing_alg_values_supported": self.bindings.algorithms,
            "dpop_bound_access_tokens_required": true,
        })
        .to_string()
    }

    /// The metadata of the resource at `path` (RFC 9728), which starts with [`MCP_PATH`].
    ///
    /// The same for names that exist and names that do not: it tells nothing about upstreams.
    pub(crate) fn metadata(&self, path: &str) -> String {
        let mut document = json!({
            "resource": format!("{}{path}", self.origin),
            "authorization_servers": self.issuers,
            "bearer_methods_supported": ["header"],
            "resource_name": "Cardea MCP gateway",
            "dpop_signing_alg_values_supported": self.bindings.algorithms,
            "dpop_bound_access_tokens_required": self.bindings.dpop_required,
            "tls_client_certificate_bound_access_tokens": self.bindings.certificates,
        });
        if let (false, Some(document)) = (self.scopes.is_empty(), document.as_object_mut()) {
            document.insert("scopes_supported".into(), json!(self.scopes));
        }
        document.to_string()
    }

    /// The `WWW-Authenticate` value for one scheme; `code` says why a request in it was refused.
    ///
    /// # Source
    /// RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1.
    pub(crate) fn challenge(&self, scheme: Scheme, code: Option<Code>, path: &str) -> String {
        self.challenge_for(scheme, code, path, &self.scopes.join(" "))
    }

    /// The `WWW-Authenticate` value for tokens of the gateway's own API.
    pub(crate) fn api_challenge(&self, code: Option<Code>) -> String {
        self.challenge_for(Scheme::Dpop, code, API_PATH, API_SCOPE)
    }

    fn challenge_for(
        &self,
        scheme: Scheme,
        code: Option<Code>,
        path: &str,
        scopes: &str,
    ) -> String {
        let metadata = format!("{}{RESOURCE_METADATA_PATH}{path}", self.origin);
        let error = match code {
            None | Some(Code::TokenMissing) => "",
            Some(Code::ScopeInsufficient) => "error=\"insufficient_scope\", ",
            // The same for every request: clients tell by it that they have been here before, and stop.
            Some(Code::AccessRequired) => {
                "error=\"insufficient_scope\", error_description=\"people have to grant this first\", "
            }
            Some(Code::ProofInvalid) => "error=\"invalid_dpop_proof\", ",
            Some(Code::ProofNonce) => "error=\"use_dpop_nonce\", ",
            Some(_) => "error=\"invalid_token\", ",
        };
        let scope = match scopes {
            "" => String::new(),
            scopes => format!(", scope=\"{scopes}\""),
        };
        let (name, algorithms) = match scheme {
            Scheme::Bearer => ("Bearer", String::new()),
            Scheme::Dpop => {
                let names = self.bindings.algorithms.join(" ");
                ("DPoP", format!("algs=\"{names}\", "))
            }
        };
        format!("{name} {error}{algorithms}resource_metadata=\"{metadata}\"{scope}")
    }

    /// Refuses requests that a foreign web page made a browser send (DNS rebinding).
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Denial> {
        self.check_host(headers)?;
        for origin in headers.get_all(header::ORIGIN) {
            let known = self
                .origins
                .iter()
                .any(|o| o.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
            if !known {
                return Err(Denial::new(
                    Code::OriginForbidden,
                    "this origin may not use the gateway",
                )
                .help("add the origin to `allowed_origins` if it is yours")
                .detail(format!("origin `{}`", origin.as_bytes().escape_ascii())));
            }
        }
        Ok(())
    }

    /// Refuses requests under a name that is not the gateway's.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Result<(), Denial> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.as_bytes(),
            _ => &[],
        };
        if !self.hosts.iter().any(|known| names(known, host)) {
            return Err(Denial::new(
                Code::HostForbidden,
                "this is not the host that the request names",
            )
            .help("use the public address, or add the name to `allowed_hosts`")
            .detail(format!("host `{}`", host.escape_ascii())));
        }
        Ok(())
    }
}

/// Whether a `Host` value names a known host; one that is known without a port is so at any.
fn names(known: &str, host: &[u8]) -> bool {
    if known.as_bytes().eq_ignore_ascii_case(host) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(host) else {
        return false;
    };
    let has_port = known
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    match text.rsplit_once(':') {
        Some((name, port)) if !has_port && port.bytes().all(|b| b.is_ascii_digit()) => {
            known.eq_ignore_ascii_case(name)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge() -> Edge {
        Edge::new(
            "https://gw.example.com:8443",
            ["localhost:1".into(), "any.example".into(), "[::1]".into()],
            ["https://app.example.com".into()],
            vec!["https://id.example.com".into()],
            vec!["mcp".into()],
            None,
        )
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (k, v) in pairs {
            map.append(*k, v.parse().unwrap());
        }
        map
    }

    #[test]
    fn foreign_hosts_and_origins_are_refused() {
        let edge = edge();
        assert!(
            edge.check_origin(&headers(&[("host", "GW.example.com:8443")]))
                .is_ok()
        );
        assert!(
            edge.check_origin(&headers(&[
                ("host", "localhost:1"),
                ("origin", "https://app.example.com")
            ]))
            .is_ok()
        );
        for host in ["any.example", "any.example:9", "[::1]", "[::1]:80"] {
            assert!(
                edge.check_origin(&headers(&[("host", host)])).is_ok(),
                "{host}"
            );
        }
        for bad in [
            &[][..],
            &[("host", "evil.example")],
            &[("host", "gw.example.com")],
            &[("host", "any.example:80x")],
            &[("host", "any.example.evil:80")],
            &[("host", "gw.example.com:8443"), ("host", "evil.example")],
            &[("host", "gw.example.com:8443"), ("origin", "null")],
            &[
                ("host", "gw.example.com:8443"),
                ("origin", "https://evil.example"),
            ],
        ] {
            assert!(edge.check_origin(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn challenges_name_the_metadata_and_the_scopes() {
        assert_eq!(
            edge().challenge(Scheme::Bearer, Some(Code::TokenExpired), "/mcp/files"),
            "Bearer error=\"invalid_token\", resource_metadata=\"https://gw.example.com:8443/.well-known/oauth-protected-resource/mcp/files\", scope=\"mcp\""
        );
        let edge = edge().with_bindings(Bindings {
            algorithms: vec!["ES256".into(), "EdDSA".into()],
            ..Bindings::default()
        });
        assert_eq!(
            edge.challenge(Scheme::Dpop, Some(Code::ProofNonce), "/mcp/files"),
            "DPoP error=\"use_dpop_nonce\", algs=\"ES256 EdDSA\", resource_metadata=\"https://gw.example.com:8443/.well-known/oauth-protected-resource/mcp/files\", scope=\"mcp\""
        );
    }
}
