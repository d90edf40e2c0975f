//! What is changed together.

use cardea_domain::{GrantId, LockId, RequestId, TenantId};
use sqlx::{Sqlite, Transaction};

use super::{ApprovalRow, GrantRow, LockRow, RequestRow};
use crate::{StoreError, pulse::Began, seconds};

/// A change that happens at its commit; dropped before, it never was.
///
/// The first thing that is done with it takes the store's one place for writers.
#[derive(Debug)]
#[must_use = "a change that is not committed does not happen"]
pub struct AccessChange {
    transaction: Transaction<'static, Sqlite>,
    tenant: TenantId,
    began: Began,
}

impl AccessChange {
    pub(super) fn new(
        transaction: Transaction<'static, Sqlite>,
        of: &TenantId,
        began: Began,
    ) -> Self {
        Self {
            transaction,
            tenant: of.clone(),
            began,
        }
    }

    /// Adds a request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_request(&mut self, row: &RequestRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_request (tenant, request, state, subject, actor, upstream, target,
                 record, created_ms, expires_ms, entitlement)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(self.tenant.as_str())
        .bind(row.request.as_str())
        .bind(&row.state)
        .bind(row.subject.as_str())
        .bind(row.actor.as_str())
        .bind(row.upstream.as_str())
        .bind(&row.target)
        .bind(&row.record)
        .bind(seconds(row.created_ms))
        .bind(seconds(row.expires_ms))
        .bind(row.entitlement.as_str())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Writes anew what a pending request says; `false` when it is not pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_request(&mut self, row: &RequestRow) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "UPDATE access_request SET record = $3
             WHERE tenant = $1 AND request = $2 AND state = 'pending'",
        )
        .bind(self.tenant.as_str())
        .bind(row.request.as_str())
        .bind(&row.record)
        .execute(&mut *self.transaction)
        .await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Adds a decision; fails when its approver has decided about this request before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_approval(&mut self, row: &ApprovalRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_approval (tenant, request, approver, position, record, decided_ms)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, request, approver) DO UPDATE
             SET position = excluded.position, record = excluded.record, decided_ms = excluded.decided_ms",
        )
        .bind(self.tenant.as_str())
        .bind(row.request.as_str())
        .bind(&row.approver)
        .bind(seconds(row.position))
        .bind(&row.record)
        .bind(seconds(row.decided_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Says what became of a pending request; `false` when it is not pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_request(
        &mut self,
        request: &RequestId,
        state: &str,
        grant: Option<&GrantId>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let ended = sqlx::query(
            "UPDATE access_request SET state = $3, grant_id = $4, ended_ms = $5
             WHERE tenant = $1 AND request = $2 AND state = 'pending'",
        )
        .bind(self.tenant.as_str())
        .bind(request.as_str())
        .bind(state)
        .bind(grant.map(GrantId::as_str))
        .bind(seconds(now_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Adds a grant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_grant(&mut self, row: &GrantRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_grant (tenant, grant_id, request, subject, actor, run, upstream,
                 target, record, calls_max, calls_used, bytes_max, bytes_used, open_calls,
                 starts_ms, expires_ms, entitlement)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, 0, 0, $12, $13, $14)",
        )
        .bind(self.tenant.as_str())
        .bind(row.grant.as_str())
        .bind(row.request.as_str())
        .bind(row.subject.as_str())
        .bind(row.actor.as_str())
        .bind(row.run.as_ref().map(|run| run.as_str()))
        .bind(row.upstream.as_str())
        .bind(&row.target)
        .bind(&row.record)
        .bind(row.calls_max.map(seconds))
        .bind(row.bytes_max.map(seconds))
        .bind(seconds(row.starts_ms))
        .bind(seconds(row.expires_ms))
        .bind(row.entitlement.as_str())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Puts off the end of a grant; `false` when it has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn extend_grant(
        &mut self,
        grant: &GrantId,
        expires_ms: u64,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let extended = sqlx::query(
            "UPDATE access_grant SET expires_ms = $3
             WHERE tenant = $1 AND grant_id = $2 AND ended_ms IS NULL AND expires_ms > $4",
        )
        .bind(self.tenant.as_str())
        .bind(grant.as_str())
        .bind(seconds(expires_ms))
        .bind(seconds(now_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(extended.rows_affected() == 1)
    }

    /// Ends a grant, unless it has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_grant(
        &mut self,
        grant: &GrantId,
        reason: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE access_grant SET ended_ms = $3, end_reason = $4
             WHERE tenant = $1 AND grant_id = $2 AND ended_ms IS NULL",
        )
        .bind(self.tenant.as_str())
        .bind(grant.as_str())
        .bind(seconds(now_ms))
        .bind(reason)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Sets a lock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_lock(&mut self, row: &LockRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO access_lock (tenant, lock_id, scope, reason, set_by, set_ms, expires_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(self.tenant.as_str())
        .bind(row.lock.as_str())
        .bind(&row.scope)
        .bind(&row.reason)
        .bind(&row.set_by)
        .bind(seconds(row.set_ms))
        .bind(row.expires_ms.map(seconds))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Lifts a lock; `false` when there is none of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_lock(&mut self, lock: &LockId) -> Result<bool, StoreError> {
        let removed = sqlx::query("DELETE FROM access_lock WHERE tenant = $1 AND lock_id = $2")
            .bind(self.tenant.as_str())
            .bind(lock.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(removed.rows_affected() == 1)
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
