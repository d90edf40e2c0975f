//! What servers show: into quarantine, or pinned at the first look.

use std::sync::Arc;

use cardea_domain::{TenantId, UpstreamId};
use cardea_store::{FailureRow, PinRow, QuarantineRow, RegistryChange, StoreError};

use super::{Registrar, RegistrarError, State, id};
use crate::{
    definition::{DEFINITION_BYTES_MAX, Definition, DefinitionKind},
    entry::Entry,
    pins::{PinRule, Pins},
    squatting::{Flag, Named},
};

/// One definition as a server showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name; empty for instructions.
    pub name: String,
    /// The definition as raw JSON.
    pub raw: Arc<str>,
    /// The SHA-256 of its canonical form; `None` where it has none.
    pub digest: Option<[u8; 32]>,
}

/// What went to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the server shows.
    pub sighting: Sighting,
    /// What is conspicuous about it.
    pub flags: Vec<Flag>,
}

/// More than any server that people look after has; what is beyond is hidden all the same, and not kept.
const QUARANTINE_MAX: usize = 2000;

/// Who approved what was approved by the first look.
const FIRST_LOOK: &str = "the first look";

impl Sighting {
    /// Of a definition that was learnt.
    #[must_use]
    pub fn of(kind: DefinitionKind, name: &str, definition: &Definition) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            raw: Arc::clone(&definition.raw),
            digest: definition.digest,
        }
    }
}

impl Registrar {
    /// Keeps what a server shows and nobody has approved; gives what was not in quarantine before.
    ///
    /// # Errors
    /// [`RegistrarError`]; nothing of it is approved by that. [`RegistrarError::Unknown`] where another server was added
    /// in its place meanwhile.
    pub async fn saw(
        &self,
        entry: &Entry,
        sightings: Vec<Sighting>,
    ) -> Result<Vec<Held>, RegistrarError> {
        let (tenant, upstream) = (entry.tenant(), entry.id());
        let _turn = self.turn.lock().await;
        let pins = self.pins(tenant, upstream);
        let news = news(&pins, sightings);
        if news.is_empty() {
            return Ok(Vec::new());
        }
        let mut change = self.store.change_registry(tenant).await?;
        is_still_there(&mut change, entry).await?;
        self.quarantine(&mut change, upstream, &news).await?;
        self.finish(tenant, change).await?;
        Ok(self.flagged(tenant, upstream, news).await?)
    }

    /// Keeps what a server showed when the gateway looked at it as a whole; gives what is in quarantine by that, and
    /// how many definitions were approved by it.
    ///
    /// # Errors
    /// [`RegistrarError`]; then it was not looked at. [`RegistrarError::Unknown`] where another server was added in its
    /// place meanwhile: what the former showed says nothing of that.
    pub async fn surveyed(
        &self,
        entry: &Entry,
        sightings: Vec<Sighting>,
    ) -> Result<(Vec<Held>, usize), RegistrarError> {
        let (tenant, upstream) = (entry.tenant(), entry.id());
        let _turn = self.turn.lock().await;
        let pins = self.pins(tenant, upstream);
        let now_ms = self.clock.unix_ms();
        let is_first = entry.pin_rule() == PinRule::First && !pins.is_surveyed();
        let mut change = self.store.change_registry(tenant).await?;
        is_still_there(&mut change, entry).await?;
        let mut others = Vec::new();
        let mut approved = 0;
        for sighting in sightings {
            let (true, Some(digest)) = (is_first, sighting.digest) else {
                others.push(sighting);
                continue;
            };
            let row = PinRow {
                upstream: upstream.clone(),
                kind: sighting.kind.as_str().to_owned(),
                name: sighting.name,
                digest,
                definition: sighting.raw.to_string(),
                approved_by: FIRST_LOOK.to_owned(),
                reason: "`pins: first`".to_owned(),
                approved_ms: now_ms,
            };
            change.pin(&row).await?;
            approved += 1;
        }
        let news = news(&pins, others);
        self.quarantine(&mut change, upstream, &news).await?;
        change.survey(upstream, now_ms).await?;
        let detail = match is_first {
            true => format!("{approved} definitions approved by it, {} wait", news.len()),
            false => format!("{} definitions wait", news.len()),
        };
        change
            .note(&id(), upstream, "server_surveyed", &detail)
            .await?;
        self.finish(tenant, change).await?;
        Ok((self.flagged(tenant, upstream, news).await?, approved))
    }

    /// Keeps why a server could not be looked at, for whoever waits to approve what it shows.
    ///
    /// # Errors
    /// [`RegistrarError`]; [`RegistrarError::Unknown`] where another server was added in its place meanwhile.
    pub async fn looked_in_vain(&self, entry: &Entry, why: &str) -> Result<(), RegistrarError> {
        let mut change = self.store.change_registry(entry.tenant()).await?;
        is_still_there(&mut change, entry).await?;
        let row = FailureRow {
            upstream: entry.id().clone(),
            detail: why.to_owned(),
            failed_ms: self.clock.unix_ms(),
        };
        change.put_failure(&row).await?;
        Ok(change.commit().await?)
    }

    /// With what is conspicuous about each, beside everything else that the tenant's servers have shown.
    async fn flagged(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        news: Vec<Sighting>,
    ) -> Result<Vec<Held>, StoreError> {
        let rows = self.rows(tenant).await?;
        let neighbours = rows.neighbours()?;
        let held = news.into_iter().map(|sighting| {
            let flags = neighbours.flags(Named {
                upstream,
                kind: sighting.kind,
                name: &sighting.name,
                raw: &sighting.raw,
            });
            Held { sighting, flags }
        });
        Ok(held.collect())
    }

    async fn quarantine(
        &self,
        change: &mut RegistryChange,
        upstream: &UpstreamId,
        news: &[Sighting],
    ) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        for sighting in news {
            let is_kept = sighting.raw.len() <= DEFINITION_BYTES_MAX;
            let row = QuarantineRow {
                upstream: upstream.clone(),
                kind: sighting.kind.as_str().to_owned(),
                name: sighting.name.clone(),
                digest: sighting.digest,
                definition: match is_kept {
                    true => sighting.raw.to_string(),
                    false => "null".to_owned(),
                },
                state: State::Waiting.as_str().to_owned(),
                decided_by: None,
                reason: (!is_kept).then(|| {
                    let bytes = sighting.raw.len();
                    format!("a definition of {bytes} bytes, over {DEFINITION_BYTES_MAX}")
                }),
                seen_ms: now_ms,
            };
            change.quarantine(&row).await?;
        }
        Ok(())
    }
}

/// Refuses what is said of a server in whose place another one was added, or that was removed.
async fn is_still_there(change: &mut RegistryChange, entry: &Entry) -> Result<(), RegistrarError> {
    match entry.added_ms() {
        Some(added_ms) if change.approved_server(entry.id()).await? != Some(added_ms) => {
            Err(RegistrarError::Unknown(entry.id().clone()))
        }
        _ => Ok(()),
    }
}

/// What is neither approved nor in quarantine, as far as there is room for it.
fn news(pins: &Pins, sightings: Vec<Sighting>) -> Vec<Sighting> {
    let set = pins.set();
    let held: usize = set.quarantined.values().map(|names| names.len()).sum();
    let mut room = QUARANTINE_MAX.saturating_sub(held);
    let mut news: Vec<Sighting> = Vec::new();
    let mut left_out = 0_usize;
    for sighting in sightings {
        let (kind, name) = (sighting.kind, sighting.name.as_str());
        let is_known = pins.holds(kind, name, sighting.digest)
            || sighting.digest.is_some() && pins.approved(kind, name) == sighting.digest;
        if is_known {
            continue;
        }
        let takes_no_room = set
            .quarantined
            .get(&kind)
            .is_some_and(|names| names.contains_key(name));
        if !takes_no_room {
            if room == 0 {
                left_out += 1;
                continue;
            }
            room -= 1;
        }
        news.push(sighting);
    }
    if left_out > 0 {
        tracing::warn!(
            left_out,
            "no room for more in quarantine; what is left out is hidden, and not kept"
        );
    }
    news
}
