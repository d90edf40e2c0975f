//! What people approved of servers' definitions, and what waits for them: the store's side.
//!
//! What it is: the one place where pins change. Each change is one transaction, with a note of it for the process that
//! writes the log; the running gateway takes notes of other processes over by [`Registrar::tend`].
//! What it is not: no decision about calls. These look at [`Pins`], which are in memory.

mod deciding;
mod seeing;
mod servers;
mod sharing;
#[cfg(test)]
mod tests;
mod view;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use cardea_domain::{Clock, TenantId, UpstreamId};
use cardea_store::{RegistryChange, RegistryNote, Store, StoreError};
use parking_lot::Mutex;
use thiserror::Error;

use crate::{
    definition::{DefinitionKind, digest_text},
    pins::{PinSet, Pins},
};

pub use deciding::{Choice, Decided};
pub use seeing::{Held, Sighting};
pub use servers::{
    AddedBox, AddedMode, AddedServer, ClientCertificate, Launch, Reference, ServerRecord, Source,
    changes_servers,
};
pub use sharing::Imported;
pub use view::{FailedLook, Pinned, Quarantined, State, View};

/// Pins of all tenants, with the store that they are kept in.
#[derive(Debug)]
pub struct Registrar {
    store: Store,
    clock: Clock,
    tenants: Mutex<HashMap<TenantId, HashMap<UpstreamId, Arc<Pins>>>>,
    /// One change at a time, so that memory follows the store in its order.
    turn: tokio::sync::Mutex<()>,
}

/// Why something could not be decided as asked.
#[derive(Debug, Error)]
pub enum RegistrarError {
    /// Nothing of this name waits.
    #[error("the {kind} `{name}` of `{upstream}` does not wait for approval")]
    NotWaiting {
        /// The server.
        upstream: UpstreamId,
        /// What it is.
        kind: DefinitionKind,
        /// Its name.
        name: String,
    },
    /// What waits is not what was looked at.
    #[error(
        "the {kind} `{name}` of `{upstream}` has changed since it was looked at: it is {now} now"
    )]
    Changed {
        /// The server.
        upstream: UpstreamId,
        /// What it is.
        kind: DefinitionKind,
        /// Its name.
        name: String,
        /// The digest of what waits now.
        now: String,
    },
    /// Two could read it differently, or it is too long: there is nothing that an approval could be bound to.
    #[error(
        "the {kind} `{name}` of `{upstream}` cannot be approved: its definition has no canonical form"
    )]
    Unreadable {
        /// The server.
        upstream: UpstreamId,
        /// What it is.
        kind: DefinitionKind,
        /// Its name.
        name: String,
    },
    /// Nothing of this name is approved.
    #[error("no {kind} `{name}` of `{upstream}` is approved")]
    NotApproved {
        /// The server.
        upstream: UpstreamId,
        /// What it is.
        kind: DefinitionKind,
        /// Its name.
        name: String,
    },
    /// No server of this name was added, or it is another one by now.
    #[error("there is no server `{0}` that was added as it was looked at")]
    Unknown(UpstreamId),
    /// A manifest of this key with this serial or a later one was taken before.
    #[error(
        "manifest {serial} of this key, or a later one, was taken before: an older list does not come back"
    )]
    RollBack {
        /// The serial of the one that was given.
        serial: u64,
    },
    /// There is no reason, or it is too long.
    #[error("a reason of 1 to {REASON_CHARS_MAX} characters is needed")]
    Reason,
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A reason is for people.
pub const REASON_CHARS_MAX: usize = 1000;

impl Registrar {
    /// A registrar that keeps everything in this store; it knows of no tenant yet.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            tenants: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// A registrar that keeps everything in the store of this `state_dir`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be opened.
    pub async fn open(state_dir: &Path, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self::new(Store::open_in(state_dir).await?, clock))
    }

    /// Whether this `state_dir` has a store.
    #[must_use]
    pub fn is_there(state_dir: &Path) -> bool {
        state_dir.join(cardea_store::FILE).is_file()
    }

    /// Loads the pins of these tenants, those that are loaded already anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(
        &self,
        tenants: impl IntoIterator<Item = &TenantId>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        for tenant in tenants {
            self.reload(tenant).await?;
        }
        Ok(())
    }

    /// The tenants whose pins are loaded.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        self.tenants.lock().keys().cloned().collect()
    }

    /// The pins of a server, as they are and as they will be.
    #[must_use]
    pub fn pins(&self, tenant: &TenantId, upstream: &UpstreamId) -> Arc<Pins> {
        let mut tenants = self.tenants.lock();
        let of_tenant = tenants.entry(tenant.clone()).or_default();
        Arc::clone(of_tenant.entry(upstream.clone()).or_default())
    }

    /// What was noted since the last look, by whatever process; the tenants' pins are what they say already.
    /// Each is to be recorded and then [`Self::recorded`], else it comes again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tend(&self) -> Result<Vec<RegistryNote>, StoreError> {
        let notes = self.store.registry_notes().await?;
        let of: BTreeSet<_> = notes.iter().map(|note| &note.tenant).collect();
        self.load(of).await?;
        Ok(notes)
    }

    /// Whether the gateway has taken over and recorded everything that was decided in the tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_taken_over(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let notes = self.store.registry_notes().await?;
        Ok(notes.iter().all(|note| note.tenant != *tenant))
    }

    /// Forgets a note that is in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recorded(&self, note: &RegistryNote) -> Result<(), StoreError> {
        self.store.remove_registry_note(&note.id).await
    }

    /// Waits until everything is on disk.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Makes a change last, and memory what the store says then. The caller has the turn.
    async fn finish(&self, tenant: &TenantId, change: RegistryChange) -> Result<(), StoreError> {
        change.commit().await?;
        self.reload(tenant).await
    }

    /// Makes memory what the store says. The caller has the turn.
    async fn reload(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let mut sets: HashMap<UpstreamId, PinSet> = HashMap::new();
        for row in self.store.pins(tenant).await? {
            let set = sets.entry(row.upstream).or_default();
            let names = set.approved.entry(kind(&row.kind)?).or_default();
            names.insert(row.name, row.digest);
        }
        for row in self.store.quarantine(tenant).await? {
            let set = sets.entry(row.upstream).or_default();
            let names = set.quarantined.entry(kind(&row.kind)?).or_default();
            names.insert(row.name, row.digest);
        }
        for upstream in self.store.surveyed(tenant).await? {
            sets.entry(upstream).or_default().is_surveyed = true;
        }
        for row in self.store.servers(tenant).await? {
            if row.approved.is_some() {
                sets.entry(row.upstream).or_default().added_ms = Some(row.added_ms);
            }
        }
        let mut tenants = self.tenants.lock();
        let of_tenant = tenants.entry(tenant.clone()).or_default();
        for (upstream, pins) in of_tenant.iter() {
            if !sets.contains_key(upstream) {
                pins.replace(PinSet::default());
            }
        }
        for (upstream, set) in sets {
            of_tenant.entry(upstream).or_default().replace(set);
        }
        Ok(())
    }
}

fn kind(word: &str) -> Result<DefinitionKind, StoreError> {
    DefinitionKind::parse(word)
        .ok_or_else(|| StoreError::Corrupt(format!("a definition of the kind `{word}`")))
}

/// A definition by its name, for people: `tool `read_file``.
fn named(kind: DefinitionKind, name: &str) -> String {
    match kind {
        DefinitionKind::Instructions => kind.to_string(),
        _ => format!("{kind} `{name}`"),
    }
}

fn reason(text: &str) -> Result<&str, RegistrarError> {
    let text = text.trim();
    let is_good = !text.is_empty() && text.chars().count() <= REASON_CHARS_MAX;
    is_good.then_some(text).ok_or(RegistrarError::Reason)
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn told(kind: DefinitionKind, name: &str, digest: &[u8; 32], by: &str, reason: &str) -> String {
    format!(
        "{}, {}, by {by}: {reason}",
        named(kind, name),
        digest_text(digest)
    )
}
