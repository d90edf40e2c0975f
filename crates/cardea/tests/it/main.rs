//! The gateway as its users and its attackers see it: the real binary, real sockets, real files.
//!
//! | module | what it shows |
//! |---|---|
//! | `table` | every method x every kind of token, with status, error and record |
//! | `tokens` | tokens that must not be accepted, against real and made-up issuers |
//! | `binding` | tokens bound to keys: DPoP, client certificates, proxies, tenants that demand them |
//! | `access` | what may be asked for: lists, refusals that say where, the gateway's own tools |
//! | `authorization` | first account, login, consent, tokens, and what revoking one ends |
//! | `arguments` | policies that read arguments, and tools that change under them |
//! | `firewall` | arguments and results against schemas and constraints |
//! | `registry` | only known tools: what is new or changed waits for approval |
//! | `reload` | new configuration and policies while calls go on |
//! | `command_line` | `check`, `token`, `audit`, `schema` |
//! | `operation` | health, metrics, traces, drain |
//! | `protocol` | bytes survive, lists are filtered, streams resume, limits hold |
//! | `flow` | what was read does not steer what is done, until somebody has approved exactly that |
//! | `hostile` | broken, slow and malicious upstreams cost only their own calls |
//! | `stdio` | child processes: crash, restart, clean-up, isolation |
//! | `sandbox` | attacks from within the box of a stdio server, each wall by itself |
//! | `disk` | when the log cannot be written, calls are refused |
//! | `departures` | clients that leave at any moment: every intent has its outcome |
//! | `kill` | `kill -9` under load: the log verifies, every effect has its intent |
//! | `tenants` | what one tenant sees does not depend on another |
//! | `clients` | real clients of other people |
//! | `upstream_identity` | who calls, signed for the server, and verified by the examples of the guide |
//! | `tenant_tools` | tools that serve several tenants: arguments and results are the caller's own |
//! | `connect` | the client's side: logging in, and the server that hosts launch |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable,
    clippy::panic,
    reason = "a failed test is a panic"
)]

mod access;
mod arguments;
mod authorization;
mod binding;
mod budgets;
mod clients;
mod command_line;
mod connect;
mod departures;
mod disk;
mod firewall;
mod flow;
mod hostile;
mod kill;
mod operation;
mod protocol;
mod registry;
mod reload;
mod sandbox;
mod stdio;
#[allow(dead_code, unused_imports, reason = "not every module uses everything")]
mod support;
mod table;
mod tenant_tools;
mod tenants;
mod tokens;
mod upstream_identity;
