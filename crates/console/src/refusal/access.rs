//! The access room's refusals in the console's words: one place for status, code and next step.

use std::borrow::Cow;

use cardea_access::{AskRefused, ChangeError, DecideRefused};
use http::StatusCode;

use super::Refusal;

impl From<DecideRefused> for Refusal {
    fn from(refused: DecideRefused) -> Self {
        use DecideRefused as D;
        let (status, code) = match &refused {
            D::Unknown => return Self::not_found(),
            D::NotPending(_) | D::GrantEnded => (StatusCode::CONFLICT, "E_NOT_PENDING"),
            D::Twice => (StatusCode::CONFLICT, "E_DECIDED_TWICE"),
            D::NotCovered => (StatusCode::CONFLICT, "E_NOT_COVERED"),
            D::NotAPerson | D::NotAnApprover => (StatusCode::FORBIDDEN, "E_NOT_APPROVER"),
            D::JustificationMissing => (StatusCode::CONFLICT, "E_JUSTIFICATION_MISSING"),
            D::Locked(_) => (StatusCode::FORBIDDEN, "E_LOCKED"),
            D::OwnRequest => (StatusCode::FORBIDDEN, "E_SECOND_PERSON"),
            D::Widens(_) | D::Constraint(_) | D::Arguments(_) => {
                (StatusCode::BAD_REQUEST, "E_NARROWING_INVALID")
            }
            D::ReasonLong(_) => (StatusCode::BAD_REQUEST, "E_FIELD_INVALID"),
            D::Store(_) | D::Journal(_) => return unavailable(&refused),
            _ => (StatusCode::CONFLICT, "E_REFUSED"),
        };
        said(status, code, &refused)
    }
}

impl From<AskRefused> for Refusal {
    fn from(refused: AskRefused) -> Self {
        use AskRefused as A;
        let (status, code) = match &refused {
            // The text is that of things that do not exist.
            A::NotCovered => (StatusCode::NOT_FOUND, "E_NOT_FOUND"),
            A::Forbidden(_) => (StatusCode::FORBIDDEN, "E_FORBIDDEN"),
            A::Locked(_) => (StatusCode::FORBIDDEN, "E_LOCKED"),
            A::RunNeeded => (StatusCode::CONFLICT, "E_RUN_NEEDED"),
            A::Waiting { .. } | A::Held { .. } => (StatusCode::CONFLICT, "E_TOO_MANY"),
            A::TooFast { .. } => (StatusCode::TOO_MANY_REQUESTS, "E_TOO_FAST"),
            A::Store(_) | A::Journal(_) => return unavailable(&refused),
            _ => (StatusCode::BAD_REQUEST, "E_WISH_INVALID"),
        };
        said(status, code, &refused)
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let (status, code) = match &error {
            ChangeError::Unknown(_) => return Self::not_found(),
            ChangeError::JustifiedLate => (StatusCode::CONFLICT, "E_DECIDED_TWICE"),
            ChangeError::LocksFull { .. } => (StatusCode::CONFLICT, "E_TOO_MANY"),
            ChangeError::ReasonLong => (StatusCode::BAD_REQUEST, "E_FIELD_INVALID"),
            ChangeError::Store(_) | ChangeError::Journal(_) => return in_memory(&error),
            _ => (StatusCode::CONFLICT, "E_REFUSED"),
        };
        said(status, code, &error)
    }
}

/// The room's texts say what is wrong, and after the last semicolon what to do next.
fn said(status: StatusCode, code: &'static str, error: &dyn std::error::Error) -> Refusal {
    let text = error.to_string();
    let (what, next) = match text.rsplit_once("; ") {
        Some((what, next)) => (what.to_owned(), Cow::Owned(next.to_owned())),
        None => (
            text,
            Cow::Borrowed("look at the request and the entitlement again"),
        ),
    };
    Refusal::new(status, code, what, next)
}

/// The store cannot be asked.
pub(crate) fn down(error: impl std::error::Error) -> Refusal {
    unavailable(&error)
}

fn unavailable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "access cannot be changed or looked at");
    Refusal::unavailable()
}

/// What takes away is in force although it is not durable.
fn in_memory(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "access cannot be changed durably");
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "E_UNAVAILABLE",
        "this cannot be remembered or recorded now; what takes access away is in force until the gateway ends",
        "repeat it in a moment",
    )
}
