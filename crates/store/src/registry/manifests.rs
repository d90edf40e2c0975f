//! Signed registries: no earlier one after a later one.

use cardea_domain::TenantId;

use super::RegistryChange;
use crate::{Store, StoreError, seconds, unsigned};

impl Store {
    /// The serial of the next manifest that is made here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_manifest_serial(&self, of: &TenantId) -> Result<u64, StoreError> {
        let (serial,): (i64,) = sqlx::query_as(
            "INSERT INTO registry_manifest (tenant, key_id, serial, taken_ms) VALUES ($1, '', 1, 0)
             ON CONFLICT (tenant, key_id) DO UPDATE SET serial = registry_manifest.serial + 1
             RETURNING serial",
        )
        .bind(of.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(unsigned(serial))
    }
}

impl RegistryChange {
    /// Takes a manifest of a key; `false` when one with a later serial was taken before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_manifest(
        &mut self,
        key: &str,
        serial: u64,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO registry_manifest (tenant, key_id, serial, taken_ms)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, key_id) DO UPDATE SET serial = $3, taken_ms = $4
             WHERE registry_manifest.serial <= $3",
        )
        .bind(self.tenant.as_str())
        .bind(key)
        .bind(seconds(serial))
        .bind(seconds(now_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(taken.rows_affected() == 1)
    }
}
