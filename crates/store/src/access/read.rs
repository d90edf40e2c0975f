//! What is there.

use cardea_domain::{ActorId, GrantId, RequestId, SubjectId, TenantId, UpstreamId};
use sqlx::{QueryBuilder, Sqlite};

use super::{
    ApprovalRow, GrantRow, LockRow, RequestRow,
    row::{RawApproval, RawGrant, RawLock, RawRequest},
};
use crate::{Store, StoreError, unsigned};

/// How many requests for one thing are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCount {
    /// Where.
    pub upstream: UpstreamId,
    /// To what: a kind and a name.
    pub target: String,
    /// `pending`, or what became of them.
    pub state: String,
    /// How many.
    pub count: u64,
}

pub(super) const REQUEST: &str =
    "request, state, entitlement, subject, actor, upstream, target, record, grant_id,
    created_ms, expires_ms";

pub(super) const GRANT: &str =
    "grant_id, request, entitlement, subject, actor, run, upstream, target, record, calls_max,
    calls_used, bytes_max, bytes_used, open_calls, starts_ms, expires_ms, ended_ms, end_reason";

impl Store {
    /// One request of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_request(
        &self,
        of: &TenantId,
        request: &RequestId,
    ) -> Result<Option<RequestRow>, StoreError> {
        let sql =
            format!("SELECT {REQUEST} FROM access_request WHERE tenant = $1 AND request = $2");
        let raw: Option<RawRequest> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(of.as_str())
            .bind(request.as_str())
            .fetch_optional(&self.pool)
            .await?;
        raw.map(RequestRow::try_from).transpose()
    }

    /// Counts the requests of one agent for one person, those from the name `from` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_access_requests(
        &self,
        of: &TenantId,
        subject: &SubjectId,
        actor: &ActorId,
        from: &str,
    ) -> Result<Vec<RequestCount>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT upstream, target, state, COUNT(*) FROM access_request
             WHERE tenant = $1 AND request >= $2 AND subject = $3 AND actor = $4
             GROUP BY upstream, target, state",
        )
        .bind(of.as_str())
        .bind(from)
        .bind(subject.as_str())
        .bind(actor.as_str())
        .fetch_all(&self.pool)
        .await?;
        let counts = rows.into_iter().map(|(upstream, target, state, count)| {
            Ok(RequestCount {
                upstream: UpstreamId::parse(&upstream)?,
                target,
                state,
                count: unsigned(count),
            })
        });
        counts.collect()
    }

    /// All decisions about a request, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_approvals(
        &self,
        of: &TenantId,
        request: &RequestId,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        let raw: Vec<RawApproval> = sqlx::query_as(
            "SELECT request, approver, position, record, decided_ms FROM access_approval
             WHERE tenant = $1 AND request = $2 ORDER BY position",
        )
        .bind(of.as_str())
        .bind(request.as_str())
        .fetch_all(&self.pool)
        .await?;
        raw.into_iter().map(ApprovalRow::try_from).collect()
    }

    /// All decisions about some requests, in order for each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_approvals_of(
        &self,
        of: &TenantId,
        requests: impl Iterator<Item = &RequestId>,
    ) -> Result<Vec<ApprovalRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT request, approver, position, record, decided_ms FROM access_approval
             WHERE tenant = ",
        );
        query.push_bind(of.as_str()).push(" AND request IN (");
        let mut names = query.separated(", ");
        for request in requests {
            names.push_bind(request.as_str());
        }
        query.push(") ORDER BY request, position");
        let raw: Vec<RawApproval> = query.build_query_as().fetch_all(&self.pool).await?;
        raw.into_iter().map(ApprovalRow::try_from).collect()
    }

    /// One grant of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_grant(
        &self,
        of: &TenantId,
        grant: &GrantId,
    ) -> Result<Option<GrantRow>, StoreError> {
        let sql = format!("SELECT {GRANT} FROM access_grant WHERE tenant = $1 AND grant_id = $2");
        let raw: Option<RawGrant> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(of.as_str())
            .bind(grant.as_str())
            .fetch_optional(&self.pool)
            .await?;
        raw.map(GrantRow::try_from).transpose()
    }

    /// Some of a tenant's pending requests: those that follow the one of this name, in order of
    /// names; from the first on for an empty one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_access_requests(
        &self,
        of: &TenantId,
        after: &str,
        rows_max: u32,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let sql = format!(
            "SELECT {REQUEST} FROM access_request
             WHERE tenant = $1 AND state = 'pending' AND request > $2 ORDER BY request LIMIT $3"
        );
        let raw: Vec<RawRequest> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(of.as_str())
            .bind(after)
            .bind(i64::from(rows_max))
            .fetch_all(&self.pool)
            .await?;
        raw.into_iter().map(RequestRow::try_from).collect()
    }

    /// Some of a tenant's grants that have not ended: those that follow the one of this name, in
    /// order of names; from the first on for an empty one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn active_access_grants(
        &self,
        of: &TenantId,
        after: &str,
        rows_max: u32,
    ) -> Result<Vec<GrantRow>, StoreError> {
        let sql = format!(
            "SELECT {GRANT} FROM access_grant
             WHERE tenant = $1 AND ended_ms IS NULL AND grant_id > $2 ORDER BY grant_id LIMIT $3"
        );
        let raw: Vec<RawGrant> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(of.as_str())
            .bind(after)
            .bind(i64::from(rows_max))
            .fetch_all(&self.pool)
            .await?;
        raw.into_iter().map(GrantRow::try_from).collect()
    }

    /// All locks of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_locks(&self, of: &TenantId) -> Result<Vec<LockRow>, StoreError> {
        let raw: Vec<RawLock> = sqlx::query_as(
            "SELECT lock_id, scope, reason, set_by, set_ms, expires_ms FROM access_lock
             WHERE tenant = $1 ORDER BY lock_id",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        raw.into_iter().map(LockRow::try_from).collect()
    }
}
