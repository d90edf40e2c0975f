//! The protocol: JSON spans, envelope, methods, versions, headers, server-sent events.
//!
//! What it is: the wire rules of MCP in both eras, as far as a gateway must know them. A message
//! is checked once, from the first byte to the last, and keeps its bytes: members are spans into
//! the text that arrived, so what was checked is what is forwarded, and members that nobody here
//! knows survive byte for byte.
//! What it is not: no I/O, no decisions, no typed model of the whole protocol.
//!
//! Entry points: [`Message`], [`method::lookup`], [`sse::Parser`], [`header`].

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

pub mod canonical;
pub mod header;
pub mod json;
pub mod list;
mod message;
pub mod method;
pub mod param_header;
pub mod params;
pub mod reply;
pub mod sse;
mod version;

pub use json::{JsonError, Limits};
pub use message::{Id, Kind, Message, MessageError};
pub use version::{Era, Version};

/// `_meta` keys of the protocol and of this project.
pub mod meta {
    /// The protocol version of a modern request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// The capabilities that the client declares with a modern request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who the client says it is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The `subscriptions/listen` request that a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// The key by which progress notifications name their request.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// The run, as the host names it.
    pub const RUN: &str = "dev.cardea/run";
    /// Who calls and what, signed by the gateway for the upstream; never a client's.
    pub const IDENTITY: &str = "dev.cardea/identity";
    /// What has to be granted first, and where; only ever the gateway's.
    pub const ACCESS: &str = "dev.cardea/access";
    /// Why a call is made, in the words of the model or the host.
    pub const REASON: &str = "dev.cardea/reason";
    /// What the person asked for, as a trusted host says.
    pub const REQUEST: &str = "dev.cardea/request";
    /// The model, as the host names it.
    pub const MODEL: &str = "dev.cardea/model";
}
