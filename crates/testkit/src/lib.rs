//! What tests need around the gateway: servers behind it, a client's way to it, and the gateway itself as a child.
//!
//! Nothing here ships. Expectations that fail stop the test, so this crate may unwrap and panic (see its lint table).
//!
//! - [`conformance_upstream`]: an MCP server with every tool, resource and prompt the MCP conformance suite asks for.
//! - [`shim`]: a reverse proxy that adds a bearer token, for clients that cannot send one.
//! - [`cardea`]: the gateway binary as a child with its own configuration folder.
//! - [`suite`]: runs the conformance suite and counts its checks.

pub mod cardea;
pub mod conformance_upstream;
mod listen;
pub mod shim;
pub mod suite;
