//! Definitions of servers: what was approved, what waits, and what was decided by other processes.

mod failures;
mod manifests;
mod servers;

use cardea_domain::{TenantId, UpstreamId};
use sqlx::{Sqlite, Transaction};

pub use failures::FailureRow;
pub use servers::ServerRow;

use crate::{Store, StoreError, pulse::Began, seconds, tenant, unsigned};

/// An approved definition, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRow {
    /// The server.
    pub upstream: UpstreamId,
    /// What it is: `tool`, `prompt`, `template` or `instructions`.
    pub kind: String,
    /// Its name, as the server spells it; empty for instructions.
    pub name: String,
    /// The SHA-256 of its canonical form.
    pub digest: [u8; 32],
    /// The definition, as the server spelt it.
    pub definition: String,
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub approved_ms: u64,
}

/// A definition that nobody has approved, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The server.
    pub upstream: UpstreamId,
    /// What it is: `tool`, `prompt`, `template` or `instructions`.
    pub kind: String,
    /// Its name, as the server spells it; empty for instructions.
    pub name: String,
    /// The SHA-256 of its canonical form; `None` where it has none.
    pub digest: Option<[u8; 32]>,
    /// The definition, as the server spelt it.
    pub definition: String,
    /// `waiting` or `rejected`.
    pub state: String,
    /// Who rejected it.
    pub decided_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When the server showed it first.
    pub seen_ms: u64,
}

/// What was decided, and is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryNote {
    /// Its name; names sort by time.
    pub id: String,
    /// Whose registry.
    pub tenant: TenantId,
    /// About which server.
    pub upstream: UpstreamId,
    /// The name of the event.
    pub event: String,
    /// What else there is to say.
    pub detail: String,
}

/// A change of a tenant's registry: all of it happens at its commit, or nothing.
#[derive(Debug)]
#[must_use = "a change that is not committed does not happen"]
pub struct RegistryChange {
    transaction: Transaction<'static, Sqlite>,
    tenant: TenantId,
    began: Began,
}

/// As many as are read at once; the rest waits for the next look.
const NOTES_MAX: i64 = 100;

type Pin = (String, String, String, Vec<u8>, String, String, String, i64);

type Quarantined = (
    String,
    String,
    String,
    Option<Vec<u8>>,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
);

impl Store {
    /// Begins a change of a tenant's registry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_registry(&self, of: &TenantId) -> Result<RegistryChange, StoreError> {
        let began = self.pulse.begin()?;
        Ok(RegistryChange {
            // Some of them read first: beside another writer such a transaction fails when it comes to write.
            transaction: self.pool.begin_with("BEGIN IMMEDIATE").await?,
            tenant: of.clone(),
            began,
        })
    }

    /// What was approved in a tenant, by server, kind and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pins(&self, of: &TenantId) -> Result<Vec<PinRow>, StoreError> {
        let rows: Vec<Pin> = sqlx::query_as(
            "SELECT upstream, kind, name, digest, definition, approved_by, reason, approved_ms
             FROM registry_pin WHERE tenant = $1 ORDER BY upstream, kind, name",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(pin).collect()
    }

    /// What waits or was rejected in a tenant, by server, kind and name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(&self, of: &TenantId) -> Result<Vec<QuarantineRow>, StoreError> {
        let rows: Vec<Quarantined> = sqlx::query_as(
            "SELECT upstream, kind, name, digest, definition, state, decided_by, reason, seen_ms
             FROM registry_quarantine WHERE tenant = $1 ORDER BY upstream, kind, name",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(quarantined).collect()
    }

    /// The servers of a tenant that were looked at as a whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn surveyed(&self, of: &TenantId) -> Result<Vec<UpstreamId>, StoreError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT upstream FROM registry_survey WHERE tenant = $1")
                .bind(of.as_str())
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter()
            .map(|(upstream,)| Ok(UpstreamId::parse(&upstream)?))
            .collect()
    }

    /// The oldest notes about registries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registry_notes(&self) -> Result<Vec<RegistryNote>, StoreError> {
        let rows: Vec<(String, String, String, String, String)> = sqlx::query_as(
            "SELECT note, tenant, upstream, event, detail FROM registry_note
             ORDER BY note LIMIT $1",
        )
        .bind(NOTES_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(id, of, upstream, event, detail)| {
                Ok(RegistryNote {
                    id,
                    tenant: tenant(&of)?,
                    upstream: UpstreamId::parse(&upstream)?,
                    event,
                    detail,
                })
            })
            .collect()
    }

    /// Removes a note that is in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_registry_note(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM registry_note WHERE note = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

impl RegistryChange {
    /// Pins a definition, in the place of what was pinned under its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pin(&mut self, row: &PinRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_pin (tenant, upstream, kind, name, digest, definition,
                 approved_by, reason, approved_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant, upstream, kind, name) DO UPDATE SET digest = $5,
                 definition = $6, approved_by = $7, reason = $8, approved_ms = $9",
        )
        .bind(self.tenant.as_str())
        .bind(row.upstream.as_str())
        .bind(&row.kind)
        .bind(&row.name)
        .bind(row.digest.as_slice())
        .bind(&row.definition)
        .bind(&row.approved_by)
        .bind(&row.reason)
        .bind(seconds(row.approved_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Takes a pin back; `false` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unpin(
        &mut self,
        upstream: &UpstreamId,
        kind: &str,
        name: &str,
    ) -> Result<bool, StoreError> {
        let removed = sqlx::query(
            "DELETE FROM registry_pin
             WHERE tenant = $1 AND upstream = $2 AND kind = $3 AND name = $4",
        )
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .bind(kind)
        .bind(name)
        .execute(&mut *self.transaction)
        .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Puts a definition into quarantine, in the place of what was there under its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quarantine(&mut self, row: &QuarantineRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_quarantine (tenant, upstream, kind, name, digest, definition,
                 state, decided_by, reason, seen_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (tenant, upstream, kind, name) DO UPDATE SET digest = $5,
                 definition = $6, state = $7, decided_by = $8, reason = $9, seen_ms = $10",
        )
        .bind(self.tenant.as_str())
        .bind(row.upstream.as_str())
        .bind(&row.kind)
        .bind(&row.name)
        .bind(row.digest.as_ref().map(<[u8; 32]>::as_slice))
        .bind(&row.definition)
        .bind(&row.state)
        .bind(&row.decided_by)
        .bind(&row.reason)
        .bind(seconds(row.seen_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Takes a definition out of quarantine, if it is still the one with this digest there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release(
        &mut self,
        upstream: &UpstreamId,
        kind: &str,
        name: &str,
        digest: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let removed = sqlx::query(
            "DELETE FROM registry_quarantine
             WHERE tenant = $1 AND upstream = $2 AND kind = $3 AND name = $4 AND digest = $5",
        )
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .bind(kind)
        .bind(name)
        .bind(digest.as_slice())
        .execute(&mut *self.transaction)
        .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Notes that a server was looked at as a whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn survey(&mut self, upstream: &UpstreamId, now_ms: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_survey (tenant, upstream, surveyed_ms) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, upstream) DO UPDATE SET surveyed_ms = $3",
        )
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .bind(seconds(now_ms))
        .execute(&mut *self.transaction)
        .await?;
        self.forget_failure(upstream).await
    }

    /// Has a server looked at as a whole once more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unsurvey(&mut self, upstream: &UpstreamId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM registry_survey WHERE tenant = $1 AND upstream = $2")
            .bind(self.tenant.as_str())
            .bind(upstream.as_str())
            .execute(&mut *self.transaction)
            .await?;
        self.forget_failure(upstream).await
    }

    /// Forgets everything about a server.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget(&mut self, upstream: &UpstreamId) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM registry_pin WHERE tenant = $1 AND upstream = $2",
            "DELETE FROM registry_quarantine WHERE tenant = $1 AND upstream = $2",
            "DELETE FROM registry_survey WHERE tenant = $1 AND upstream = $2",
            "DELETE FROM registry_failure WHERE tenant = $1 AND upstream = $2",
        ] {
            sqlx::query(statement)
                .bind(self.tenant.as_str())
                .bind(upstream.as_str())
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Leaves a note for the process that writes the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(
        &mut self,
        id: &str,
        upstream: &UpstreamId,
        event: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_note (note, tenant, upstream, event, detail)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .bind(event)
        .bind(detail)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Makes it happen, durably.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not known whether it happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        self.began.written();
        Ok(())
    }
}

fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Corrupt("a digest that is none".into()))
}

fn pin(row: Pin) -> Result<PinRow, StoreError> {
    let (upstream, kind, name, pinned, definition, approved_by, reason, approved_ms) = row;
    Ok(PinRow {
        upstream: UpstreamId::parse(&upstream)?,
        kind,
        name,
        digest: digest(&pinned)?,
        definition,
        approved_by,
        reason,
        approved_ms: unsigned(approved_ms),
    })
}

fn quarantined(row: Quarantined) -> Result<QuarantineRow, StoreError> {
    let (upstream, kind, name, seen, definition, state, decided_by, reason, seen_ms) = row;
    Ok(QuarantineRow {
        upstream: UpstreamId::parse(&upstream)?,
        kind,
        name,
        digest: seen.as_deref().map(digest).transpose()?,
        definition,
        state,
        decided_by,
        reason,
        seen_ms: unsigned(seen_ms),
    })
}
