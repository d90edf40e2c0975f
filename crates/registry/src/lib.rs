//! Known servers and their definitions.
//!
//! What it is: the upstreams that the configuration names, which tenants may see them, and what
//! the gateway has learnt of their tools. An upstream that is not here does not exist for
//! anybody; a server-supplied name never decides where a call goes.
//! What it is not: no connections (the gateway holds these), no policy.
//!
//! The data's path: configuration -> [`Registry`] -> [`Registry::resolve`] -> [`Known`], the
//! proof that only this room makes.

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

mod definitions;
mod entry;

use std::{collections::BTreeMap, sync::Arc};

use cardea_domain::{TenantId, UpstreamId};

pub use definitions::{Definitions, ToolDefinition};
pub use entry::{Connection, Entry, HttpServer, StdioServer};

/// All upstreams of one configuration.
#[derive(Debug, Default)]
pub struct Registry {
    upstreams: BTreeMap<UpstreamId, Arc<Entry>>,
}

impl Registry {
    /// A registry of these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Arc<Entry>>) -> Self {
        Self {
            upstreams: entries.into_iter().map(|e| (e.id().clone(), e)).collect(),
        }
    }

    /// The upstream of this name, if the tenant may see it.
    #[must_use]
    pub fn resolve(&self, tenant: &TenantId, upstream: &str) -> Option<Known> {
        let id = UpstreamId::parse(upstream).ok()?;
        let entry = self.upstreams.get(&id)?;
        entry.tenants().contains(tenant).then(|| Known {
            entry: Arc::clone(entry),
            tenant: tenant.clone(),
        })
    }

    /// Every entry, by id.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.upstreams.values()
    }
}

/// The proof that an upstream is known and may be seen by the tenant.
#[derive(Debug, Clone)]
#[must_use = "a known upstream is what a resolved call is built from"]
pub struct Known {
    entry: Arc<Entry>,
    tenant: TenantId,
}

impl Known {
    /// The upstream's entry.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The upstream's id.
    #[must_use]
    pub fn id(&self) -> &UpstreamId {
        self.entry.id()
    }

    /// What was learnt of its tools for this tenant.
    #[must_use]
    pub fn definitions(&self) -> Arc<Definitions> {
        self.entry.definitions_for(&self.tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_of_another_tenant_does_not_exist() {
        let tenant = |t: &str| TenantId::parse(t).unwrap();
        let entry = Entry::new(
            UpstreamId::parse("files").unwrap(),
            [tenant("acme")],
            Connection::Stdio(StdioServer {
                command: "true".into(),
                args: Vec::new(),
                env: Vec::new(),
                cwd: "/".into(),
            }),
        );
        let registry = Registry::new([Arc::new(entry)]);
        assert!(registry.resolve(&tenant("acme"), "files").is_some());
        assert!(registry.resolve(&tenant("globex"), "files").is_none());
        assert!(registry.resolve(&tenant("acme"), "Files").is_none());
        assert!(registry.resolve(&tenant("acme"), "../files").is_none());
    }
}
