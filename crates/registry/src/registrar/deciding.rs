//! What people decide about definitions.

use cardea_domain::{TenantId, UpstreamId};
use cardea_store::{PinRow, QuarantineRow};

use super::{Registrar, RegistrarError, State, id, named, reason, told};
use crate::definition::{DefinitionKind, digest_text};

/// A definition that somebody has looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name; empty for instructions.
    pub name: String,
    /// The digest of what was looked at: nothing else is decided about.
    pub digest: [u8; 32],
}

/// What was decided about one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name; empty for instructions.
    pub name: String,
    /// Its digest.
    pub digest: [u8; 32],
}

impl Registrar {
    /// Approves definitions in quarantine: all of them, or none.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn approve(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        choices: &[Choice],
        by: &str,
        why: &str,
    ) -> Result<Vec<Decided>, RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let held = self.held(tenant, upstream, choices).await?;
        let mut change = self.store.change_registry(tenant).await?;
        let mut decided = Vec::new();
        for (choice, row) in choices.iter().zip(held) {
            let pin = PinRow {
                upstream: upstream.clone(),
                kind: row.kind,
                name: row.name,
                digest: choice.digest,
                definition: row.definition,
                approved_by: by.to_owned(),
                reason: why.to_owned(),
                approved_ms: self.clock.unix_ms(),
            };
            change.pin(&pin).await?;
            let word = choice.kind.as_str();
            let (name, digest) = (&choice.name, &choice.digest);
            if !change.release(upstream, word, name, digest).await? {
                return Err(not_waiting(upstream, choice));
            }
            let detail = told(choice.kind, name, digest, by, why);
            change
                .note(&id(), upstream, "definition_approved", &detail)
                .await?;
            decided.push(Decided {
                kind: choice.kind,
                name: choice.name.clone(),
                digest: choice.digest,
            });
        }
        self.finish(tenant, change).await?;
        Ok(decided)
    }

    /// Rejects definitions in quarantine: they stay there, and nobody is asked again until they change.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn reject(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        choices: &[Choice],
        by: &str,
        why: &str,
    ) -> Result<(), RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let held = self.held(tenant, upstream, choices).await?;
        let mut change = self.store.change_registry(tenant).await?;
        for (choice, row) in choices.iter().zip(held) {
            let row = QuarantineRow {
                state: State::Rejected.as_str().to_owned(),
                decided_by: Some(by.to_owned()),
                reason: Some(why.to_owned()),
                ..row
            };
            change.quarantine(&row).await?;
            let detail = told(choice.kind, &choice.name, &choice.digest, by, why);
            change
                .note(&id(), upstream, "definition_rejected", &detail)
                .await?;
        }
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// Takes an approval back: from now on nobody sees or calls it.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn withdraw(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        of: DefinitionKind,
        name: &str,
        by: &str,
        why: &str,
    ) -> Result<(), RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let Some(pinned) = self.pin(tenant, upstream, of, name).await? else {
            return Err(RegistrarError::NotApproved {
                upstream: upstream.clone(),
                kind: of,
                name: name.to_owned(),
            });
        };
        let mut change = self.store.change_registry(tenant).await?;
        change.unpin(upstream, of.as_str(), name).await?;
        // So that it can be looked at, and approved again.
        let row = QuarantineRow {
            upstream: upstream.clone(),
            kind: pinned.kind,
            name: pinned.name,
            digest: Some(pinned.digest),
            definition: pinned.definition,
            state: State::Rejected.as_str().to_owned(),
            decided_by: Some(by.to_owned()),
            reason: Some(why.to_owned()),
            seen_ms: self.clock.unix_ms(),
        };
        change.quarantine(&row).await?;
        let detail = format!("{}, by {by}: {why}", named(of, name));
        change
            .note(&id(), upstream, "definition_withdrawn", &detail)
            .await?;
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// Forgets everything that was seen and approved of a server.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn forget(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        by: &str,
        why: &str,
    ) -> Result<(), RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let mut change = self.store.change_registry(tenant).await?;
        change.forget(upstream).await?;
        let detail = format!("by {by}: {why}");
        change
            .note(&id(), upstream, "server_forgotten", &detail)
            .await?;
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// What is in quarantine for each choice, in their order.
    async fn held(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        choices: &[Choice],
    ) -> Result<Vec<QuarantineRow>, RegistrarError> {
        let mut rows = self.store.quarantine(tenant).await?;
        rows.retain(|row| row.upstream == *upstream);
        let of = |choice: &Choice| {
            let is_it =
                |row: &&QuarantineRow| row.kind == choice.kind.as_str() && row.name == choice.name;
            let row = rows.iter().find(is_it);
            let row = row.ok_or_else(|| not_waiting(upstream, choice))?;
            let (upstream, name) = (upstream.clone(), choice.name.clone());
            match row.digest {
                None => Err(RegistrarError::Unreadable {
                    upstream,
                    kind: choice.kind,
                    name,
                }),
                Some(digest) if digest != choice.digest => Err(RegistrarError::Changed {
                    upstream,
                    kind: choice.kind,
                    name,
                    now: digest_text(&digest),
                }),
                Some(_) => Ok(row.clone()),
            }
        };
        choices.iter().map(of).collect()
    }
}

fn not_waiting(upstream: &UpstreamId, choice: &Choice) -> RegistrarError {
    RegistrarError::NotWaiting {
        upstream: upstream.clone(),
        kind: choice.kind,
        name: choice.name.clone(),
    }
}
