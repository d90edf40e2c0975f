//! What a request brings and what a reply takes along: parameters, headers, pages.

use std::{borrow::Cow, net::IpAddr};

use askama::Template;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
};
use serde_json::Value;
use url::form_urlencoded;

use super::error::Refusal;

/// One request, its body already read.
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// The query of a GET, the form of a POST.
    pub(super) params: Params,
    pub(super) body: Bytes,
    pub(super) peer: IpAddr,
}

/// Parameters, each at most once (RFC 6749 section 3.1).
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

/// No request here has more than about twenty.
const PARAMS_MAX: usize = 64;

impl Params {
    /// Reads `application/x-www-form-urlencoded`; a parameter without a value is none. What is not
    /// UTF-8, or has control characters in it, is nothing that RFC 6749 appendix A knows.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text).take(PARAMS_MAX + 1) {
            if !is_text(&name) || !is_text(&value) {
                return Err(Refusal::invalid_request("a parameter is not text in UTF-8"));
            }
            if params.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::invalid_request("a parameter is there twice"));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        if params.len() > PARAMS_MAX {
            return Err(Refusal::invalid_request("there are too many parameters"));
        }
        params.retain(|(_, value)| !value.is_empty());
        Ok(Self(params))
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.find(name)
            .ok_or_else(|| Refusal::invalid_request(format!("`{name}` is missing")))
    }
}

/// Whether it is of `UNICODECHARNOCRLF` (RFC 6749 appendix A), the widest of its grammars, and no
/// control character but a tab. The decoder writes U+FFFD where bytes are not UTF-8.
fn is_text(text: &str) -> bool {
    let mut chars = text.chars();
    chars.all(|c| c == '\t' || !(c.is_control() || c == char::REPLACEMENT_CHARACTER))
}

impl Ask {
    /// Takes a request apart. A GET's parameters are its query; a POST's are its form, never its
    /// query, which logs and histories keep.
    pub(super) fn read(head: Parts, body: Bytes, peer: IpAddr) -> Result<Self, Refusal> {
        let is_form = head
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .is_some_and(|v| {
                v.trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        let params = match head.method {
            Method::POST if is_form => Params::parse(&body)?,
            Method::POST => Params::default(),
            _ => Params::parse(head.uri.query().unwrap_or_default().as_bytes())?,
        };
        Ok(Self {
            path: head.uri.path().to_owned(),
            method: head.method,
            headers: head.headers,
            params,
            body,
            peer,
        })
    }

    /// Whether a page of another site made the browser send this (Fetch Metadata).
    pub(super) fn is_cross_site(&self) -> bool {
        let site = self
            .headers
            .get("sec-fetch-site")
            .map(HeaderValue::as_bytes);
        !matches!(site, None | Some(b"same-origin" | b"none"))
    }
}

/// A reply whose body nobody may keep.
pub(super) type Reply = Response<Bytes>;

/// A JSON document. Any web page may read it: nothing here looks at cookies.
pub(super) fn json(status: StatusCode, document: &Value) -> Reply {
    let mut reply = typed(status, "application/json", document.to_string());
    set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(&mut reply, header::PRAGMA, "no-cache");
    reply
}

/// A page, which no other page may frame and whose forms lead only here or to `form_target`.
pub(super) fn page(status: StatusCode, page: &impl Template, form_target: Option<&str>) -> Reply {
    let Ok(text) = page.render() else {
        return typed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain; charset=utf-8",
            "the page cannot be shown\n".to_owned(),
        );
    };
    let mut reply = typed(status, "text/html; charset=utf-8", text);
    // Browsers apply `form-action` to where a submitted form is redirected, too.
    let target = form_target.map_or(Cow::Borrowed(""), |t| Cow::Owned(format!(" {t}")));
    let policy = format!(
        "default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'self'{target}"
    );
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &policy);
    set(&mut reply, header::X_FRAME_OPTIONS, "DENY");
    set(&mut reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    reply
}

/// Sends a browser elsewhere; after a form it asks with GET.
pub(super) fn see_other(location: &str) -> Reply {
    let mut reply = typed(StatusCode::SEE_OTHER, "text/plain", String::new());
    set(&mut reply, header::LOCATION, location);
    set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    reply
}

/// An empty reply.
pub(super) fn empty(status: StatusCode) -> Reply {
    typed(status, "text/plain", String::new())
}

pub(super) fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

fn typed(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Bytes::from(text));
    *reply.status_mut() = status;
    set(&mut reply, header::CONTENT_TYPE, kind);
    set(&mut reply, header::CACHE_CONTROL, "no-store");
    reply
}

/// The SHA-256 of the one style sheet in `templates/base.html`, as CSP names it.
const STYLE_HASH: &str = "sha256-CB9jfYS8Qwbz70rDlulgJGq2uhYDd5RG7JXNbT8OlbA=";

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn the_policy_names_the_style_sheet_that_pages_have() {
        let base = include_str!("../../templates/base.html");
        let (_, rest) = base.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        assert_eq!(STYLE_HASH, format!("sha256-{}", STANDARD.encode(hash)));
    }

    #[test]
    fn a_parameter_that_is_there_twice_is_refused_and_an_empty_one_is_none() {
        assert!(Params::parse(b"a=1&a=2").is_err());
        assert!(Params::parse(b"resource=x&resource=x").is_err());
        let params = Params::parse(b"a=&b=2+%26").unwrap();
        assert_eq!(params.find("a"), None);
        assert_eq!(params.find("b"), Some("2 &"));
        let many: String = (0..65).map(|n| format!("p{n}=1&")).collect();
        assert!(Params::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn a_parameter_is_text() {
        for bad in [
            "a=%ff",
            "%ff=a",
            "a=b%00",
            "a=b%0d%0ac",
            "a=%c2%85",
            "a=%ed%a0%80",
        ] {
            assert!(Params::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Params::parse("a=%C3%A9%F0%9F%A6%80%09".as_bytes()).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_parameters_or_none(bytes: Vec<u8>) {
            let _ = Params::parse(&bytes);
        }

        /// What a correct client sends arrives, unless it says something twice.
        #[test]
        fn what_was_written_is_read(pairs in proptest::collection::vec(("[a-z%&= +é]{0,4}", "\\PC{0,12}"), 0..8)) {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            let is_twice = names.windows(2).any(|two| two[0] == two[1]);
            let is_text = pairs.iter().all(|(_, value)| is_text(value));
            match Params::parse(text.as_bytes()) {
                Ok(params) => {
                    proptest::prop_assert!(!is_twice && is_text);
                    for (name, value) in &pairs {
                        let expected = Some(value.as_str()).filter(|value| !value.is_empty());
                        proptest::prop_assert_eq!(params.find(name), expected);
                    }
                }
                Err(_) => proptest::prop_assert!(is_twice || !is_text),
            }
        }
    }
}
