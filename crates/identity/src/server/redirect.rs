//! Where codes may go.

use url::{Host, Url};

/// No redirect URI of a client that means well is longer.
const REDIRECT_BYTES_MAX: usize = 2048;

/// Whether a redirect URI may be registered at all: `https`, loopback `http`, or a scheme of an
/// app's own with a dot in it (RFC 8252 section 7.1); without fragment, user and wildcards.
pub(super) fn is_acceptable(uri: &str) -> bool {
    let is_plain = uri.len() <= REDIRECT_BYTES_MAX && uri.bytes().all(is_of_uris);
    if !is_plain || uri.contains(['*', '#']) {
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

/// RFC 3986 appendix A. Parsers of URLs drop or mend other characters, each in its own way, so that
/// two of them could read two addresses.
fn is_of_uris(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
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
    match (without_port(known), without_port(asked)) {
        (Some(known), Some(asked)) => known == asked,
        _ => false,
    }
}

/// The host and what follows the port, as they are written; of loopback addresses only.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    // Other ways to write an address, such as `0x7f000001`, are matched as they are.
    let is_plain = |url: Url| is_loopback(&url) && url.host_str() == Some(host);
    Url::parse(uri).is_ok_and(is_plain).then_some((host, rest))
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
            // What a parser would read as the first.
            "http://127.0.0.1:9/x/../callback",
            "http://127.0.0.1:9/%2e/callback",
            "http://127.1:9/callback",
            "http://2130706433:9/callback",
            "http://0x7f000001:9/callback",
            "HTTP://127.0.0.1:9/callback",
            "http:/127.0.0.1:9/callback",
            "http://127.0.0.1:9/call\tback",
            "http://127.0.0.1:9\\callback",
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
            "https://app.example.com/c b",
            "https://app.example.com/cb\n",
            "https://app.example.com\\cb",
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

    proptest::proptest! {
        /// The model is what the specification says, on texts: one of the list, or one that differs
        /// in nothing but the port of `127.0.0.1`, `[::1]` or `localhost`.
        #[test]
        fn nothing_matches_but_the_same_text_and_another_loopback_port(
            host in "127\\.0\\.0\\.[12]|localhost|\\[::1\\]|app\\.example|0x7f000001",
            scheme in "https?", path in "/[a-c/.%2e]{0,6}", query in "(\\?[a-c=]{0,3})?",
            ports in ["(:[0-9]{0,5})?", "(:[0-9]{0,5})?"],
            noise in "(.|[\\\\@/:. \t\n]){0,2}", at in 0usize..40,
        ) {
            let [known, mut asked] = ports.map(|port| format!("{scheme}://{host}{port}{path}{query}"));
            if at <= asked.len() && asked.is_char_boundary(at) {
                asked.insert_str(at, &noise);
            }
            let plain = |uri: &str| {
                let rest = uri.strip_prefix("http://")?.to_owned();
                let host = ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"]
                    .into_iter().find(|host| rest.starts_with(host))?;
                let rest = &rest[host.len()..];
                let after = rest.strip_prefix(':').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
                let ends = after.is_empty() || after.starts_with(['/', '?']);
                ends.then(|| (host, after.to_owned()))
            };
            let may = known == asked || (plain(&known).is_some() && plain(&known) == plain(&asked));
            let does = matches(std::slice::from_ref(&known), &asked);
            proptest::prop_assert!(!does || may, "{known:?} {asked:?}");
            if noise.is_empty() && host != "0x7f000001" && is_acceptable(&known) && is_acceptable(&asked) {
                proptest::prop_assert_eq!(does, may, "{:?} {:?}", known, asked);
            }
        }

        #[test]
        fn no_text_is_too_odd_to_look_at(uri in "\\PC{0,60}", known in "\\PC{0,60}") {
            let _ = (shown(&uri), source(&uri), with(&uri, &[("a", "b")]), leads_to_loopback(&uri));
            proptest::prop_assert!(!matches(std::slice::from_ref(&known), &uri) || is_acceptable(&uri));
        }
    }
}
