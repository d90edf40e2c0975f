//! Refusals: what is wrong, where, and what to do next; as a problem document or as a page.

mod access;

use std::borrow::Cow;

use cardea_domain::{Code, Denial};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

pub(crate) use access::down;

use crate::reply::{self, Reply};

/// One refusal. The texts are lower case without full stop, and never say whether something
/// exists that the person may not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The stable code.
    pub(crate) code: &'static str,
    pub(crate) what: Cow<'static, str>,
    /// The field or parameter, where it is one.
    pub(crate) field: Option<Box<str>>,
    pub(crate) next: Cow<'static, str>,
    /// The page on which a person goes on, where there is one.
    pub(crate) page: Option<Box<str>>,
    /// The methods that there are, where this is not one.
    pub(crate) allow: Box<[&'static str]>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        what: impl Into<Cow<'static, str>>,
        next: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            what: what.into(),
            field: None,
            next: next.into(),
            page: None,
            allow: Box::default(),
        }
    }

    pub(crate) fn method(allow: Vec<&'static str>) -> Self {
        Self {
            next: format!("use {}", allow.join(" or ")).into(),
            allow: allow.into(),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "E_METHOD",
                "this is not a method of this address",
                "",
            )
        }
    }

    /// The one text for what is not there, what is another tenant's, and what is not for this
    /// person to see.
    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E_NOT_FOUND",
            "this does not exist, or you may not see it",
            "check the address, or ask whoever sent it to you",
        )
    }

    pub(crate) fn field(
        field: impl Into<Box<str>>,
        what: impl Into<Cow<'static, str>>,
        next: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(StatusCode::BAD_REQUEST, "E_FIELD_INVALID", what, next)
        }
    }

    pub(crate) fn role(next: &'static str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E_ROLE_MISSING",
            "you do not have the role that this needs",
            next,
        )
    }

    pub(crate) fn login_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "E_LOGIN_MISSING",
            "nobody is logged in",
            "log in at /console in this browser",
        )
    }

    pub(crate) fn login_old() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "E_LOGIN_OLD",
            "your login is too old to decide with",
            "log in again at /console/login",
        )
    }

    pub(crate) fn foreign() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E_FORM_FOREIGN",
            "this was not sent by a page that was shown to you here",
            "load the page again and repeat it there",
        )
    }

    /// A token that is not good here.
    pub(crate) fn token(denial: Denial) -> Self {
        let status = match denial.code {
            Code::ScopeInsufficient => StatusCode::FORBIDDEN,
            Code::Overloaded | Code::AuditUnavailable | Code::IssuerUnreachable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::UNAUTHORIZED,
        };
        let next = denial
            .help
            .unwrap_or("run `cardea login` with the address of the gateway".into());
        Self::new(status, denial.code.as_str(), denial.message, next)
    }

    pub(crate) fn two_logins() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "E_LOGIN_TWICE",
            "this carries cookies and a token, and it is not clear which counts",
            "send one of them",
        )
    }

    /// For what is never done by a program.
    pub(crate) fn person_needed(origin: &str, page: &str) -> Self {
        let page = format!("{origin}{page}");
        Self {
            page: Some(page.as_str().into()),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "E_PERSON_NEEDED",
                "a person has to do this on a page; a program with their login may not",
                format!("open {page}"),
            )
        }
    }

    /// For pages, which no program reads.
    pub(crate) fn browser_needed() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "E_PERSON_NEEDED",
            "this is for a person in a browser",
            "see /api/v1/openapi.json for what programs may use",
        )
    }

    /// For what was there a moment ago.
    pub(crate) fn ended() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "E_ENDED",
            "it has ended meanwhile",
            "load the page again to see how",
        )
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "E_UNAVAILABLE",
            "this cannot be remembered or recorded now, so it was not done",
            "try again in a moment",
        )
    }

    /// As a problem document.
    ///
    /// # Source
    /// RFC 9457 section 3.
    pub(crate) fn into_problem(self, path: &str) -> Reply {
        let mut document = json!({
            "type": format!("urn:cardea:problem:{}", self.code),
            "title": self.what,
            "status": self.status.as_u16(),
            "instance": path,
            "code": self.code,
            "next": self.next,
        });
        if let Some(document) = document.as_object_mut() {
            document.extend(self.field.map(|field| ("field".to_owned(), json!(field))));
            document.extend(self.page.map(|page| ("page".to_owned(), json!(page))));
        }
        let mut reply = reply::typed(
            self.status,
            "application/problem+json",
            document.to_string().into(),
        );
        match self.status {
            StatusCode::UNAUTHORIZED => {
                // RFC 9110 section 11.6.1 asks for one; a cookie is no scheme that is registered.
                let challenge = HeaderValue::from_static("Cookie realm=\"/console\"");
                reply
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                reply::set(&mut reply, header::ALLOW, &self.allow.join(", "));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let wait = HeaderValue::from_static("5");
                reply.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            _ => {}
        }
        reply
    }
}
