//! Flow control: values that came from untrusted content do not steer dangerous calls unseen.
//!
//! What it is: [`Labels`] say what a tool's results are and what its calls can do. A [`Run`] gathers what the results
//! of one task held: a bounded index of keyed hashes, never the content. Before a call, [`Run::facts`] tells where its
//! arguments came from, and whether anybody asked for this kind of action.
//! What it is not: no decision. Policies read the [`Facts`]; people approve. No I/O, no clock, no identity.
//!
//! The data's path: a result -> `records` (typed fields apart from free text) -> `text` (words, values, what it asks for)
//! -> `memory`; a call's arguments and the declared [`Request`] -> `check` -> [`Facts`].
//!
//! What no index can see: a value that the model has rewritten beyond what [`normal`] undoes, numbers that
//! are amounts, and a word that stands alone. A declared request closes the first of these gaps: then an address that nobody has
//! named is noticed as such.

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

mod action;
mod arguments;
mod check;
mod facts;
mod index;
mod label;
mod memory;
mod normal;
mod records;
mod request;
mod run;
mod suggest;
mod text;
mod value;

pub use facts::{Facts, Finding, Origin};
pub use index::ENTRIES_MAX;
pub use label::{Labels, UnknownLabel};
pub use normal::normal;
pub use request::Request;
pub use run::{Call, Run};
pub use suggest::suggest;
