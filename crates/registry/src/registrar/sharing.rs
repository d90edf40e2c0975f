//! One approved registry for a fleet: out of this store as a manifest, and into it from one.

use std::collections::BTreeMap;

use cardea_domain::{TenantId, UpstreamId};
use cardea_store::{PinRow, StoreError};

use super::{Launch, Registrar, RegistrarError, id, kind, reason};
use crate::manifest::{Manifest, ManifestPin, ManifestServer};

/// What became of an imported manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Definitions that are approved by it.
    pub approved: usize,
    /// Definitions that an earlier one had approved, and this one does not have.
    pub withdrawn: usize,
    /// Definitions of servers that are not there, or are other ones.
    pub left: usize,
}

impl Registrar {
    /// What is approved in a tenant, as a manifest with the next serial.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn manifest(&self, tenant: &TenantId) -> Result<Manifest, StoreError> {
        let view = self.view(tenant).await?;
        let servers = self.servers(tenant).await?;
        let servers = servers
            .into_iter()
            .filter(|server| server.approved.is_some());
        let servers: BTreeMap<_, _> = servers
            .map(|server| {
                let digests = match server.record.launch {
                    Launch::Stdio { locked, .. } => locked.into_values().collect(),
                    Launch::Http { .. } => Vec::new(),
                };
                let spec = server.record.spec;
                (
                    server.upstream.to_string(),
                    ManifestServer { spec, digests },
                )
            })
            .collect();
        Ok(Manifest {
            serial: self.store.next_manifest_serial(tenant).await?,
            issued_ms: self.clock.unix_ms(),
            servers,
            pins: view.pinned.iter().map(ManifestPin::from).collect(),
        })
    }

    /// Approves what a manifest has of servers that are here, and takes back what an earlier one of its key had and this one has not. Whose it is was
    /// verified before.
    ///
    /// # Errors
    /// [`RegistrarError::RollBack`] when one of this key with a later serial was taken before.
    pub async fn import(
        &self,
        tenant: &TenantId,
        manifest: &Manifest,
        key: &str,
        is_here: impl Fn(&str) -> bool,
        by: &str,
        why: &str,
    ) -> Result<Imported, RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let source = format!("manifest {} of {key}, by {by}", manifest.serial);
        let before = self.store.pins(tenant).await?;
        let mut change = self.store.change_registry(tenant).await?;
        let is_later = change
            .take_manifest(key, manifest.serial, self.clock.unix_ms())
            .await?;
        if !is_later {
            return Err(RegistrarError::RollBack {
                serial: manifest.serial,
            });
        }
        let mut servers = Vec::new();
        // By its name alone, another server that comes later would be approved.
        let here = manifest.pins.iter().filter(|pin| is_here(&pin.server));
        let mut approved = 0;
        for pin in here {
            approved += 1;
            let row = row(pin, &source, why, self.clock.unix_ms())?;
            change
                .release(&row.upstream, &row.kind, &row.name, &row.digest)
                .await?;
            if !servers.contains(&row.upstream) {
                servers.push(row.upstream.clone());
            }
            change.pin(&row).await?;
        }
        let of_key = format!(" of {key}, by ");
        let gone = before.iter().filter(|row| {
            row.approved_by.starts_with("manifest ")
                && row.approved_by.contains(&of_key)
                && !manifest.pins.iter().any(|pin| {
                    pin.server == row.upstream.as_str()
                        && pin.kind == row.kind
                        && pin.name == row.name
                })
        });
        let mut withdrawn = 0;
        for row in gone {
            change.unpin(&row.upstream, &row.kind, &row.name).await?;
            withdrawn += 1;
            if !servers.contains(&row.upstream) {
                servers.push(row.upstream.clone());
            }
        }
        for server in &servers {
            let detail = format!("{source}: {why}");
            change
                .note(&id(), server, "manifest_imported", &detail)
                .await?;
        }
        self.finish(tenant, change).await?;
        Ok(Imported {
            approved,
            withdrawn,
            left: manifest.pins.len() - approved,
        })
    }
}

fn row(pin: &ManifestPin, source: &str, why: &str, now_ms: u64) -> Result<PinRow, RegistrarError> {
    let corrupt = |what: String| RegistrarError::Store(StoreError::Corrupt(what));
    kind(&pin.kind)?;
    let digest = crate::digest_of(&pin.definition)
        .ok_or_else(|| corrupt(format!("a definition of `{}`", pin.name)))?;
    Ok(PinRow {
        upstream: UpstreamId::parse(&pin.server).map_err(|error| corrupt(error.to_string()))?,
        kind: pin.kind.clone(),
        name: pin.name.clone(),
        digest,
        definition: pin.definition.clone(),
        approved_by: source.to_owned(),
        reason: why.to_owned(),
        approved_ms: now_ms,
    })
}
