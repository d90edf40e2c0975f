//! What was approved of servers' definitions: opened once, and the same in every world.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context as _;
use cardea_audit::{Entry as Record, Kind};
use cardea_config::{Config, PinRule as Wanted, Upstream};
use cardea_domain::{Clock, TenantId};
use cardea_gateway::Gateway;
use cardea_identity::server::State;
use cardea_registry::{AddedServer, Entry, PinRule, Registrar, changes_servers};
use parking_lot::Mutex;

/// The registrar, as soon as there is something to keep or to read.
#[derive(Default)]
pub(crate) struct Registrars {
    opened: Mutex<Option<Arc<Registrar>>>,
    /// Where a store would be that another process makes; none once that was noticed.
    awaited: Mutex<Option<PathBuf>>,
    /// Whether the gateway is looking at servers now.
    looking: Arc<AtomicBool>,
}

impl Registrars {
    /// Opens what the tenants of a configuration have approved, where they have to.
    pub(super) async fn open(
        &self,
        config: &Config,
        state: Option<&Arc<State>>,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        let needs_none = config.upstreams.values().all(|u| u.pins == Wanted::Off);
        let opened = self.opened.lock().clone();
        if opened.is_none() && needs_none && !Registrar::is_there(&config.state_dir) {
            *self.awaited.lock() = Some(config.state_dir.clone());
            return Ok(());
        }
        let registrar = match (opened, state) {
            (Some(opened), _) => opened,
            (None, Some(state)) => Arc::new(Registrar::new(state.store().clone(), clock.clone())),
            (None, None) => {
                let opened = Registrar::open(&config.state_dir, clock.clone()).await;
                Arc::new(opened.context("what was approved cannot be read")?)
            }
        };
        let loaded = registrar.load(config.tenants.keys()).await;
        loaded.context("what was approved cannot be read")?;
        *self.opened.lock() = Some(registrar);
        Ok(())
    }

    /// An entry with what was approved of its definitions.
    pub(super) fn pinned(&self, entry: Entry, wanted: &Upstream) -> Entry {
        let rule = rule(wanted.pins);
        match (rule, &*self.opened.lock()) {
            // INVARIANT: it is open wherever a rule is not `off`; without it nothing would be approved.
            (PinRule::Off, _) | (_, None) => entry.with_pins(rule, Arc::default()),
            (_, Some(registrar)) => {
                let pins = registrar.pins(&wanted.tenant, &wanted.id);
                entry.with_pins(rule, pins)
            }
        }
    }

    /// The registrar of a tenant, where something of its servers needs approval.
    pub(super) fn of(&self, config: &Config, tenant: &TenantId) -> Option<Arc<Registrar>> {
        let mut of_tenant = config.upstreams.values().filter(|u| u.tenant == *tenant);
        let needed = of_tenant.any(|u| u.pins != Wanted::Off);
        self.opened.lock().clone().filter(|_| needed)
    }

    /// Takes over and records what was decided, and looks at servers that nobody has looked at.
    /// Tells whether there are other servers than before.
    pub(super) async fn tend(&self, gateway: &Arc<Gateway>) -> bool {
        let Some(registrar) = self.opened.lock().clone() else {
            let mut awaited = self.awaited.lock();
            let is_there = awaited.take_if(|state_dir| Registrar::is_there(state_dir));
            return is_there.is_some();
        };
        let mut are_others = false;
        if let Err(error) = record(&registrar, gateway, &mut are_others).await {
            tracing::error!(%error, "what was decided about servers cannot be taken over");
        }
        // Those that were replaced are not to be looked at: first the world becomes another one.
        if are_others || self.looking.swap(true, Ordering::AcqRel) {
            return are_others;
        }
        let (gateway, looking) = (Arc::clone(gateway), Arc::clone(&self.looking));
        tokio::spawn(async move {
            gateway.look_at_servers().await;
            looking.store(false, Ordering::Release);
        });
        are_others
    }

    /// The servers that were added for each tenant.
    pub(super) async fn servers(&self) -> anyhow::Result<Vec<(TenantId, AddedServer)>> {
        let Some(registrar) = self.opened.lock().clone() else {
            return Ok(Vec::new());
        };
        let mut servers = Vec::new();
        for tenant in registrar.tenants() {
            let of_tenant = registrar.servers(&tenant).await?;
            servers.extend(of_tenant.into_iter().map(|server| (tenant.clone(), server)));
        }
        Ok(servers)
    }
}

/// Notes stay in the store until they are in the log.
async fn record(
    registrar: &Registrar,
    gateway: &Gateway,
    are_others: &mut bool,
) -> anyhow::Result<()> {
    for note in registrar.tend().await? {
        let world = gateway.world();
        // Of a tenant that is gone nobody reads the log; the note waits for its return.
        let Some(tenant) = world.tenants.get(&note.tenant) else {
            continue;
        };
        let record = Record {
            kind: Kind::Event,
            event: Some(&note.event),
            upstream: Some(&note.upstream),
            detail: Some(&note.detail),
            ..Record::default()
        };
        drop(tenant.ledger.append(&record)?.durable().await?);
        registrar.recorded(&note).await?;
        *are_others |= changes_servers(&note.event);
    }
    Ok(())
}

fn rule(wanted: Wanted) -> PinRule {
    match wanted {
        Wanted::Approve => PinRule::Approve,
        Wanted::First => PinRule::First,
        Wanted::Off => PinRule::Off,
    }
}
