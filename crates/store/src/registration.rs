//! Clients that registered themselves (RFC 7591).

use crate::{Store, StoreError, seconds};

impl Store {
    /// Remembers a client; `false` when there is no room for another.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register(
        &self,
        client: &str,
        metadata: &str,
        now_s: u64,
        expires_s: u64,
        clients_max: u32,
    ) -> Result<bool, StoreError> {
        let made = sqlx::query(
            "INSERT INTO registration (client, metadata, created_s, expires_s)
             SELECT $1, $2, $3, $4 WHERE (SELECT COUNT(*) FROM registration) < $5",
        )
        .bind(client)
        .bind(metadata)
        .bind(seconds(now_s))
        .bind(seconds(expires_s))
        .bind(i64::from(clients_max))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    /// What a client registered, unless that has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registration(
        &self,
        client: &str,
        now_s: u64,
    ) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT metadata FROM registration WHERE client = $1 AND expires_s > $2",
        )
        .bind(client)
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(metadata,)| metadata))
    }

    /// Puts off the end of a registration that is used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prolong_registration(
        &self,
        client: &str,
        expires_s: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE registration SET expires_s = $2 WHERE client = $1")
            .bind(client)
            .bind(seconds(expires_s))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
