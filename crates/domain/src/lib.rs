//! The words of the project as types: identifiers, principals, targets, denials, time.
//!
//! What it is: the vocabulary that every room shares, parsed at the edge and immutable after.
//! What it is not: no I/O, no policy, no protocol. A value of these types says *what* was asked
//! by *whom*; whether it may happen is decided in other rooms, whose proofs cannot be made here.
//!
//! Entry points: [`Principal`], [`Target`], [`Denial`], [`Clock`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed test is a panic"))]

mod address;
mod binding;
mod clock;
mod denial;
mod destination;
mod id;
mod principal;
mod ruling;
mod target;
pub mod text;

pub use address::is_public;
pub use binding::{KeyBinding, Thumbprint};
pub use clock::Clock;
pub use denial::{Code, Denial, Side};
pub use destination::{Destination, InvalidDestination};
pub use id::{
    ActorId, CallId, EntitlementId, GrantId, InvalidId, LockId, PromptName, RequestId, ResourceUri,
    RunId, SubjectId, TenantId, ToolName, UpstreamId,
};
pub use principal::{Principal, RunSource, Standing};
pub use ruling::{AskedBy, Recent, Rule, Ruling};
pub use target::{Action, Target};
