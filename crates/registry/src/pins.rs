//! What was approved of one server, as decisions look at it: in memory, replaced as a whole.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;

use crate::definition::DefinitionKind;

/// How far a server's definitions need somebody's approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PinRule {
    /// Each, before anybody sees or calls it.
    #[default]
    Approve,
    /// What the server shows when the gateway first looks at it is approved by that; whatever is new or changed
    /// after it needs approval.
    First,
    /// None: what the server lists is taken.
    Off,
}

/// How a definition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server shows it as it was approved.
    Approved,
    /// It is not known how the server shows it now.
    Unseen,
    /// Nobody has approved what the server shows.
    Quarantined,
}

/// The pins of one server of one tenant, shared by every world.
#[derive(Debug, Default)]
pub struct Pins(ArcSwap<PinSet>);

/// One state of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct PinSet {
    /// The approved digest of each name.
    pub(crate) approved: BTreeMap<DefinitionKind, HashMap<String, [u8; 32]>>,
    /// The digest of what waits, or was rejected, under each name.
    pub(crate) quarantined: BTreeMap<DefinitionKind, HashMap<String, Option<[u8; 32]>>>,
    /// Whether the gateway has looked at the server as a whole.
    pub(crate) is_surveyed: bool,
    /// When the server that was added under the name, and is approved, was added.
    pub(crate) added_ms: Option<u64>,
}

impl Pins {
    /// The approved digest under a name.
    #[must_use]
    pub fn approved(&self, kind: DefinitionKind, name: &str) -> Option<[u8; 32]> {
        self.0.load().approved.get(&kind)?.get(name).copied()
    }

    /// Whether this definition is in quarantine already.
    #[must_use]
    pub fn holds(&self, kind: DefinitionKind, name: &str, digest: Option<[u8; 32]>) -> bool {
        let set = self.0.load();
        let held = set.quarantined.get(&kind).and_then(|all| all.get(name));
        held == Some(&digest)
    }

    /// Whether the gateway has looked at the server as a whole.
    #[must_use]
    pub fn is_surveyed(&self) -> bool {
        self.0.load().is_surveyed
    }

    /// When the server that was added under the name, and is approved, was added (milliseconds since the Unix epoch).
    #[must_use]
    pub fn added_ms(&self) -> Option<u64> {
        self.0.load().added_ms
    }

    pub(crate) fn replace(&self, set: PinSet) {
        self.0.store(Arc::new(set));
    }

    pub(crate) fn set(&self) -> Arc<PinSet> {
        self.0.load_full()
    }
}
