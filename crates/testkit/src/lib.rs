//! What tests need around the gateway: servers behind it, a client's way to it, and the gateway itself as a child.
//!
//! Nothing here ships. Expectations that fail stop the test, so this crate may unwrap and panic (see its lint table).
//!
//! - [`conformance_upstream`]: an MCP server with every tool, resource and prompt the MCP conformance suite asks for.
//! - [`shim`]: a reverse proxy that adds a bearer token, for clients that cannot send one.
//! - [`cardea`]: the gateway binary as a child with its own configuration folder.
//! - [`hostile`]: an HTTP server whose every byte is scripted.
//! - [`rmcp_client`]: rmcp's client, driven through one session.
//! - [`suite`]: runs the conformance suite and counts its checks.
//! - [`echo`]: a small scripted MCP server that remembers what it saw.
//! - [`identity_provider`]: discovery, keys and tokens, right ones and wrong ones.
//! - [`dpop`]: proofs of possession, right ones and wrong ones.
//! - [`certificates`]: authorities, and certificates of servers and clients.
//! - [`tls_client`]: connections that stay open, with or without a certificate.
//! - [`authority`]: an authorization server that asks nobody and remembers everything.
//! - [`document_host`]: documents over TLS, whole, moved, endless or missing.
//! - [`http_client`]: requests of any kind, right or wrong.
//! - [`wait`]: looking again until something has happened.

pub mod authority;
pub mod cardea;
pub mod certificates;
pub mod conformance_upstream;
pub mod document_host;
pub mod dpop;
pub mod echo;
pub mod hostile;
pub mod http_client;
pub mod identity_provider;
mod listen;
pub mod ports;
pub mod rmcp_client;
pub mod shim;
pub mod suite;
pub mod tls_client;
pub mod tls_front;
pub mod wait;
