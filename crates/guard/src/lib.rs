//! Checks of content: what the arguments of a call and its result may hold.
//!
//! What it is: pure functions over the bytes of checked messages. Rules and a message go in; a
//! message with some spans replaced, or the reason for a refusal, comes out.
//! What it is not: no I/O, no policy, no wire. When a check applies and what a refusal looks like
//! is for the gateway.
//!
//! Entry points: [`schema::Schema`], [`constraint::Constraints`], [`tenant::Rules`], [`tenant::Guard`],
//! [`output::check`], [`roots::filter`], [`elicitation::secret_asked_for`].

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

pub mod constraint;
pub mod elicitation;
pub mod output;
pub mod roots;
pub mod schema;
mod skeleton;
pub mod tenant;
