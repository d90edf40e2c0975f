//! Refusals in OAuth's words.

use std::borrow::Cow;

use cardea_store::StoreError;
use http::{StatusCode, header};
use serde_json::json;

use super::http::{Reply, json as json_reply, set};

/// A refusal with its code of RFC 6749, 7009, 7591 or 8628. The description is for developers of
/// clients; it never says whether a person, a tenant, a client or an upstream exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) description: Cow<'static, str>,
}

/// Something could not be recorded or remembered; whoever asked should ask again.
#[derive(Debug)]
pub struct JournalDown;

impl Refusal {
    pub(super) fn new(code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description: description.into(),
        }
    }

    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// RFC 6749 section 5.2: 401 for a client that cannot show who it is.
    pub(super) fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::new("invalid_client", description)
        }
    }

    pub(super) fn slow_down(description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..Self::new("temporarily_unavailable", description)
        }
    }

    pub(super) fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::new("temporarily_unavailable", "try again in a moment")
        }
    }

    /// As the JSON document of RFC 6749 section 5.2.
    pub(super) fn into_json(self) -> Reply {
        let document = json!({"error": self.code, "error_description": self.description});
        let mut reply = json_reply(self.status, &document);
        match self.status {
            StatusCode::UNAUTHORIZED => {
                set(
                    &mut reply,
                    header::WWW_AUTHENTICATE,
                    "Bearer error=\"invalid_client\"",
                );
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                set(&mut reply, header::RETRY_AFTER, "5");
            }
            _ => {}
        }
        reply
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be used");
        Self::unavailable()
    }
}

impl From<JournalDown> for Refusal {
    fn from(JournalDown: JournalDown) -> Self {
        Self::unavailable()
    }
}
