//! What happens to a tenant's access, in that tenant's log.

use std::pin::Pin;

use cardea_access::{Event, Journal, JournalDown};
use cardea_audit::{Access, Entry, Kind, Ledger, Person};
use cardea_domain::TenantId;
use parking_lot::RwLock;

/// Writes the events of one tenant's access into its log.
#[derive(Debug)]
pub struct AccessJournal {
    tenant: TenantId,
    /// `None` until the tenant has a world: nothing can happen before.
    ledger: RwLock<Option<Ledger>>,
}

impl AccessJournal {
    /// A journal that refuses everything until it has a log.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            ledger: RwLock::new(None),
        }
    }

    /// From here on events go there.
    pub fn write_to(&self, ledger: Ledger) {
        *self.ledger.write() = Some(ledger);
    }
}

impl Journal for AccessJournal {
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        let detail = match (event.by.as_str(), event.detail.as_str()) {
            (by, "") => format!("by {by}"),
            (by, detail) => format!("by {by}; {detail}"),
        };
        let detail = match event.lock {
            Some(lock) => format!("lock {lock}; {detail}"),
            None => detail,
        };
        let about = Access {
            entitlement: None,
            request: event.request.map(|id| id.as_str()),
            grant: event.grant.map(|id| id.as_str()),
        };
        let entry = Entry {
            kind: Kind::Event,
            event: Some(event.name),
            person: event.subject.map(|subject| Person {
                tenant: &self.tenant,
                subject,
                actor: event.actor.map(|actor| actor.as_str()),
                run: event.run.map(|run| run.as_str()),
            }),
            upstream: event.upstream,
            target: event.target,
            access: (about != Access::default()).then_some(about),
            detail: Some(&detail),
            ..Entry::default()
        };
        let pending = match &*self.ledger.read() {
            Some(ledger) => ledger.append(&entry).map_err(|_| JournalDown),
            None => Err(JournalDown),
        };
        Box::pin(async move { pending?.durable().await.map(drop).map_err(|_| JournalDown) })
    }
}
