//! Just-in-time access: an agent has no standing access; it may ask for what an entitlement covers;
//! people, or a rule that a person wrote, decide; a grant is as wide and as long as the need, and
//! ends by itself or at once.
//!
//! What it is: entitlements, requests, approvals, grants and locks of one tenant, decided in memory
//! and kept in the store. What it is not: policies, which are asked besides; nor pages, nor anything
//! of the protocol.
//!
//! The data's path: [`Access::ask`] makes a request under one of the [`Entitlements`], about which
//! [`Rules`] may decide at once;
//! [`Access::decide`] counts what people say, stage after stage, and the last yes makes a grant;
//! [`Access::admit`] finds the grant for a call, [`Access::consume`] counts it, and [`Granted`] says
//! when the call has to be cut. [`Access::locked`] comes before all of it.
//!
//! What decides is pure and has neither clock nor store: `ask`, `decision`, `live`, `terms`.
//! [`Access`] composes it with both.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod access;
mod admission;
mod ask;
mod by;
mod change;
mod codec;
mod constraint;
mod cover;
mod decision;
mod entitlement;
mod grant;
mod index;
mod journal;
mod live;
mod lock;
mod owners;
mod pattern;
mod pending;
mod request;
mod rules;
mod scope;
mod terms;

pub use access::{
    Access, ChangeError, Filter, Holder, NewLock, Onlooker, PENDING_MAX, PENDING_PER_AGENT_MAX,
    Page, ROWS_MAX, STALENESS_MAX,
};
pub use admission::{AccessError, Admission, Granted, NotGranted, Wanted};
pub use ask::{ARGUMENTS_BYTES_MAX, AskRefused, LABEL_CHARS_MAX, REASON_CHARS_MAX, REQUEST_LIFE};
pub use by::By;
pub use change::{Change, Counts};
pub use constraint::{
    ArgumentsError, Constraint, ConstraintError, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX,
    arguments_digest,
};
pub use decision::{Approver, DecideRefused, Decision};
pub use entitlement::{
    BoundTo, Entitlement, EntitlementError, Entitlements, Justification, Need, Requesters,
    Resource, ResourceKind, Stage,
};
pub use grant::{EndReason, Grant};
pub use journal::{Event, Journal, JournalDown};
pub use lock::Lock;
pub use owners::Owners;
pub use pattern::{PATTERN_BYTES_MAX, PATTERN_STARS_MAX, Pattern, PatternError};
pub use request::{
    AccessRequest, Approval, Asker, Author, DecidedBy, Moment, NewRequest, Owned, Reason,
    RequestState, Verdict,
};
pub use rules::{Ahead, Asked, Bounds, History, Rules};
pub use scope::Scope;
pub use terms::{Kind, Narrowing, RATE_CALLS_MAX, Rate, Terms, WouldWiden};
