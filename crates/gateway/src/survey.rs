//! The first look at a server: what it shows goes to quarantine, or is approved by it.
//!
//! Without it a person could approve nothing before some agent had listed it, and `pins: first` would trust what one
//! agent's first page happens to show.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cardea_audit::{Entry, Kind, Receipt};
use cardea_domain::{Code, Denial, TenantId, UpstreamId};
use cardea_registry::{DefinitionKind, Known, Sighting, digest_of};
use futures_util::{StreamExt as _, stream};

use crate::{
    Tenant, Upstream,
    pins::{kind_of, quarantined},
    upstream::unreachable,
    world::Gateway,
};

/// Between two tries to look at a server that could not be looked at.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Tenants whose servers are looked at at the same time, and servers of each.
const TENANTS_AT_ONCE: usize = 32;
const LOOKS_AT_ONCE: usize = 4;

/// Looks at a server, unless that was done; one at a time for each.
///
/// # Errors
/// A denial when it cannot be looked at, or that cannot be recorded or kept.
pub(crate) async fn look(
    upstream: &Upstream,
    known: &Known,
    tenant: Option<&Tenant>,
) -> Result<(), Denial> {
    let mut looking = upstream.looking.lock().await;
    if !known.entry().needs_survey() {
        return Ok(());
    }
    if looking.is_some_and(|failed| failed.elapsed() < AGAIN_AFTER) {
        return Err(unreachable(
            "the gateway could not look at the server a moment ago",
        ));
    }
    let looked = look_now(upstream, known, tenant).await;
    if let (Err(denial), Some(tenant)) = (&looked, tenant) {
        tell(tenant, known, denial).await;
    }
    *looking = looked.is_err().then(std::time::Instant::now);
    looked
}

/// Has whoever waits to approve what the server shows told why nothing comes.
async fn tell(tenant: &Tenant, known: &Known, denial: &Denial) {
    let Some(registrar) = tenant.registrar.as_ref() else {
        return;
    };
    let detail = denial.detail.as_deref().unwrap_or_default();
    let why = match detail {
        "" => denial.to_string(),
        detail => format!("{denial}: {detail}"),
    };
    if let Err(error) = registrar.looked_in_vain(known.entry(), &why).await {
        tracing::warn!(tenant = %known.tenant(), upstream = %known.id(), %error, "that the server could not be looked at cannot be kept");
    }
}

async fn look_now(
    upstream: &Upstream,
    known: &Known,
    tenant: Option<&Tenant>,
) -> Result<(), Denial> {
    let Some((tenant, registrar)) = tenant.and_then(|t| Some((t, t.registrar.as_ref()?))) else {
        return Err(
            Denial::new(Code::Internal, "the server cannot be looked at")
                .detail("there is no store of what was approved"),
        );
    };
    let record = record(tenant, known).await?;
    let said = upstream.survey(known, &record).await?;
    // Empty ones say nothing.
    let instructions = said.instructions.into_iter().filter(|raw| raw != "\"\"");
    let instructions = instructions.map(|raw| (DefinitionKind::Instructions, String::new(), raw));
    let items = said.items.into_iter();
    let items = items.filter_map(|(list, name, raw)| Some((kind_of(list)?, name, raw)));
    let sightings = instructions.chain(items).map(|(kind, name, raw)| Sighting {
        kind,
        digest: digest_of(&raw),
        name,
        raw: raw.into(),
    });
    let of = known.tenant();
    let surveyed = registrar.surveyed(known.entry(), sightings.collect());
    let (news, approved) = surveyed.await.map_err(|error| {
        Denial::new(Code::Internal, "what the server shows cannot be kept")
            .help("tell whoever runs the gateway")
            .detail(error)
    })?;
    tracing::info!(tenant = %of, upstream = %known.id(), approved, waiting = news.len(), "looked at the server");
    quarantined(tenant, known, &news);
    Ok(())
}

/// That the server is looked at, durably; a process that nobody can be told of is not started.
async fn record(tenant: &Tenant, known: &Known) -> Result<Receipt, Denial> {
    let entry = Entry {
        kind: Kind::Event,
        event: Some("server_survey"),
        upstream: Some(known.id()),
        detail: Some("the gateway looks at what the server shows"),
        ..Entry::default()
    };
    let pending = tenant.ledger.append(&entry)?;
    Ok(pending.durable().await?)
}

impl Gateway {
    /// Looks at each server that nobody has looked at, at some of each tenant at a time. Beside everything else: a server
    /// that hangs holds up nothing but further looks of its tenant.
    pub async fn look_at_servers(self: &Arc<Self>) {
        let world = self.world();
        let mut of_tenants: BTreeMap<TenantId, Vec<UpstreamId>> = BTreeMap::new();
        for entry in world.registry.entries().filter(|e| e.needs_survey()) {
            let of_tenant = of_tenants.entry(entry.tenant().clone()).or_default();
            of_tenant.push(entry.id().clone());
        }
        drop(world);
        let tenants = stream::iter(&of_tenants);
        let looks = tenants.for_each_concurrent(TENANTS_AT_ONCE, |(of, ids)| {
            let each = stream::iter(ids);
            each.for_each_concurrent(LOOKS_AT_ONCE, move |id| self.look_at(of, id))
        });
        looks.await;
    }

    async fn look_at(&self, of: &TenantId, id: &UpstreamId) {
        // A look can take long: what is there by now counts.
        let world = self.world();
        let Some(known) = world.registry.resolve(of, id.as_str()) else {
            return;
        };
        let Some(upstream) = world.upstream(&known) else {
            return;
        };
        let tenant = world.tenants.get(of).map(|tenant| &**tenant);
        if upstream.looked_in_vain_within(AGAIN_AFTER) {
            return;
        }
        if let Err(denial) = look(upstream, &known, tenant).await {
            let detail = denial.detail.as_deref().unwrap_or_default();
            tracing::warn!(tenant = %of, upstream = %id, %denial, detail, "the server could not be looked at; nothing of it can be approved");
        }
    }
}
