//! Servers that the gateway could not look at.

use cardea_domain::{TenantId, UpstreamId};

use super::RegistryChange;
use crate::{Store, StoreError, seconds, unsigned};

/// Why a server could not be looked at, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// Its name.
    pub upstream: UpstreamId,
    /// Why, in words, some of which may be its own.
    pub detail: String,
    /// When, in milliseconds since the Unix epoch.
    pub failed_ms: u64,
}

impl Store {
    /// The servers of a tenant that could not be looked at, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registry_failures(&self, of: &TenantId) -> Result<Vec<FailureRow>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT upstream, detail, failed_ms FROM registry_failure
             WHERE tenant = $1 ORDER BY upstream",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(upstream, detail, failed_ms)| {
                Ok(FailureRow {
                    upstream: UpstreamId::parse(&upstream)?,
                    detail,
                    failed_ms: unsigned(failed_ms),
                })
            })
            .collect()
    }
}

impl RegistryChange {
    /// Keeps why a server could not be looked at, in the place of what was kept before; not where it was looked at
    /// meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_failure(&mut self, row: &FailureRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_failure (tenant, upstream, detail, failed_ms)
             SELECT $1, $2, $3, $4 WHERE NOT EXISTS
                 (SELECT 1 FROM registry_survey WHERE tenant = $1 AND upstream = $2)
             ON CONFLICT (tenant, upstream) DO UPDATE SET detail = $3, failed_ms = $4",
        )
        .bind(self.tenant.as_str())
        .bind(row.upstream.as_str())
        .bind(&row.detail)
        .bind(seconds(row.failed_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    pub(super) async fn forget_failure(&mut self, upstream: &UpstreamId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM registry_failure WHERE tenant = $1 AND upstream = $2")
            .bind(self.tenant.as_str())
            .bind(upstream.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
