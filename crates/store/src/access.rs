//! Just-in-time access: requests, approvals, grants, locks, as rows.
//!
//! What is changed together is changed by one [`AccessChange`]. A use of a grant is a statement of
//! its own, whose conditions make it exact.

mod change;
mod list;
mod notice;
mod read;
mod row;
#[cfg(test)]
mod tests;

use cardea_domain::{
    ActorId, EntitlementId, GrantId, LockId, RequestId, RunId, SubjectId, TenantId, UpstreamId,
};

pub use change::AccessChange;
pub use list::{Filter, Onlooker, Page};
pub use read::RequestCount;

use crate::{Store, StoreError, seconds};

/// A request, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its name; names sort by time.
    pub request: RequestId,
    /// `pending`, or what became of it.
    pub state: String,
    /// Under which entitlement.
    pub entitlement: EntitlementId,
    /// The person on whose behalf.
    pub subject: SubjectId,
    /// The agent.
    pub actor: ActorId,
    /// Where.
    pub upstream: UpstreamId,
    /// To what: a kind and a name.
    pub target: String,
    /// Everything else, as the caller wrote it.
    pub record: String,
    /// The grant that came of it.
    pub grant: Option<GrantId>,
    /// When it was asked.
    pub created_ms: u64,
    /// When it ends unanswered.
    pub expires_ms: u64,
}

/// One decision about a request, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    /// About which.
    pub request: RequestId,
    /// By whom; once for each request.
    pub approver: String,
    /// How many were before it.
    pub position: u64,
    /// The decision, as the caller wrote it.
    pub record: String,
    /// When.
    pub decided_ms: u64,
}

/// A grant, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// Its name; names sort by time.
    pub grant: GrantId,
    /// The request that it came of.
    pub request: RequestId,
    /// Under which entitlement.
    pub entitlement: EntitlementId,
    /// The person.
    pub subject: SubjectId,
    /// The agent.
    pub actor: ActorId,
    /// The run; `None` for every run of the agent.
    pub run: Option<RunId>,
    /// Where.
    pub upstream: UpstreamId,
    /// To what: a kind and a name.
    pub target: String,
    /// Everything else, as the caller wrote it.
    pub record: String,
    /// How many calls.
    pub calls_max: Option<u64>,
    /// How many were begun.
    pub calls_used: u64,
    /// How many bytes.
    pub bytes_max: Option<u64>,
    /// How many were counted.
    pub bytes_used: u64,
    /// Calls that were begun and not settled.
    pub open_calls: u64,
    /// From when.
    pub starts_ms: u64,
    /// Until when.
    pub expires_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// A lock, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// Its name.
    pub lock: LockId,
    /// What it locks, as the caller wrote it.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_ms: u64,
    /// When it ends by itself.
    pub expires_ms: Option<u64>,
}

impl Store {
    /// Begins a change of a tenant's access: all of it happens at its commit, or nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_access(&self, of: &TenantId) -> Result<AccessChange, StoreError> {
        // What is written to a file without a name is lost with the process.
        let began = self.pulse.begin()?;
        Ok(AccessChange::new(self.pool.begin().await?, of, began))
    }

    /// Begins a call under a grant: counts it, durably; `false` when the grant has ended, or every
    /// call of it was begun.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not known whether the call was counted.
    pub async fn use_grant(
        &self,
        of: &TenantId,
        grant: &GrantId,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "UPDATE access_grant SET calls_used = calls_used + 1, open_calls = open_calls + 1
             WHERE tenant = $1 AND grant_id = $2 AND ended_ms IS NULL AND expires_ms > $3
             AND (calls_max IS NULL OR calls_used < calls_max)
             AND (bytes_max IS NULL OR bytes_used < bytes_max)",
        )
        .bind(of.as_str())
        .bind(grant.as_str())
        .bind(seconds(now_ms))
        .execute(&self.pool)
        .await?;
        Ok(used.rows_affected() == 1)
    }

    /// Settles calls that have ended, with the bytes that they had together.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_grant(
        &self,
        of: &TenantId,
        grant: &GrantId,
        calls: u64,
        bytes: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE access_grant SET open_calls = open_calls - $3, bytes_used = bytes_used + $4
             WHERE tenant = $1 AND grant_id = $2",
        )
        .bind(of.as_str())
        .bind(grant.as_str())
        .bind(seconds(calls))
        .bind(seconds(bytes))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes a tenant's requests and grants that ended before `before_ms`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge_access(&self, of: &TenantId, before_ms: u64) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM access_approval WHERE tenant = $1 AND request IN
             (SELECT request FROM access_request WHERE tenant = $1 AND ended_ms < $2)",
            "DELETE FROM access_request WHERE tenant = $1 AND ended_ms < $2",
            "DELETE FROM access_grant WHERE tenant = $1 AND ended_ms < $2",
            "DELETE FROM access_notice WHERE tenant = $1 AND told_ms < $2",
        ] {
            sqlx::query(statement)
                .bind(of.as_str())
                .bind(seconds(before_ms))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}
