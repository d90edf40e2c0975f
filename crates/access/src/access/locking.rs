//! Locks: set at once, lifted when it is written down.

use cardea_domain::LockId;
use cardea_store::{LockRow, StoreError};

use super::{Access, ChangeError, ending::check_reason};
use crate::{By, Change, Event, Lock, scope::Scope};

/// Locks of one tenant; each look of a call is at six places, whatever their number.
const LOCKS_MAX: usize = 10_000;

/// A lock that is to be set.
#[derive(Debug, Clone)]
pub struct NewLock<'a> {
    /// Whom or what it locks.
    pub scope: Scope,
    /// Why.
    pub reason: &'a str,
    /// Who sets it.
    pub by: By<'a>,
    /// When it ends by itself, in milliseconds since the Unix epoch; `None`: when it is lifted.
    pub expires_ms: Option<u64>,
}

impl Access {
    /// Sets a lock. Calls under way that it meets are cut before this is ready. Grants stay, and can
    /// be used again when it is lifted.
    ///
    /// # Errors
    /// [`ChangeError`]; after a failure of the store or the record it is in force until the process
    /// ends, and has to be repeated to be durable.
    pub async fn lock(&self, new: NewLock<'_>) -> Result<Lock, ChangeError> {
        check_reason(new.reason)?;
        if self.locks.len() >= LOCKS_MAX {
            return Err(ChangeError::LocksFull { max: LOCKS_MAX });
        }
        let lock = Lock {
            id: LockId::parse(&self.name()).map_err(StoreError::from)?,
            scope: new.scope,
            reason: new.reason.to_owned(),
            set_by: new.by.person.as_str().to_owned(),
            set_ms: self.clock.unix_ms(),
            expires_ms: new.expires_ms,
        };
        self.locks.set(lock.clone());
        self.tell_lock(&lock, true);
        let _turn = self.turn.lock().await;
        let mut change = self.store.change_access(&self.tenant).await?;
        change.add_lock(&row(&lock)?).await?;
        let event = event("access_locked", &lock, new.by.to_string());
        self.record(&event).await?;
        change.commit().await?;
        Ok(lock)
    }

    /// Lifts a lock.
    ///
    /// # Errors
    /// [`ChangeError`]; then it is still set.
    pub async fn unlock<'a>(&self, id: &LockId, by: impl Into<By<'a>>) -> Result<(), ChangeError> {
        let by = by.into().to_string();
        let _turn = self.turn.lock().await;
        let now_ms = self.clock.unix_ms();
        let all = self.locks.all(now_ms);
        let lock = all.iter().find(|lock| lock.id == *id);
        let lock = lock.ok_or(ChangeError::Unknown("lock"))?;
        self.remove_lock(lock, by).await?;
        self.locks.lift(id);
        self.tell_lock(lock, false);
        Ok(())
    }

    /// Removes a lock from the store, and records it. The caller has the turn.
    pub(super) async fn remove_lock(&self, lock: &Lock, by: String) -> Result<(), ChangeError> {
        let mut change = self.store.change_access(&self.tenant).await?;
        change.remove_lock(&lock.id).await?;
        let event = event("access_unlocked", lock, by);
        self.record(&event).await?;
        Ok(change.commit().await?)
    }

    /// All locks that are set, by age.
    #[must_use]
    pub fn locks(&self) -> Vec<Lock> {
        self.locks.all(self.clock.unix_ms())
    }

    pub(super) fn tell_lock(&self, lock: &Lock, is_set: bool) {
        self.tell(Change::Lock {
            id: lock.id.clone(),
            is_set,
        });
    }
}

fn row(lock: &Lock) -> Result<LockRow, StoreError> {
    Ok(LockRow {
        lock: lock.id.clone(),
        scope: serde_json::to_string(&lock.scope)
            .map_err(|e| StoreError::Corrupt(e.to_string()))?,
        reason: lock.reason.clone(),
        set_by: lock.set_by.clone(),
        set_ms: lock.set_ms,
        expires_ms: lock.expires_ms,
    })
}

fn event<'a>(name: &'static str, lock: &'a Lock, by: String) -> Event<'a> {
    Event {
        name,
        lock: Some(&lock.id),
        by,
        detail: format!("scope={} reason={:?}", lock.scope, lock.reason),
        ..Event::default()
    }
}
