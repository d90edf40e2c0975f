//! Whether two addresses are the same resource.

use std::borrow::Cow;

/// Whether `claimed`, a proof's `htu`, names the same resource as `actual`.
///
/// Compared after the normalisations of RFC 3986 sections 6.2.2 (case, percent-encoding, dot
/// segments) and 6.2.3 (default port, empty path). A query, a fragment, a user or a character that
/// no URI holds makes it another one: RFC 9449 section 4.2 defines the claim without them.
pub(super) fn same(claimed: &str, actual: &str) -> bool {
    // What nearly all clients send.
    if claimed == actual {
        return true;
    }
    match (Normal::of(claimed), Normal::of(actual)) {
        (Some(claimed), Some(actual)) => claimed == actual,
        _ => false,
    }
}

#[derive(Debug, PartialEq)]
struct Normal<'a> {
    scheme: String,
    host: String,
    port: Cow<'a, str>,
    path: String,
}

impl<'a> Normal<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => "443",
            "http" => "80",
            _ => return None,
        };
        let split = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(split)?;
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            "" => default_port,
            port => port,
        };
        Some(Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port: port.into(),
            path: without_dots(&normal_path(path)?),
        })
    }
}

fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"-._~[]:".contains(&c);
    if authority.is_empty() || !authority.bytes().all(fits) {
        return None;
    }
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(end)?;
    let port = match rest {
        "" => "",
        _ => rest.strip_prefix(':')?,
    };
    let is_port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    (!host.is_empty() && is_port).then_some((host, port))
}

/// Percent-encodings in capitals, and none of what needs none (RFC 3986, section 6.2.2).
fn normal_path(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("/".to_owned());
    }
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
                let decoded = high << 4 | low;
                if is_unreserved(decoded) {
                    normal.push(char::from(decoded));
                } else {
                    normal.push_str(&format!("%{decoded:02X}"));
                }
            }
            _ if is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte) => {
                normal.push(char::from(byte));
            }
            _ => return None,
        }
    }
    Some(normal)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// RFC 3986, section 5.2.4, for a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTUAL: &str = "https://gw.example.com/mcp/a-b";

    #[test]
    fn spellings_of_one_address_are_the_same() {
        for same_one in [
            ACTUAL,
            "HTTPS://GW.Example.COM/mcp/a-b",
            "https://gw.example.com:443/mcp/a-b",
            "https://gw.example.com:/mcp/a-b",
            "https://gw.example.com/mcp/a%2Db",
            "https://gw.example.com/mcp/a%2db",
            "https://gw.example.com/%6D%63p/./x/../a-b",
            "https://gw.example.com/mcp/%2e/a-b",
        ] {
            assert!(same(same_one, ACTUAL), "{same_one}");
        }
        assert!(same("http://h:80", "http://h/"));
        assert!(same("https://[::1]/x", "https://[::1]:443/x"));
        assert!(same("https://h/a%2fb", "https://h/a%2Fb"));
    }

    #[test]
    fn other_addresses_are_others() {
        for other in [
            "",
            "https://gw.example.com",
            "https://gw.example.com/mcp",
            "https://gw.example.com/mcp/a-b/",
            "https://gw.example.com/mcp/A-b",
            "https://gw.example.com//mcp/a-b",
            "https://gw.example.com/mcp/a-b?x=1",
            "https://gw.example.com/mcp/a-b?",
            "https://gw.example.com/mcp/a-b#",
            "https://gw.example.com:8443/mcp/a-b",
            "https://gw.example.com.evil.example/mcp/a-b",
            "https://evil.example/mcp/a-b",
            "https://ada@gw.example.com/mcp/a-b",
            "https://gw.example.com:443:443/mcp/a-b",
            "http://gw.example.com/mcp/a-b",
            "https://gw.example.com\\mcp\\a-b",
            "https:/gw.example.com/mcp/a-b",
            "//gw.example.com/mcp/a-b",
            "/mcp/a-b",
            "https://gw.example.com/mcp/a-b ",
            " https://gw.example.com/mcp/a-b",
            "https://gw.example.com/mcp%2Fa-b",
            "https://gw.example.com/mcp/a%2",
            "https://gw.example.com/mcp/a%zzb",
            "https://gw.example.com/mcp/\u{430}-b",
            "https://gw.example.com/mcp/a\n-b",
        ] {
            assert!(!same(other, ACTUAL), "{other}");
        }
        assert!(!same("https://h/a%2Fb", "https://h/a/b"));
    }
}
