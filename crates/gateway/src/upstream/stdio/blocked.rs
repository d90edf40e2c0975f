//! What the box of a server kept it from, as far as that can be known: counted, logged, recorded, and kept for whoever looks.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use cardea_audit::{Entry, Kind};
use cardea_domain::{TenantId, UpstreamId};
use parking_lot::Mutex;

use crate::world::Gateway;

/// Kept for whoever looks; the log and the audit record have all.
const RECENT_MAX: usize = 50;

/// A connection that was refused; what ends a server is called after the wall that did ([`cardea_sandbox::Ended::blocked`]).
pub(super) const CONNECTION: &str = "connection";
/// A process that was ended since all of them together had too much.
pub(super) const MEMORY: &str = "memory";

/// One thing that a box kept its server from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When, in microseconds since 1970.
    pub at_us: u64,
    /// What kind of thing: a connection, or the wall that ended the server.
    pub kind: &'static str,
    /// What it tried and why not, for people.
    pub text: String,
}

/// The incidents of one upstream of one tenant.
#[derive(Debug)]
pub(crate) struct Blocked {
    tenant: TenantId,
    upstream: UpstreamId,
    /// Known since the first process was started.
    gateway: Mutex<Weak<Gateway>>,
    recent: Mutex<VecDeque<Incident>>,
}

impl Blocked {
    pub(super) fn new(tenant: TenantId, upstream: UpstreamId) -> Self {
        Self {
            tenant,
            upstream,
            gateway: Mutex::default(),
            recent: Mutex::default(),
        }
    }

    /// Who counts and records.
    pub(super) fn belongs_to(&self, gateway: &Arc<Gateway>) {
        *self.gateway.lock() = Arc::downgrade(gateway);
    }

    pub(super) fn tell(&self, kind: &'static str, text: String) {
        tracing::warn!(tenant = %self.tenant, upstream = %self.upstream, kind, what = text, "the sandbox of a server kept it from something");
        let Some(gateway) = self.gateway.lock().upgrade() else {
            return;
        };
        gateway
            .metrics
            .sandbox_blocked(&self.tenant, &self.upstream, kind);
        let detail = format!("{kind}: {text}");
        let entry = Entry {
            kind: Kind::Event,
            upstream: Some(&self.upstream),
            event: Some("sandbox_blocked"),
            detail: Some(&detail),
            ..Entry::default()
        };
        if let Some(tenant) = gateway.world().tenants.get(&self.tenant) {
            // Where it cannot be written, neither can anything that the server answers.
            drop(tenant.ledger.append(&entry));
        }
        let mut recent = self.recent.lock();
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Incident {
            at_us: gateway.clock.unix_us(),
            kind,
            text,
        });
    }

    /// What happened last, the newest last.
    pub(crate) fn recent(&self) -> Vec<Incident> {
        self.recent.lock().iter().cloned().collect()
    }
}
