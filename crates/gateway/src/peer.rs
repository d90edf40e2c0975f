//! Who is at the other end: of the connection, or behind a proxy that is trusted to say so.

use std::{net::IpAddr, sync::Arc};

use cardea_domain::{Code, Denial};
use cardea_identity::ClientCertificate;
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::stall::Patience;

/// An address, and the certificate that it showed.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// How long the connection waits for it.
    pub(crate) patience: Patience,
}

/// Proxies whose word about a client counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// RFC 9440, section 2.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl TrustedProxies {
    /// The proxies at these addresses.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The client of a request: the peer itself, or whom a trusted proxy names.
    ///
    /// # Errors
    /// [`Code::PeerUntrusted`] when somebody else claims to pass a certificate on, and
    /// [`Code::CertificateInvalid`] when a proxy passes something else on.
    ///
    /// # Source
    /// RFC 9440 sections 2 and 4, RFC 7239.
    pub(crate) fn client(&self, peer: &Peer, headers: &HeaderMap) -> Result<Peer, Denial> {
        if !self.trusts(peer.address) {
            let claims = [CLIENT_CERT, CLIENT_CERT_CHAIN];
            if claims.iter().any(|name| headers.contains_key(name)) {
                return Err(Denial::new(
                    Code::PeerUntrusted,
                    "`Client-Cert` is for trusted proxies to send",
                )
                .help("leave the header out, or add the proxy to `trusted_proxies`"));
            }
            return Ok(peer.clone());
        }
        Ok(Peer {
            address: self.forwarded_for(headers).unwrap_or(peer.address),
            // Never the connection's own: that one is the proxy's.
            certificate: passed_on(headers)?.map(Arc::new),
            patience: peer.patience.clone(),
        })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The last address before the trusted proxies: what stands further left anybody can have made
    /// up. A hop that is no address ends the search.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let hops = match headers.contains_key(header::FORWARDED) {
            true => elements(headers, &header::FORWARDED)
                .map(forwarded_address)
                .collect::<Vec<_>>(),
            false => elements(headers, &X_FORWARDED_FOR)
                .map(|hop| address(hop.trim()))
                .collect(),
        };
        let mut client = None;
        for hop in hops.into_iter().rev() {
            client = Some(hop?);
            if hop.is_some_and(|hop| !self.trusts(hop)) {
                break;
            }
        }
        client
    }
}

/// The certificate of the one `Client-Cert` header, if there is one.
fn passed_on(headers: &HeaderMap) -> Result<Option<ClientCertificate>, Denial> {
    let unusable = |detail: String| {
        Denial::new(
            Code::CertificateInvalid,
            "the client certificate that the proxy passed on cannot be read",
        )
        .help("let the proxy send one `Client-Cert` header as RFC 9440 says")
        .detail(detail)
    };
    let mut values = headers.get_all(CLIENT_CERT).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => ClientCertificate::from_field(one.as_bytes())
            .map(Some)
            .map_err(|error| unusable(error.to_string())),
        (Some(_), Some(_)) => Err(unusable("there is more than one".into())),
    }
}

/// The elements of a comma-separated list, over all header lines of the name.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        // What is not text is no address.
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
}

/// The `for` of one element of `Forwarded` (RFC 7239, section 4).
fn forwarded_address(element: &str) -> Option<IpAddr> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })?;
    address(value.trim_matches('"'))
}

/// An address, with or without a port; IPv6 in brackets where it has one.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => text,
    };
    let without_port = || bare.rsplit_once(':').map(|(host, _)| host);
    bare.parse()
        .ok()
        .or_else(|| without_port()?.parse().ok())
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()])
    }

    fn peer(address: &str) -> Peer {
        Peer {
            address: address.parse().unwrap(),
            certificate: None,
            patience: Patience::default(),
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn client_of(from: &str, pairs: &[(&'static str, &'static str)]) -> String {
        let client = proxies().client(&peer(from), &headers(pairs)).unwrap();
        client.address.to_string()
    }

    #[test]
    fn a_proxy_names_the_client_and_nobody_else_does() {
        for (from, sent, client) in [
            (
                "192.0.2.1",
                &[("x-forwarded-for", "198.51.100.7")][..],
                "192.0.2.1",
            ),
            ("10.0.0.1", &[], "10.0.0.1"),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "198.51.100.7")],
                "198.51.100.7",
            ),
            (
                "::ffff:10.0.0.1",
                &[("x-forwarded-for", "198.51.100.7:4711")],
                "198.51.100.7",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.2.3.4")],
                "198.51.100.7",
            ),
            (
                "10.0.0.1",
                &[
                    ("x-forwarded-for", "6.6.6.6"),
                    ("x-forwarded-for", "198.51.100.7"),
                ],
                "198.51.100.7",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "10.9.9.9, 10.2.3.4")],
                "10.9.9.9",
            ),
            (
                "10.0.0.1",
                &[("x-forwarded-for", "6.6.6.6, nonsense")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[(
                    "forwarded",
                    "for=6.6.6.6, For=\"[2001:db8::7]:80\";proto=https",
                )],
                "2001:db8::7",
            ),
            (
                "10.0.0.1",
                &[
                    ("forwarded", "for=198.51.100.7;by=10.0.0.1"),
                    ("x-forwarded-for", "6.6.6.6"),
                ],
                "198.51.100.7",
            ),
            ("10.0.0.1", &[("forwarded", "for=unknown")], "10.0.0.1"),
        ] {
            assert_eq!(client_of(from, sent), client, "{from} {sent:?}");
        }
    }

    #[test]
    fn a_certificate_is_taken_from_a_proxy_only() {
        let refusal = |from: &str, pairs: &[(&'static str, &'static str)]| {
            let client = proxies().client(&peer(from), &headers(pairs));
            client.unwrap_err().code
        };
        for name in ["client-cert", "client-cert-chain"] {
            let code = refusal("192.0.2.1", &[(name, ":AAAA:")]);
            assert_eq!(code, Code::PeerUntrusted);
        }
        for sent in [
            &[("client-cert", ":AAAA:")][..],
            &[("client-cert", "")],
            &[("client-cert", ":AAAA:"), ("client-cert", ":AAAA:")],
        ] {
            assert_eq!(refusal("10.0.0.1", sent), Code::CertificateInvalid);
        }
    }
}
