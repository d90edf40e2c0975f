//! Where a server in a sandbox may connect to.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::is_public;

/// A host and a port: `api.example.com:443`, `*.example.com:443`, `203.0.114.7:443`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    /// Exactly this name, in lower case.
    Name(String),
    /// Every name below this one, but not itself.
    Below(String),
    /// This address.
    Address(IpAddr),
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// There is no port at its end.
    #[error("there is no port: write `host:port`")]
    NoPort,
    /// It is neither a name nor an address.
    #[error("this is neither the name of a host nor an address")]
    NoHost,
    /// Loopback, private networks, link-local and metadata addresses are never reached.
    #[error("this address is not public; a sandboxed server reaches public addresses only")]
    NotPublic,
}

/// RFC 1035 section 2.3.4.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

impl FromStr for Destination {
    type Err = InvalidDestination;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(InvalidDestination::NoPort)?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or(InvalidDestination::NoPort)?;
        let host = Host::parse(host).ok_or(InvalidDestination::NoHost)?;
        if matches!(host, Host::Address(address) if !is_public(address)) {
            return Err(InvalidDestination::NotPublic);
        }
        Ok(Self { host, port })
    }
}

impl Destination {
    /// Whether it means this host, as it was asked for, and this port.
    #[must_use]
    pub fn admits(&self, host: &str, port: u16) -> bool {
        let Some(asked) = Host::parse(host) else {
            return false;
        };
        self.port == port
            && match (&self.host, &asked) {
                (Host::Below(above), Host::Name(name)) => name
                    .strip_suffix(above.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                (Host::Below(_), _) => false,
                (own, asked) => own == asked,
            }
    }

    /// The one host that it means; `None` where it means many.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match &self.host {
            Host::Name(name) => Some(name.clone()),
            Host::Address(address) => Some(address.to_string()),
            Host::Below(_) => None,
        }
    }

    /// The one name that it means; `None` where it means many, or an address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) | Host::Below(_) => None,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Some(Self::Address(address));
        }
        // A dot at the end is the same name, and must not be another one here.
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match text.strip_prefix("*.") {
            Some(above) => is_name(above).then(|| Self::Below(above.to_owned())),
            None => is_name(&text).then_some(Self::Name(text)),
        }
    }
}

/// Whether it is the name of a host, and not an address in one of the spellings that resolvers take for one (`127.1`, `0x7f.1`).
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= NAME_BYTES_MAX
        && text.split('.').all(is_label)
        && !last.starts_with(|c: char| c.is_ascii_digit())
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Below(above) => write!(f, "*.{above}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_admits_itself_and_nothing_near() {
        let one = of("API.example.com:443");
        assert_eq!(one.to_string(), "api.example.com:443");
        for (host, port, expected) in [
            ("api.example.com", 443, true),
            ("Api.Example.Com.", 443, true),
            ("api.example.com", 80, false),
            ("xapi.example.com", 443, false),
            ("api.example.com.evil.net", 443, false),
            ("example.com", 443, false),
            ("api.example.com:443", 443, false),
            ("", 443, false),
        ] {
            assert_eq!(one.admits(host, port), expected, "{host}:{port}");
        }
    }

    #[test]
    fn a_star_admits_what_is_below_and_not_the_name_itself() {
        let many = of("*.example.com:443");
        for (host, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            (".example.com", false),
            ("aexample.com", false),
            ("*.example.com", false),
            ("1.2.3.4", false),
        ] {
            assert_eq!(many.admits(host, 443), expected, "{host}");
        }
    }

    #[test]
    fn inner_addresses_and_their_spellings_are_no_destinations() {
        for (text, why) in [
            ("127.0.0.1:80", InvalidDestination::NotPublic),
            ("169.254.169.254:80", InvalidDestination::NotPublic),
            ("[::1]:80", InvalidDestination::NotPublic),
            ("[::ffff:10.0.0.1]:80", InvalidDestination::NotPublic),
            ("127.1:80", InvalidDestination::NoHost),
            ("0x7f000001.0x1:80", InvalidDestination::NoHost),
            ("2130706433:80", InvalidDestination::NoHost),
            ("example.com", InvalidDestination::NoPort),
            ("example.com:0", InvalidDestination::NoPort),
            ("example.com:https", InvalidDestination::NoPort),
            ("*:443", InvalidDestination::NoHost),
            ("a b:443", InvalidDestination::NoHost),
        ] {
            assert_eq!(text.parse::<Destination>(), Err(why), "{text}");
        }
    }
}
