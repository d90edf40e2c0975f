//! The parts which the bench's three programs share.
//!
//! `bench-upstream` is the MCP server that is called, `bench-load` calls it (directly or through something) and
//! measures, `bench-run` starts everything, runs the rounds and prints the comparison. Nothing here is part of the
//! gateway, and nothing here depends on it: the gateway is measured from outside, as a process behind a socket.
//!
//! Entry points: [`session::Session`] speaks MCP over [`http::Connection`]; [`process::Tree`] reads what a process
//! costs; [`report`] is what the programs tell each other.

pub mod dpop;
pub mod http;
pub mod message;
pub mod process;
pub mod report;
pub mod session;
pub mod stats;
pub mod text;
pub mod tls;

/// The revision of the protocol without sessions; everything older opens a session with `initialize`.
pub const MODERN: &str = "2026-07-28";

/// The newest revision with sessions.
pub const LEGACY: &str = "2025-11-25";

/// The one tool of the upstream.
pub const TOOL: &str = "echo";
