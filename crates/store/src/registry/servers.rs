//! Servers that were added at a terminal.

use cardea_domain::{TenantId, UpstreamId};

use super::RegistryChange;
use crate::{Store, StoreError, seconds, unsigned};

/// An added server, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// Its name.
    pub upstream: UpstreamId,
    /// What it is, as the caller wrote it.
    pub record: String,
    /// Who added it.
    pub added_by: String,
    /// When.
    pub added_ms: u64,
    /// Who approved it, and why.
    pub approved: Option<(String, String)>,
}

type Row = (String, String, String, i64, Option<String>, Option<String>);

impl Store {
    /// The servers that were added for a tenant, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn servers(&self, of: &TenantId) -> Result<Vec<ServerRow>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT upstream, record, added_by, added_ms, approved_by, reason
             FROM registry_server WHERE tenant = $1 ORDER BY upstream",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(
                |(upstream, record, added_by, added_ms, approved_by, reason)| {
                    Ok(ServerRow {
                        upstream: UpstreamId::parse(&upstream)?,
                        record,
                        added_by,
                        added_ms: unsigned(added_ms),
                        approved: approved_by.zip(reason),
                    })
                },
            )
            .collect()
    }
}

impl RegistryChange {
    /// Adds a server that nobody has approved, in the place of one of its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_server(&mut self, row: &ServerRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO registry_server (tenant, upstream, record, added_by, added_ms)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, upstream) DO UPDATE SET record = $3, added_by = $4,
                 added_ms = $5, approved_by = NULL, reason = NULL",
        )
        .bind(self.tenant.as_str())
        .bind(row.upstream.as_str())
        .bind(&row.record)
        .bind(&row.added_by)
        .bind(seconds(row.added_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Approves the server that was added at this time; `false` when there is no such.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn approve_server(
        &mut self,
        upstream: &UpstreamId,
        added_ms: u64,
        by: &str,
        why: &str,
    ) -> Result<bool, StoreError> {
        let approved = sqlx::query(
            "UPDATE registry_server SET approved_by = $4, reason = $5
             WHERE tenant = $1 AND upstream = $2 AND added_ms = $3",
        )
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .bind(seconds(added_ms))
        .bind(by)
        .bind(why)
        .execute(&mut *self.transaction)
        .await?;
        Ok(approved.rows_affected() == 1)
    }

    /// When the server of this name was added (milliseconds since the Unix epoch), if it is approved.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn approved_server(
        &mut self,
        upstream: &UpstreamId,
    ) -> Result<Option<u64>, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as(
            "SELECT added_ms FROM registry_server
             WHERE tenant = $1 AND upstream = $2 AND approved_by IS NOT NULL",
        )
        .bind(self.tenant.as_str())
        .bind(upstream.as_str())
        .fetch_optional(&mut *self.transaction)
        .await?;
        Ok(row.map(|(added_ms,)| unsigned(added_ms)))
    }

    /// Removes a server; `false` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_server(&mut self, upstream: &UpstreamId) -> Result<bool, StoreError> {
        let removed =
            sqlx::query("DELETE FROM registry_server WHERE tenant = $1 AND upstream = $2")
                .bind(self.tenant.as_str())
                .bind(upstream.as_str())
                .execute(&mut *self.transaction)
                .await?;
        Ok(removed.rows_affected() == 1)
    }
}
