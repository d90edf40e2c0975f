//! Opening: what the store remembers, taken into memory.

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::AtomicU64},
};

use cardea_domain::{Clock, TenantId};
use cardea_store::{GrantRow, LockRow, Store, StoreError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::broadcast;

use super::{Access, CHANGES_MAX, STALENESS_MAX, ending::Ending, views::decided};
use crate::{
    EndReason, Grant, Journal, Lock, codec,
    constraint::Constraint,
    index::Index,
    live::{Bound, Budget, Live, OnceBound, Origin, Place, Used},
    lock::Locks,
    pending::Pending,
    request::{DecidedBy, Reason},
    terms::{Kind, millis},
};

/// Rows that are read at a time.
const ROWS_AT_ONCE: u32 = 1000;

impl Access {
    /// Loads a tenant's pending requests, active grants and locks.
    ///
    /// A grant with a budget of bytes that had calls under way when the last process ended is used
    /// up: what they had is not known.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or holds what was not written.
    pub async fn open(
        store: Store,
        tenant: TenantId,
        clock: Clock,
        journal: Arc<dyn Journal>,
    ) -> Result<Arc<Self>, StoreError> {
        let now_ms = clock.unix_ms();
        let mut endings = Vec::new();
        let index = load_grants(&store, &tenant, now_ms, &mut endings).await?;
        let pending = load_pending(&store, &tenant).await?;
        let locks = Locks::default();
        for row in store.access_locks(&tenant).await? {
            locks.set(lock(row)?);
        }
        Ok(Arc::new(Self {
            tenant,
            store,
            clock,
            journal,
            turn: Arc::default(),
            index: RwLock::new(index),
            pending: RwLock::new(pending),
            locks,
            settled: Mutex::default(),
            doubts: Mutex::default(),
            staleness_max_ms: AtomicU64::new(millis(STALENESS_MAX)),
            endings: Mutex::new(endings),
            changes: broadcast::Sender::new(CHANGES_MAX),
        }))
    }
}

async fn load_grants(
    store: &Store,
    tenant: &TenantId,
    now_ms: u64,
    endings: &mut Vec<Ending>,
) -> Result<Index, StoreError> {
    let mut index = Index::default();
    let mut constraints = Constraints::default();
    let mut after = String::new();
    loop {
        let rows = store
            .active_access_grants(tenant, &after, ROWS_AT_ONCE)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(index);
        };
        after = last.grant.to_string();
        for row in rows {
            let is_unknown = row.bytes_max.is_some() && row.open_calls > 0;
            let live = Arc::new(resumed(row, &mut constraints, now_ms)?);
            if is_unknown {
                live.end(EndReason::Exhausted);
                endings.push(Ending::found(
                    &live,
                    "a call was under way when the gateway ended",
                ));
            } else {
                index.insert(live);
            }
        }
    }
}

/// The grant of a row, as it goes on.
fn resumed(row: GrantRow, seen: &mut Constraints, now_ms: u64) -> Result<Live, StoreError> {
    let used = Used {
        calls: row.calls_used,
        bytes: row.bytes_used,
    };
    let grant = codec::grant(row)?;
    let schemas = grant.constraints.iter();
    let constraints: Vec<_> = schemas
        .map(|s| seen.compiled(s))
        .collect::<Result<_, _>>()?;
    Ok(live(&grant, constraints).resumed(used, now_ms))
}

/// What calls are decided by, of a grant.
pub(super) fn live(grant: &Grant, constraints: Vec<Arc<Constraint>>) -> Live {
    let place = Place {
        subject: grant.subject.clone(),
        actor: grant.actor.clone(),
        run: grant.run.clone(),
        action: grant.action,
        upstream: grant.upstream.clone(),
        target: grant.target.clone(),
    };
    let once = match (grant.terms.kind, grant.arguments_digest) {
        (Kind::Once, Some(arguments)) => Some(OnceBound {
            arguments,
            policies: grant.policies,
            by_people: (grant.approved_by.iter()).any(|by| matches!(by, DecidedBy::Person(_))),
            is_noticed: grant.reason.as_ref().is_some_and(Reason::is_noticed),
        }),
        _ => None,
    };
    let origin = Origin {
        entitlement: grant.entitlement.clone(),
        groups: Arc::clone(&grant.groups),
        kind: grant.terms.kind,
    };
    let bound = Bound {
        run_source: grant.run_source,
        binding: grant.binding,
        tool_digest: grant.tool_digest,
        once,
        constraints: constraints.into(),
    };
    Live::new(
        (grant.id.clone(), origin),
        place,
        bound,
        Budget::of(&grant.terms),
        (grant.starts_ms, grant.expires_ms),
    )
}

/// Schemas that many grants share are compiled once.
#[derive(Default)]
struct Constraints(HashMap<String, Weak<Constraint>>);

impl Constraints {
    fn compiled(&mut self, schema: &serde_json::Value) -> Result<Arc<Constraint>, StoreError> {
        let text = schema.to_string();
        if let Some(known) = self.0.get(&text).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let compiled = Constraint::compile(schema)
            .map(Arc::new)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.0.insert(text, Arc::downgrade(&compiled));
        Ok(compiled)
    }
}

async fn load_pending(store: &Store, tenant: &TenantId) -> Result<Pending, StoreError> {
    let mut pending = Pending::default();
    let mut after = String::new();
    loop {
        let rows = store
            .pending_access_requests(tenant, &after, ROWS_AT_ONCE)
            .await?;
        let Some(last) = rows.last() else {
            return Ok(pending);
        };
        after = last.request.to_string();
        for request in decided(store, tenant, rows).await? {
            pending.insert(Arc::new(request));
        }
    }
}

fn lock(row: LockRow) -> Result<Lock, StoreError> {
    let scope = serde_json::from_str(&row.scope);
    Ok(Lock {
        id: row.lock,
        scope: scope.map_err(|e| StoreError::Corrupt(e.to_string()))?,
        reason: row.reason,
        set_by: row.set_by,
        set_ms: row.set_ms,
        expires_ms: row.expires_ms,
    })
}
