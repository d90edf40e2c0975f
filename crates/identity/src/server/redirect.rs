//! Where codes may go.

use url::{Host, Url};

/// No redirect URI of a client that means well is longer.
const REDIRECT_BYTES_MAX: usize = 2048;

/// Whether a redirect URI may be registered at all: `https`, loopback `http`, or a scheme of an
/// app's own with a dot in it (RFC 8252 section 7.1); without fragment, user and wildcards.
pub(super) fn is_acceptable(uri: &str) -> bool {
    if uri.len() > REDIRECT_BYTES_MAX || uri.contains('*') || uri.contains('#') {
        return false;
    }
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        scheme => scheme.contains('.'),
    }
}

/// Whether `asked` is one of `registered`: the same text, but for the port of a loopback address
/// (RFC 8252 section 7.3).
pub(super) fn matches(registered: &[String], asked: &str) -> bool {
    is_acceptable(asked)
        && registered
            .iter()
            .any(|known| known == asked || same_but_port(known, asked))
}

/// Whether whoever listens on a port of the person's computer gets the code.
pub(super) fn leads_to_loopback(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
}

/// The host, or the scheme of an app: what a person is shown.
pub(super) fn shown(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) => match url.host_str() {
            Some(host) if matches!(url.scheme(), "http" | "https") => host.to_owned(),
            _ => format!("{}:", url.scheme()),
        },
        Err(_) => String::new(),
    }
}

/// The source expression by which a content security policy allows a form to end there.
pub(super) fn source(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let source = match url.origin().is_tuple() {
        true => url.origin().ascii_serialization(),
        false => format!("{}:", url.scheme()),
    };
    // What is not plain could add a directive of its own.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b":/.-[]+".contains(&b);
    source.bytes().all(plain).then_some(source)
}

/// The URI with parameters added to its query.
pub(super) fn with(uri: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.into())
}

fn same_but_port(known: &str, asked: &str) -> bool {
    let without_port = |uri: &str| {
        let mut url = Url::parse(uri).ok()?;
        let is_loopback = url.scheme() == "http" && is_loopback(&url);
        (is_loopback && url.set_port(None).is_ok()).then(|| url.to_string())
    };
    match (without_port(known), without_port(asked)) {
        (Some(known), Some(asked)) => known == asked,
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        let registered = [
            "http://127.0.0.1:9/callback".to_owned(),
            "http://localhost/cb".to_owned(),
            "https://app.example.com/cb?a=1".to_owned(),
            "com.example.app:/cb".to_owned(),
        ];
        for good in [
            "http://127.0.0.1:9/callback",
            "http://127.0.0.1:50123/callback",
            "http://localhost:1/cb",
            "https://app.example.com/cb?a=1",
            "com.example.app:/cb",
        ] {
            assert!(matches(&registered, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:9/callback/",
            "http://127.0.0.1:9/callback?x=1",
            "http://127.0.0.2:9/callback",
            "http://localhost:9/callback",
            "http://[::1]:9/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1@evil.example/callback",
            "https://127.0.0.1:9/callback",
            "https://app.example.com:8443/cb?a=1",
            "https://app.example.com/cb",
            "https://APP.example.com/cb?a=1",
            "https://app.example.com/cb?a=1#x",
            "com.example.app:/cb2",
        ] {
            assert!(!matches(&registered, bad), "{bad}");
        }
    }

    #[test]
    fn what_no_client_may_register() {
        for bad in [
            "http://app.example.com/cb",
            "https://user@app.example.com/cb",
            "https://*.example.com/cb",
            "https://app.example.com/cb#x",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "",
        ] {
            assert!(!is_acceptable(bad), "{bad}");
        }
    }

    #[test]
    fn parameters_are_added_to_those_that_are_there() {
        let url = with("https://a.example/cb?x=1", &[("code", "a b"), ("iss", "é")]);
        assert_eq!(
            url.as_deref(),
            Some("https://a.example/cb?x=1&code=a+b&iss=%C3%A9")
        );
    }

    #[test]
    fn a_source_never_adds_a_directive() {
        assert_eq!(
            source("http://127.0.0.1:91/cb").as_deref(),
            Some("http://127.0.0.1:91")
        );
        assert_eq!(
            source("com.example.app:/cb").as_deref(),
            Some("com.example.app:")
        );
        assert_eq!(source("nonsense"), None);
    }
}
