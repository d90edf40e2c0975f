//! Which addresses a token or a secret may be sent to.

use std::net::IpAddr;

use url::{Host, Url};

use crate::ConnectError;

/// The address of an MCP server as a person typed it.
///
/// # Errors
/// [`ConnectError::Address`] unless it is `https`, or `http` on this computer.
pub fn server_url(text: &str) -> Result<Url, ConnectError> {
    let url = Url::parse(text).map_err(|_| refused(text, "is not a URL"))?;
    if url.fragment().is_some() {
        return Err(refused(text, "must have no fragment"));
    }
    check(&url)?;
    Ok(url)
}

/// Where a gateway's own API is.
const API_PATH: &str = "/api/v1";

/// The API of the gateway that a person typed the address of.
///
/// # Errors
/// [`ConnectError::Address`] unless it is the address of a host, `https`, or `http` on this computer.
pub fn api_url(gateway: &str) -> Result<Url, ConnectError> {
    let mut url = server_url(gateway)?;
    let is_whole = matches!(url.path(), "/" | API_PATH) && url.query().is_none();
    if !is_whole {
        return Err(refused(
            gateway,
            "must be the address of the gateway, without a path",
        ));
    }
    url.set_path(API_PATH);
    Ok(url)
}

/// The gateway whose API is at this address, if it is one's.
pub(crate) fn gateway_of(server: &Url) -> Option<String> {
    (server.path() == API_PATH).then(|| origin(server))
}

/// An address that `from` named, in a header or a document.
///
/// A server elsewhere cannot make this program talk to this computer: plain `http` is for
/// servers that are here themselves.
///
/// # Errors
/// [`ConnectError::Address`].
pub(crate) fn named(text: &str, from: &Url) -> Result<Url, ConnectError> {
    let url = Url::parse(text).map_err(|_| refused(text, "is not a URL"))?;
    check(&url)?;
    if url.scheme() == "http" && !is_loopback(from) {
        return Err(refused(
            text,
            "is on this computer, but was named by another one",
        ));
    }
    Ok(url)
}

fn check(url: &Url) -> Result<(), ConnectError> {
    let shown = url.as_str();
    if !url.username().is_empty() || url.password().is_some() {
        // The text may hold a password.
        return Err(refused("the address", "must not hold a user or password"));
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        "http" => Err(refused(
            shown,
            "must be https: a token would be readable on the way",
        )),
        _ => Err(refused(shown, "must be an https URL")),
    }
}

/// Whether the host is this computer.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Scheme, host and port.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Whether a protected resource with this identifier includes `server`.
///
/// The same origin, and a path that the server's path is at or below: metadata at the root
/// speaks for everything there.
///
/// # Source
/// RFC 9728 section 3.3; RFC 8707 section 2.
pub(crate) fn covers(resource: &str, server: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    if resource.origin() != server.origin() || resource.fragment().is_some() {
        return false;
    }
    let whole = resource.path().trim_end_matches('/');
    let path = server.path().trim_end_matches('/');
    path.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn refused(url: &str, rule: &'static str) -> ConnectError {
    ConnectError::Address {
        url: crate::error::foreign(url),
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_tls_or_stay_on_this_computer() {
        for good in [
            "https://gw.example.com/mcp/files",
            "http://localhost:8080/mcp",
            "http://127.0.0.1:1/mcp",
            "http://[::1]:1/mcp",
        ] {
            assert!(server_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://gw.example.com/mcp",
            "http://localhost.example.com/mcp",
            "http://10.0.0.1/mcp",
            "https://user:secret@gw.example.com/mcp",
            "https://gw.example.com/mcp#x",
            "ftp://gw.example.com",
            "file:///etc/passwd",
            "gw.example.com",
        ] {
            let error = server_url(bad).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_gateway_is_known_by_its_host_alone() {
        for typed in [
            "https://gw.example.com",
            "https://gw.example.com/",
            "https://gw.example.com/api/v1",
        ] {
            let url = api_url(typed).unwrap();
            assert_eq!(url.as_str(), "https://gw.example.com/api/v1");
            assert_eq!(gateway_of(&url).unwrap(), "https://gw.example.com");
        }
        for bad in [
            "https://gw.example.com/mcp/files",
            "https://gw.example.com/?x=1",
            "http://gw.example.com",
            "gw.example.com",
        ] {
            assert!(api_url(bad).is_err(), "{bad}");
        }
        let mcp = server_url("https://gw.example.com/mcp/files").unwrap();
        assert_eq!(gateway_of(&mcp), None);
    }

    #[test]
    fn a_server_elsewhere_cannot_point_at_this_computer() {
        let far = Url::parse("https://gw.example.com/mcp").unwrap();
        let near = Url::parse("http://127.0.0.1:1/mcp").unwrap();
        assert!(named("http://127.0.0.1:2/x", &far).is_err());
        assert!(named("http://127.0.0.1:2/x", &near).is_ok());
        assert!(named("https://as.example.com/x", &near).is_ok());
    }

    #[test]
    fn a_resource_covers_what_is_at_or_below_its_path() {
        let server = Url::parse("https://gw.example.com/mcp/files").unwrap();
        for good in [
            "https://gw.example.com/mcp/files",
            "https://gw.example.com/mcp",
            "https://gw.example.com",
            "https://GW.example.com:443/mcp/",
        ] {
            assert!(covers(good, &server), "{good}");
        }
        for bad in [
            "https://evil.example.com/mcp/files",
            "https://gw.example.com/mcp/file",
            "https://gw.example.com/mcp/files/x",
            "http://gw.example.com/mcp/files",
            "https://gw.example.com:8443/mcp/files",
            "nonsense",
        ] {
            assert!(!covers(bad, &server), "{bad}");
        }
    }
}
