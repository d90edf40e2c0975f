//! The client's side: logging in, and a stdio server that hosts launch.
//!
//! What it is: the OAuth client that MCP asks for (discovery, registration, authorization code
//! with PKCE, device grant, the unattended grants, sender-constrained tokens), a folder where one
//! person's logins lie, and a bridge from stdio to Streamable HTTP in both eras that uses them.
//! What it is not: it decides nothing about calls and reads no gateway configuration; it works
//! with any MCP server that follows the authorization specification, and [`Api`] with the API of a
//! Cardea gateway.
//!
//! The data's path: a line from the host is checked ([`cardea_mcp::Message`]) and sent as the
//! bytes that were checked, with the headers its era asks for and a token of [`Credentials`];
//! what comes back is checked and written as one line.
//!
//! Entry points: [`Settings`], [`Credentials`], [`Bridge`], [`Api`], [`Store`].

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

mod address;
mod api;
mod bridge;
mod browser;
mod challenge;
mod client;
mod credentials;
mod device;
mod discovery;
mod dpop;
mod error;
mod form;
mod http;
mod jws;
mod login;
mod loopback;
mod registration;
mod settings;
mod store;
mod token;
mod unattended;

pub use address::{api_url, server_url};
pub use api::{Answer, Api};
pub use bridge::Bridge;
pub use client::Secret;
pub use credentials::Credentials;
pub use error::ConnectError;
pub use jws::SigningKey;
pub use login::Outcome;
pub use settings::Settings;
pub use store::Store;
pub use unattended::{Enterprise, Grant};
