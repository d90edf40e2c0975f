//! Locks: what nobody may do for now, whatever permits it. In memory, looked at by every call.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use cardea_domain::LockId;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::scope::{Caller, Scope};

/// A lock that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name; names sort by time.
    pub id: LockId,
    /// Whom or what it locks.
    pub scope: Scope,
    /// Why, in the words of whoever set it.
    pub reason: String,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_ms: u64,
    /// When it ends by itself; `None`: when it is lifted.
    pub expires_ms: Option<u64>,
}

impl Lock {
    fn holds(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|end| now_ms < end)
    }
}

/// The locks of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    by_scope: RwLock<HashMap<Scope, Vec<Lock>>>,
    /// How many there are, so that a look at none costs one load.
    count: AtomicUsize,
    /// Told whenever one is set.
    changed: Notify,
}

impl Locks {
    /// The lock that this caller meets; the one that ends last where there are several in a scope.
    pub(crate) fn meets(&self, caller: &Caller<'_>, now_ms: u64) -> Option<Lock> {
        // A call that began before the lock was set is cut by its notice.
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let locks = self.by_scope.read();
        let lasting = |of_scope: &[Lock]| {
            let held = of_scope.iter().filter(|l| l.holds(now_ms));
            held.max_by_key(|l| l.expires_ms.unwrap_or(u64::MAX))
                .cloned()
        };
        let met = Scope::of(caller).find_map(|scope| lasting(locks.get(&scope)?));
        if met.is_some() || !caller.may_be_of_any_tool() {
            return met;
        }
        let mut around = locks.iter().filter(|(scope, _)| caller.is_in(scope));
        around.find_map(|(_, of_scope)| lasting(of_scope))
    }

    /// Whether a lock of exactly this scope holds.
    pub(crate) fn has(&self, scope: &Scope, now_ms: u64) -> bool {
        let locks = self.by_scope.read();
        locks
            .get(scope)
            .is_some_and(|of_scope| of_scope.iter().any(|lock| lock.holds(now_ms)))
    }

    pub(crate) fn set(&self, lock: Lock) {
        let mut locks = self.by_scope.write();
        locks.entry(lock.scope.clone()).or_default().push(lock);
        self.recount(&locks);
        drop(locks);
        self.changed.notify_waiters();
    }

    pub(crate) fn lift(&self, id: &LockId) -> Option<Lock> {
        let mut locks = self.by_scope.write();
        let found = locks.values().flatten().find(|l| l.id == *id).cloned()?;
        if let Some(of_scope) = locks.get_mut(&found.scope) {
            of_scope.retain(|l| l.id != *id);
        }
        self.recount(&locks);
        Some(found)
    }

    /// Takes out those that have ended by themselves.
    pub(crate) fn take_expired(&self, now_ms: u64) -> Vec<Lock> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut locks = self.by_scope.write();
        let mut ended = Vec::new();
        for of_scope in locks.values_mut() {
            ended.extend(of_scope.extract_if(.., |l| !l.holds(now_ms)));
        }
        locks.retain(|_, of_scope| !of_scope.is_empty());
        self.recount(&locks);
        ended
    }

    /// All locks that hold, by age.
    pub(crate) fn all(&self, now_ms: u64) -> Vec<Lock> {
        let locks = self.by_scope.read();
        let held = locks.values().flatten().filter(|l| l.holds(now_ms));
        let mut all: Vec<_> = held.cloned().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Told whenever a lock is set after this was made.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    fn recount(&self, locks: &HashMap<Scope, Vec<Lock>>) {
        let count = locks.values().map(Vec::len).sum();
        self.count.store(count, Ordering::Release);
    }
}
