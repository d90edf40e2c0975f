//! Cedar: what a principal may do. The policy decision point.
//!
//! What it is: policy files are compiled once, validated strictly, and asked for each call.
//! Default deny; `forbid` always wins; an evaluation error denies (Cedar itself skips a policy
//! that errors, so a `forbid` that errors would not fire).
//! What it is not: no grants, no I/O: texts come in, decisions go out.
//!
//! Policies read the arguments of calls by types that are made from the tools' schemas ([`Arguments`]), and are validated
//! for every tool that they can be about.
//!
//! Rules that decide about requests for access by themselves are policies of another schema: [`ApprovalPolicies`].
//!
//! Each tenant has a set of its own: the [`Shared`] policies and those of the tenant.
//!
//! The data's path: files -> [`Shared::compile`] -> [`Shared::with_own`] (or every [`Finding`]) -> [`Policies::decide`]
//! with a [`Question`] -> [`Permit`] or a denial. A [`Permit`] cannot be made anywhere else. [`Policies::approval`] tells whether
//! what is permitted, or granted for a time, needs somebody's approval for this one call.

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

mod approval;
mod arguments;
mod compile;
mod decide;
mod digest;
mod entities;
mod explain;
mod flow;
mod held;
mod pack;
mod question;
mod reads;
mod residual;
mod rules;
mod schema;
mod time;
mod typed;

pub use approval::{ApprovalPolicies, Wish};
pub use arguments::{Arguments, Given};
pub use compile::{Finding, KnownNames, PolicyFile, Shared};
pub use decide::{Permit, Policies, Refusal};
pub use explain::{Considered, Explanation, Outcome, Said, StandingPermit};
pub use flow::Flow;
pub use pack::{PACKS, Pack};
pub use question::{Caller, Question};
pub use residual::Outlook;
pub use schema::{arguments_text, text_of};
pub use time::Moment;
pub use typed::Tools;
