//! Known servers and their definitions.
//!
//! What it is: the upstreams that the configuration names, by tenant and id, and what the gateway
//! has learnt of their tools. What is not here does not exist for anybody, what is another
//! tenant's does not exist for this one, and a server-supplied name never decides where a call
//! goes. [`Registrar`] keeps in the store what people approved of each server's definitions, and
//! what waits for that; [`Pins`] is what decisions see of it.
//! What it is not: no connections (the gateway holds these), no policy.
//!
//! The data's path: configuration -> [`Registry`] -> [`Registry::resolve`] -> [`Known`], the
//! proof that only this room makes. Lists -> [`Definitions`] -> [`Entry::standing`], and what is
//! not approved -> [`Registrar::saw`].

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

mod definition;
mod definitions;
mod difference;
mod entry;
mod manifest;
mod pins;
mod registrar;
mod spec;
mod squatting;
mod tree;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cardea_domain::{TenantId, UpstreamId};

pub use definition::{DEFINITION_BYTES_MAX, Definition, DefinitionKind, digest_of, digest_text};
pub use definitions::{Definitions, Learnt};
pub use difference::{Difference, Part, difference, read};
pub use entry::{Connection, Entry, HttpServer, ServerIdentity, StdioServer};
pub use manifest::{Manifest, ManifestError, ManifestPin, ManifestServer, key_text};
pub use pins::{PinRule, Pins, Standing};
pub use registrar::{
    AddedBox, AddedMode, AddedServer, Choice, ClientCertificate, Decided, FailedLook, Held,
    Imported, Launch, Pinned, Quarantined, REASON_CHARS_MAX, Reference, Registrar, RegistrarError,
    ServerRecord, Sighting, Source, State, View, changes_servers,
};
pub use spec::{InvalidSpec, Spec};
pub use squatting::{Flag, Named, Neighbours, RESERVED, Weight, is_reserved};
pub use tree::{Digests, FILES_MAX, Locked, TreeError};

/// All upstreams of one configuration, by tenant first: the same id may be another server for
/// another tenant.
#[derive(Debug, Default)]
pub struct Registry {
    tenants: HashMap<TenantId, BTreeMap<UpstreamId, Arc<Entry>>>,
}

impl Registry {
    /// A registry of these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Arc<Entry>>) -> Self {
        let mut tenants: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for entry in entries {
            let of_tenant = tenants.entry(entry.tenant().clone()).or_default();
            of_tenant.insert(entry.id().clone(), entry);
        }
        Self { tenants }
    }

    /// The tenant's upstream of this name, if it has one.
    #[must_use]
    pub fn resolve(&self, tenant: &TenantId, upstream: &str) -> Option<Known> {
        let id = UpstreamId::parse(upstream).ok()?;
        let entry = self.tenants.get(tenant)?.get(&id)?;
        Some(Known(Arc::clone(entry)))
    }

    /// Every entry, by tenant and id.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.tenants.values().flat_map(BTreeMap::values)
    }
}

/// The proof that an upstream is known and is the tenant's.
#[derive(Debug, Clone)]
#[must_use = "a known upstream is what a resolved call is built from"]
pub struct Known(Arc<Entry>);

impl Known {
    /// The upstream's entry.
    #[must_use]
    pub fn entry(&self) -> &Arc<Entry> {
        &self.0
    }

    /// The tenant whose upstream it is.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.0.tenant()
    }

    /// The upstream's id.
    #[must_use]
    pub fn id(&self) -> &UpstreamId {
        self.0.id()
    }

    /// What was learnt of its tools.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        self.0.definitions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn entry(of: &str, command: &str) -> Arc<Entry> {
        let server = StdioServer {
            command: command.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            locked: Vec::new(),
        };
        let id = UpstreamId::parse("files").unwrap();
        Arc::new(Entry::new(tenant(of), id, Connection::Stdio(server)))
    }

    #[test]
    fn an_upstream_of_another_tenant_does_not_exist() {
        let registry = Registry::new([entry("acme", "true")]);
        assert!(registry.resolve(&tenant("acme"), "files").is_some());
        assert!(registry.resolve(&tenant("globex"), "files").is_none());
        assert!(registry.resolve(&tenant("acme"), "Files").is_none());
        assert!(registry.resolve(&tenant("acme"), "../files").is_none());
    }

    #[test]
    fn one_name_is_another_upstream_for_another_tenant() {
        let registry = Registry::new([entry("acme", "one"), entry("globex", "other")]);
        for (of, command) in [("acme", "one"), ("globex", "other")] {
            let known = registry.resolve(&tenant(of), "files").unwrap();
            assert_eq!(known.tenant(), &tenant(of));
            let Connection::Stdio(server) = known.entry().connection() else {
                panic!("it was one of a command")
            };
            assert_eq!(server.command, command);
        }
    }

    #[test]
    fn what_one_tenant_learns_of_a_shared_server_is_not_the_others() {
        let registry = Registry::new([entry("acme", "same"), entry("globex", "same")]);
        let of = |of: &str| registry.resolve(&tenant(of), "files").unwrap();
        of("acme")
            .definitions()
            .learn(DefinitionKind::Tool, "read", "{}");
        assert!(of("acme").definitions().tool("read").is_some());
        assert!(of("globex").definitions().tool("read").is_none());
    }
}
