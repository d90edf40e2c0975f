//! What a `Host` header may say.

use std::fmt;

use url::Host;

/// A host, and a port or any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `host` or `host:port`; IPv6 addresses stand in brackets. `None` when it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = split(text).filter(|_| !text.contains('*'))?;
        let host = Host::parse(host).ok()?.to_string();
        Some(Self { host, port })
    }

    /// Whether the value of a `Host` header names this host; without a port of its own, at any port.
    #[must_use]
    pub fn accepts(&self, header: &str) -> bool {
        split(header).is_some_and(|(host, port)| {
            host.eq_ignore_ascii_case(&self.host) && (self.port.is_none() || self.port == port)
        })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let port_at = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(port_at)?;
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_accepted_in_any_case_and_at_its_port() {
        let any_port = AllowedHost::parse("MCP.example.com").unwrap();
        assert!(any_port.accepts("mcp.example.com"));
        assert!(any_port.accepts("Mcp.Example.Com:8443"));
        assert!(!any_port.accepts("mcp.example.com.evil.test"));
        assert!(!any_port.accepts("evil.test:80@mcp.example.com"));
        let one_port = AllowedHost::parse("[::1]:8808").unwrap();
        assert!(one_port.accepts("[::1]:8808"));
        assert!(!one_port.accepts("[::1]"));
        assert!(!one_port.accepts("[::1]:8809"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "", ":80", "a:b", "a:99999", "http://a", "*.a", "a b", "[::1", "a:80:80", "a/b",
        ] {
            assert_eq!(AllowedHost::parse(text), None, "{text:?}");
        }
    }
}
