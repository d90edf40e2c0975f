//! Rows as the database returns them.

use cardea_domain::{
    ActorId, EntitlementId, GrantId, LockId, RequestId, RunId, SubjectId, UpstreamId,
};
use sqlx::FromRow;

use super::{ApprovalRow, GrantRow, LockRow, RequestRow};
use crate::{StoreError, unsigned};

#[derive(FromRow)]
pub(super) struct RawRequest {
    request: String,
    state: String,
    entitlement: String,
    subject: String,
    actor: String,
    upstream: String,
    target: String,
    record: String,
    grant_id: Option<String>,
    created_ms: i64,
    expires_ms: i64,
}

#[derive(FromRow)]
pub(super) struct RawApproval {
    request: String,
    approver: String,
    position: i64,
    record: String,
    decided_ms: i64,
}

#[derive(FromRow)]
pub(super) struct RawGrant {
    grant_id: String,
    request: String,
    entitlement: String,
    subject: String,
    actor: String,
    run: Option<String>,
    upstream: String,
    target: String,
    record: String,
    calls_max: Option<i64>,
    calls_used: i64,
    bytes_max: Option<i64>,
    bytes_used: i64,
    open_calls: i64,
    starts_ms: i64,
    expires_ms: i64,
    ended_ms: Option<i64>,
    end_reason: Option<String>,
}

#[derive(FromRow)]
pub(super) struct RawLock {
    lock_id: String,
    scope: String,
    reason: String,
    set_by: String,
    set_ms: i64,
    expires_ms: Option<i64>,
}

impl TryFrom<RawRequest> for RequestRow {
    type Error = StoreError;

    fn try_from(raw: RawRequest) -> Result<Self, StoreError> {
        Ok(Self {
            request: RequestId::parse(&raw.request)?,
            state: raw.state,
            entitlement: EntitlementId::parse(&raw.entitlement)?,
            subject: SubjectId::parse(&raw.subject)?,
            actor: ActorId::parse(&raw.actor)?,
            upstream: UpstreamId::parse(&raw.upstream)?,
            target: raw.target,
            record: raw.record,
            grant: raw.grant_id.as_deref().map(GrantId::parse).transpose()?,
            created_ms: unsigned(raw.created_ms),
            expires_ms: unsigned(raw.expires_ms),
        })
    }
}

impl TryFrom<RawApproval> for ApprovalRow {
    type Error = StoreError;

    fn try_from(raw: RawApproval) -> Result<Self, StoreError> {
        Ok(Self {
            request: RequestId::parse(&raw.request)?,
            approver: raw.approver,
            position: unsigned(raw.position),
            record: raw.record,
            decided_ms: unsigned(raw.decided_ms),
        })
    }
}

impl TryFrom<RawGrant> for GrantRow {
    type Error = StoreError;

    fn try_from(raw: RawGrant) -> Result<Self, StoreError> {
        Ok(Self {
            grant: GrantId::parse(&raw.grant_id)?,
            request: RequestId::parse(&raw.request)?,
            entitlement: EntitlementId::parse(&raw.entitlement)?,
            subject: SubjectId::parse(&raw.subject)?,
            actor: ActorId::parse(&raw.actor)?,
            run: raw.run.as_deref().map(RunId::parse).transpose()?,
            upstream: UpstreamId::parse(&raw.upstream)?,
            target: raw.target,
            record: raw.record,
            calls_max: raw.calls_max.map(unsigned),
            calls_used: unsigned(raw.calls_used),
            bytes_max: raw.bytes_max.map(unsigned),
            bytes_used: unsigned(raw.bytes_used),
            open_calls: unsigned(raw.open_calls),
            starts_ms: unsigned(raw.starts_ms),
            expires_ms: unsigned(raw.expires_ms),
            ended_ms: raw.ended_ms.map(unsigned),
            end_reason: raw.end_reason,
        })
    }
}

impl TryFrom<RawLock> for LockRow {
    type Error = StoreError;

    fn try_from(raw: RawLock) -> Result<Self, StoreError> {
        Ok(Self {
            lock: LockId::parse(&raw.lock_id)?,
            scope: raw.scope,
            reason: raw.reason,
            set_by: raw.set_by,
            set_ms: unsigned(raw.set_ms),
            expires_ms: raw.expires_ms.map(unsigned),
        })
    }
}
