//! The cookies that browsers get, by how the gateway is reached.
//!
//! They are of the `__Host-` kind: this host's alone, over TLS alone. On loopback without TLS
//! Chromium takes such cookies and Safari drops them; there the prefix and `Secure` are left out.
//! Nothing is lost by it: cookies do not tell ports apart, so on loopback other programs of the
//! same computer can see and replace either kind. Plain HTTP elsewhere gets the `__Host-` kind,
//! which no browser takes: nobody can log in over a network that way.

use http::{HeaderMap, HeaderValue, header};

use super::{http::Reply, redirect};

/// A cookie of the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Names a login session.
    Session,
    /// The browser's own secret, which ties forms to it before anybody has logged in.
    Browser,
}

/// The kind of cookies that browsers take at an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookies {
    /// `__Host-` and `Secure` (RFC 6265bis section 4.1.3.2).
    HostOverTls,
    /// Neither, for loopback without TLS.
    Plain,
}

impl Cookies {
    /// Those of an origin such as `https://gw.example.com`.
    pub(super) fn at(origin: &str) -> Self {
        match redirect::leads_to_loopback(origin) {
            true => Self::Plain,
            false => Self::HostOverTls,
        }
    }

    /// The value of a cookie. Of two with one name neither is trusted.
    pub(super) fn find(self, headers: &HeaderMap, of: Cookie) -> Option<&str> {
        let name = self.name(of);
        let mut found = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(known, _)| *known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Puts a cookie on a reply: this host's alone and unseen by scripts; 0 seconds take it away.
    pub(super) fn set(self, reply: &mut Reply, of: Cookie, value: &str, max_age_s: u64) {
        let name = self.name(of);
        let secure = match self {
            Self::HostOverTls => "; Secure",
            Self::Plain => "",
        };
        let cookie =
            format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax; Max-Age={max_age_s}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            reply.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    pub(super) fn name(self, of: Cookie) -> &'static str {
        match (self, of) {
            (Self::HostOverTls, Cookie::Session) => "__Host-cardea-session",
            (Self::HostOverTls, Cookie::Browser) => "__Host-cardea-browser",
            (Self::Plain, Cookie::Session) => "cardea-session",
            (Self::Plain, Cookie::Browser) => "cardea-browser",
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn headers(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())])
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_none() {
        let find = |line: &str| {
            let headers = headers(line);
            let found = Cookies::Plain.find(&headers, Cookie::Session);
            found.map(str::to_owned)
        };
        assert_eq!(find("a=1; cardea-session=2").as_deref(), Some("2"));
        assert_eq!(find("cardea-session=1; cardea-session=2"), None);
        assert_eq!(find("xcardea-session=1"), None);
    }

    #[test]
    fn a_cookie_of_one_kind_is_not_one_of_the_other() {
        let plain = headers("cardea-session=1");
        assert_eq!(Cookies::HostOverTls.find(&plain, Cookie::Session), None);
        let host = headers("__Host-cardea-session=1");
        assert_eq!(Cookies::Plain.find(&host, Cookie::Session), None);
    }

    #[test]
    fn only_on_loopback_without_tls_a_cookie_goes_without_its_prefix() {
        let set = |origin: &str| {
            let mut reply = Reply::new(Bytes::new());
            Cookies::at(origin).set(&mut reply, Cookie::Session, "v", 9);
            let cookie = reply.headers()[header::SET_COOKIE].to_str().unwrap();
            cookie.to_owned()
        };
        let rest = "HttpOnly; SameSite=Lax; Max-Age=9";
        for origin in [
            "https://gw.example.com",
            "https://127.0.0.1:8808",
            "http://gw.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com:8808",
        ] {
            let expected = format!("__Host-cardea-session=v; Path=/; Secure; {rest}");
            assert_eq!(set(origin), expected, "{origin}");
        }
        for origin in [
            "http://127.0.0.1:8808",
            "http://[::1]:8808",
            "http://localhost",
        ] {
            let expected = format!("cardea-session=v; Path=/; {rest}");
            assert_eq!(set(origin), expected, "{origin}");
        }
    }
}
