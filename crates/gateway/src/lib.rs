//! The data plane: listener, both protocol eras, the way of a call, upstreams.
//!
//! What it is: the policy enforcement point. It composes the rooms and decides nothing itself.
//! What it is not: no policy, no token rules, no registry rules, no configuration files.
//!
//! # The way of a call
//! One direction, one type per station ([`way`]); a later type is made only from the one before
//! it and the proof of the room that is responsible:
//!
//! ```text
//! bytes -> Received -> Identified -> Resolved -> Validated -> Authorised -> Answered -> Filtered -> Recorded -> bytes
//!          transport   identity      registry    gateway      policy+audit  upstream    policy      audit
//! ```
//!
//! [`upstream::Upstream::send`] takes an `Authorised` and nothing else; the reply writer takes a
//! `Recorded` or, on a stream, `Released` messages, and nothing else. So "forwarded without being
//! authorised" and "released without being recorded" do not compile.
//!
//! # Threads
//! One single-threaded runtime per worker, each with its own listener on the same address
//! (`SO_REUSEPORT`) and its own upstream connections: a call stays on one core.

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

mod access;
mod admin;
mod answer;
mod asked;
mod authorization;
mod body;
mod budget;
mod call_id;
mod challenge;
mod confine;
mod console;
mod edge;
mod endpoint;
mod facts;
mod firewall;
mod flow;
mod held;
mod herald;
mod lent;
mod listener;
mod look;
mod metrics;
mod minutes;
mod moment;
mod owner;
mod peer;
mod pins;
mod protocol;
mod refusal;
mod relay;
mod results;
mod seal;
mod stall;
mod strangers;
mod streams;
mod survey;
mod tasks;
mod tenant;
mod tls;
mod trace;
pub mod upstream;
mod upstream_identity;
pub mod way;
mod whole;
mod world;

pub use access::{AccessJournal, EntitlementRules, PolicyBounds, TenantAccess};
pub use asked::Asked;
pub use authorization::LedgerJournal;
pub use budget::{Budget, Per};
pub use edge::{Bindings, Edge};
pub use firewall::{Firewall, Held};
pub use flow::{Runs, TenantFlow};
pub use herald::{Herald, NoticeWatch};
pub use listener::{ListenError, Listeners, Serving};
pub use look::look;
pub use metrics::Metrics;
pub use moment::moment;
pub use peer::TrustedProxies;
pub use seal::{SealError, Sealer};
pub use tenant::{Room, Tenant, TenantLimits};
pub use tls::{ClientAuthorities, Tls, TlsError, TlsFiles};
pub use trace::{SpanData, SpanSink, TraceContext};
pub use upstream::{Incident, Upstream, UpstreamError};
pub use upstream_identity::UpstreamIdentity;
pub use world::{Gateway, Limits, Parts, World};
