//! URLs that a server may call, read so that no other reader finds another host in them.

mod class;

use std::{collections::BTreeSet, net::IpAddr};

use ::url::{Host, Url};

use super::{Expected, Look, text};

pub use self::class::Addresses;

/// URLs that may be called.
///
/// # Source
/// RFC 3986 for what a URL may look like, and the WHATWG URL standard for what browsers' likes
/// make of it: a text that the two read differently is refused.
#[derive(Debug, Clone)]
pub struct UrlRule {
    /// Schemes, in lower case; not empty.
    pub schemes: BTreeSet<String>,
    /// Hosts; none means any.
    pub hosts: Vec<HostPattern>,
    /// Ports, with the scheme's own where the URL says none; none means the scheme's own alone.
    pub ports: BTreeSet<u16>,
    /// Which addresses the host may have.
    pub addresses: Addresses,
}

impl Default for UrlRule {
    fn default() -> Self {
        Self {
            schemes: ["https".to_owned()].into(),
            hosts: Vec::new(),
            ports: BTreeSet::new(),
            addresses: Addresses::Public,
        }
    }
}

/// A host, or with `*.` before it every host below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    is_below: bool,
    name: String,
}

/// Why a text is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host such as `api.example.com`, `*.example.com` or `192.0.2.7`, in lower case"
)]
pub struct InvalidHost(pub String);

impl HostPattern {
    /// Reads a host, or `*.` and a domain.
    ///
    /// # Errors
    /// [`InvalidHost`]
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let (is_below, name) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        // Read as the host of a URL, it has to come out as it went in.
        let parsed = Url::parse(&format!("https://{name}/")).ok();
        let host = parsed.as_ref().and_then(Url::host_str);
        let is_written =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.[]:".contains(&b);
        let is_plain = host == Some(name) && !name.ends_with('.') && name.bytes().all(is_written);
        match is_plain && !(is_below && name.parse::<IpAddr>().is_ok()) {
            true => Ok(Self {
                is_below,
                name: name.to_owned(),
            }),
            false => Err(InvalidHost(text.to_owned())),
        }
    }

    fn admits(&self, host: &str) -> bool {
        match (self.is_below, host.strip_suffix(&*self.name)) {
            (false, rest) => rest == Some(""),
            (true, rest) => rest.is_some_and(|below| below.len() > 1 && below.ends_with('.')),
        }
    }
}

/// As long as servers and browsers take them.
const BYTES_MAX: usize = 8192;

impl UrlRule {
    pub(super) fn check(&self, text: &str) -> Result<Option<Look>, Expected> {
        let odd = || Expected::of("a plain absolute URL, such as `https://example.com/path`");
        if text.len() > BYTES_MAX || !text.bytes().all(|b| (0x21..0x7f).contains(&b)) {
            return Err(Expected::of(
                "a URL of ASCII without blanks, encoded where it has to be",
            ));
        }
        text::plain(text, "")?;
        if text.contains(['\\', '<', '>', '"', '`', '{', '}', '|', '^']) {
            return Err(odd());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(odd)?;
        if !self.schemes.contains(&scheme.to_ascii_lowercase()) {
            let schemes: Vec<_> = self.schemes.iter().map(String::as_str).collect();
            return Err(Expected(format!(
                "a URL that begins with {}://",
                schemes.join(":// or ")
            )));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(Expected::of("no user or password in the URL"));
        }
        let (host, port) = split(authority).ok_or_else(odd)?;
        let url = Url::parse(text).map_err(|_| odd())?;
        // Here a spelling is caught that means another host than its text: `0x7f.1`, `2130706433`, `%31`.
        let read = url.host_str().unwrap_or_default();
        if read != host.to_ascii_lowercase() || host.ends_with('.') {
            return Err(Expected::of("a host in its plain spelling"));
        }
        self.check_port(&url, port)?;
        self.check_host(&url, read)
    }

    fn check_port(&self, url: &Url, port: Option<&str>) -> Result<(), Expected> {
        let own = match url.scheme() {
            "https" | "wss" => Some(443),
            "http" | "ws" => Some(80),
            "ftp" => Some(21),
            _ => None,
        };
        let port = match port {
            None => own,
            Some(digits) => {
                let number = digits
                    .parse::<u16>()
                    .ok()
                    .filter(|n| n.to_string() == digits);
                Some(number.ok_or_else(|| Expected::of("a port as a plain number"))?)
            }
        };
        let is_good = match self.ports.is_empty() {
            true => port == own,
            false => port.is_some_and(|port| self.ports.contains(&port)),
        };
        match is_good {
            true => Ok(()),
            false => Err(Expected::of("a port among those that are allowed")),
        }
    }

    fn check_host(&self, url: &Url, host: &str) -> Result<Option<Look>, Expected> {
        let is_listed = self.hosts.is_empty() || self.hosts.iter().any(|p| p.admits(host));
        if !is_listed {
            return Err(Expected::of("a host among those that are allowed"));
        }
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::from(ip),
            Some(Host::Ipv6(ip)) => IpAddr::from(ip),
            // For schemes that the WHATWG does not know an address is a name to its parser.
            Some(Host::Domain(name)) => match name.parse::<IpAddr>() {
                Ok(ip) => ip,
                Err(_) => return self.check_name(name),
            },
            None => return Err(Expected::of("a host")),
        };
        match self.addresses.admit(address) {
            true => Ok(None),
            false => Err(Expected(format!(
                "a host whose addresses are {}",
                self.addresses.wanted()
            ))),
        }
    }

    fn check_name(&self, name: &str) -> Result<Option<Look>, Expected> {
        let is_dns = name.len() <= 253
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        let last = name.rsplit('.').next().unwrap_or_default();
        // What resolvers of C libraries read as a number is an address: `127.1`, `0x7f000001`.
        if !is_dns || last.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Expected::of("a host in its plain spelling"));
        }
        Ok((self.addresses != Addresses::Any).then(|| Look::Host {
            host: name.to_ascii_lowercase(),
            addresses: self.addresses.clone(),
        }))
    }
}

/// Host, with the brackets of an IPv6 address, and port.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')? + 2;
            authority.split_at_checked(end)?
        }
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    if host.is_empty() {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}
