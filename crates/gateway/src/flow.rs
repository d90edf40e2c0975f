//! Flow control on the way of a call: what its run has seen, held against its arguments.
//!
//! What it is: the data plane's side of `cardea-flow`. It finds the run, learns every message that an upstream sends before that is
//! released, and hands the facts to the policies.
//! What it is not: no decision. Policies say which facts need somebody's approval; grants for one call give it.

mod call;
mod kept;
mod name;
mod runs;
mod said;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cardea_domain::{ActorId, UpstreamId};
use cardea_flow::Labels;

pub use self::runs::Runs;
pub(crate) use self::{
    call::{FlowCall, context},
    name::Begun,
};

/// Flow control of one tenant, as one world sees it.
#[derive(Debug, Clone)]
pub struct TenantFlow {
    /// What administrators have said of tools, by upstream and name.
    pub labels: HashMap<UpstreamId, HashMap<String, Labels>>,
    /// Agents whose hosts say which run a call belongs to, and what the person asked for.
    pub trusted_hosts: BTreeSet<ActorId>,
    /// What runs have seen; the same value in every world.
    pub runs: Arc<Runs>,
}

impl TenantFlow {
    /// The labels of a tool, or of a method of the protocol, where an administrator has given any.
    pub(crate) fn labelled(&self, upstream: &UpstreamId, name: &str) -> Option<Labels> {
        self.labels.get(upstream)?.get(name).copied()
    }
}
