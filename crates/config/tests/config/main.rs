//! The configuration room from outside: files in, configurations or reports out.
//!
//! `accepted`: what files mean. `authorization`: the mistakes of that server. `mistakes`: what people are told about each kind of mistake, as
//! snapshots. `reports`: about many at once. `places`: that diagnostics point where they should. `secrets`: that nothing prints them.
//! `reference`: that the checked-in documentation is that of the code. `fuzz`: that nothing panics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a failed test is a panic"
)]

mod accepted;
mod authorization;
mod files;
mod fuzz;
mod mistakes;
mod places;
mod reference;
mod reports;
mod secrets;
