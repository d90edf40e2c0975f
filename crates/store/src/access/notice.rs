//! Which notices receivers have taken.

use cardea_domain::TenantId;

use crate::{Store, StoreError, seconds};

impl Store {
    /// Remembers that a receiver of a tenant has taken a notice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_notice(
        &self,
        of: &TenantId,
        receiver: &str,
        notice: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_notice (tenant, receiver, notice, told_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, receiver, notice) DO NOTHING",
        )
        .bind(of.as_str())
        .bind(receiver)
        .bind(notice)
        .bind(seconds(now_ms))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether a receiver of a tenant has taken a notice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_notice(
        &self,
        of: &TenantId,
        receiver: &str,
        notice: &str,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT told_ms FROM access_notice WHERE tenant = $1 AND receiver = $2 AND notice = $3",
        )
        .bind(of.as_str())
        .bind(receiver)
        .bind(notice)
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.is_some())
    }
}
