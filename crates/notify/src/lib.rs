//! Tells people elsewhere what happens to access: who is asked to decide, what was decided, what ended.
//!
//! What it is: notices, their form as a signed webhook, a Slack message or a Teams card, and a sink for each receiver
//! with a bounded queue and bounded tries. What it is not: no decision and no way to make one. A notice leads to a page
//! behind a login; what comes back from a receiver is a status and nothing else.
//!
//! The data's path: [`Notice`] -> [`Sink::offer`], which never waits -> the sink's task, which tries until the
//! receiver has it, and tells the [`Watcher`] what became of it.
//!
//! Texts in a notice are of strangers: models, clients, servers. Each form writes them as text that nothing reads as
//! markup (`text.rs`).

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

mod form;
mod notice;
mod pace;
mod post;
mod sign;
mod sink;
mod text;

pub use notice::{Kind, Notice, Said, Topic, Words};
pub use pace::Pace;
pub use sign::{SECRET_BYTES_MIN, SecretError, SigningSecret};
pub use sink::{End, Receiver, Sink, SinkSettings, Watcher};
