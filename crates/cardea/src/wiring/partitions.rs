//! The audit logs: the gateway's own and one for each tenant, opened once and kept.

use std::collections::BTreeMap;

use anyhow::Context as _;
use cardea_audit::{Ledger, LedgerOptions, WeakLedger};
use cardea_config::{ArgumentsInAudit, Audit, Config};
use cardea_domain::{Clock, TenantId};

/// The logs that are open.
///
/// A tenant's is held by the world that has the tenant and by its calls under way: once both are
/// gone it is closed. A tenant that comes back before that finds it open.
pub(crate) struct Partitions {
    clock: Clock,
    own: Option<Ledger>,
    tenants: BTreeMap<TenantId, WeakLedger>,
}

impl Partitions {
    /// No log is open yet.
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            own: None,
            tenants: BTreeMap::new(),
        }
    }

    /// The gateway's own log, opened at the first time.
    pub(crate) fn own(&mut self, config: &Config) -> anyhow::Result<Ledger> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let own = Ledger::open(options(&config.audit, &self.clock))?;
        self.own = Some(own.clone());
        Ok(own)
    }

    /// The logs of all tenants of a configuration; those that are not open are opened.
    pub(crate) fn of_tenants(
        &mut self,
        config: &Config,
    ) -> anyhow::Result<BTreeMap<TenantId, Ledger>> {
        let mut opened = BTreeMap::new();
        for (id, tenant) in &config.tenants {
            let open = self.tenants.get(id).and_then(WeakLedger::upgrade);
            let ledger = match open {
                Some(ledger) => ledger,
                None => Ledger::open(options(&tenant.audit, &self.clock))
                    .with_context(|| format!("the audit log of the tenant `{id}`"))?,
            };
            opened.insert(id.clone(), ledger);
        }
        self.tenants.retain(|_, ledger| ledger.upgrade().is_some());
        let weak = opened
            .iter()
            .map(|(id, ledger)| (id.clone(), ledger.downgrade()));
        self.tenants.extend(weak);
        Ok(opened)
    }

    /// Takes no more records and returns once all are on disk: for the end of the process.
    pub(crate) fn close(self) {
        for ledger in self.tenants.values().filter_map(WeakLedger::upgrade) {
            ledger.close();
        }
        if let Some(own) = self.own {
            own.close();
        }
    }
}

fn options(audit: &Audit, clock: &Clock) -> LedgerOptions {
    let arguments_bytes_max = match audit.arguments {
        ArgumentsInAudit::Full => usize::try_from(audit.arguments_bytes_max).unwrap_or(usize::MAX),
        ArgumentsInAudit::Digest => 0,
    };
    LedgerOptions {
        rotate_bytes: audit.rotate_bytes,
        arguments_bytes_max,
        clock: clock.clone(),
        ..LedgerOptions::new(audit.dir.clone())
    }
}
