//! Records of every call: hash-chained, durable before effect and answer.
//!
//! What it is: an append-only log of JSON Lines in a folder of its own. Each record carries the
//! hash of the one before it, so that a changed, removed, added or moved record shows. Records are
//! committed in groups: one write and one fdatasync for all that came in meanwhile.
//! What it is not: no decision, no shipping elsewhere, and no proof against an end that was cut
//! off: a chain cannot show what came after its last link. Whoever keeps the last record's hash
//! elsewhere can ([`Report::last`]).
//!
//! The data's path:
//!
//! ```text
//! Entry -> append: body of a line -> queue -> writer: seq, prev, hash -> write, fdatasync
//!             |                                                              |
//!             Pending ------------------ durable().await <------------- Receipt, or Unavailable
//! ```
//!
//! The rule: an effect only after the [`Receipt`] of its intent, an answer only after the receipt
//! of its outcome. A receipt cannot be made anywhere else. When the disk refuses, the records of
//! that commit do not exist, those who wait for them are told, the next record tries again, and
//! the first that succeeds is preceded by an event that says what was refused.
//!
//! A gateway has several logs: its own, and one for each tenant ([`Partition`]). Each is a chain by
//! itself, with a writer's thread that sleeps while there is nothing to write.
//!
//! Entry points: [`Ledger`], [`Entry`], [`verify`], [`tail`], [`render`].
//!
//! # Files
//!
//! `audit-<number of the first record, 20 digits>.jsonl`, one record a line. The chain runs on
//! across files. `torn-<record number>-<n>` keeps what a crash left of a line; `lock` is held by
//! the gateway that writes.
//!
//! # Line
//!
//! `{"seq":12,"prev":"<hex>","time":"2026-11-23T10:00:00.123000Z","kind":"intent",…,"hash":"<hex>"}`
//!
//! - `seq` counts from 1 without gaps; `prev` is the `hash` of the line before, 64 zeros in the
//!   first; `hash` is the SHA-256 of the line's bytes before `,"hash":`.
//! - `kind` is `intent`, `outcome`, `denial` or `event`; an outcome has its intent's `call`.
//! - `tenant`, `subject`, `actor`, `run`, `run_source`, `binding`, `task`: who. `model`, `client`: as claimed.
//! - `arguments` is `{"bytes", "sha256"}` and, up to a bound, the arguments themselves as `json`:
//!   their line breaks are spaces there; the digest is over the bytes as they came. Text that is
//!   not JSON is kept as a string, in `text`; so are a `client` and an `id` that are not JSON or
//!   too long.
//! - `decision` is `{"effect", "policies", "epoch"}`, `denial` is `{"code", "message", "detail"}`,
//!   `response` is `{"outcome", "status", "bytes", "rpc_code", "is_error", "events", "hidden"}`.
//! - No line holds a control character (C0, DEL, C1), whatever a caller sent.
//!
//! # Verifying without Cardea
//!
//! ```python
#![doc = include_str!("../verify.py")]
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod batch;
mod chain;
mod disk;
mod entry;
mod health;
mod json;
mod ledger;
mod partition;
mod queue;
mod record;
mod recover;
mod render;
mod segment;
mod tail;
#[cfg(test)]
mod testing;
mod unavailable;
mod verify;
mod view;
mod writer;

pub use batch::{Pending, Receipt};
pub use chain::Fault;
pub use entry::{Access, Decision, Effect, Entry, Kind, Person, Response};
pub use health::{COMMIT_BUCKETS_US, Counters, Health};
pub use ledger::{Ledger, LedgerOptions, WeakLedger};
pub use partition::{Owner, Partition};
pub use recover::OpenError;
pub use render::render;
pub use tail::{Filter, Tail, tail};
pub use unavailable::Unavailable;
pub use verify::{Finding, Place, Report, What, verify};

/// What this crate's benches measure by itself; no part of the interface.
#[doc(hidden)]
pub mod parts {
    use crate::{Entry, chain::Tip, record};

    /// The body of a record's line.
    pub fn body(entry: &Entry<'_>, out: &mut Vec<u8>) {
        record::push_body(out, entry, 1_795_428_000_123_456, 4096);
    }

    /// The lines of one commit.
    pub fn lines(bodies: &[Vec<u8>], out: &mut Vec<u8>) {
        let mut tip = Tip::GENESIS;
        for body in bodies {
            tip.seal(body, out);
        }
    }
}
