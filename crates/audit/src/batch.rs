//! Waiting for the disk: who waits for one commit, and how they are woken.
//!
//! All records of one commit share a [`Batch`]. A wake-up from the writer's thread costs a task
//! of another runtime an eventfd write. Among 64 waiters that was 0.4 µs each for the writer and
//! as much again for the runtime that is interrupted, against 0.2 to 0.4 µs for both when the
//! writer wakes one waiter per thread and that one, on its own thread, wakes the rest (measured on
//! the 2-core machine of `bench/README.md`; two records a call make that 1 µs of a call's 45).
//!
//! No wake-up is lost:
//! - Registering and settling hold the same lock. A waiter either registers before the batch is
//!   settled and is in a group then, or finds it settled.
//! - A waker leaves its group exactly once: as the leader that [`Batch::settle`] returns, with a
//!   member's next poll or drop, or by [`Batch::sweep`].
//! - A leader may be woken and yet not poll: its task may be busy with something else. So the
//!   writer sweeps every batch, after the next commit or a millisecond later, and what is in a
//!   group by then is woken one by one. The leaders make it cheap; the sweep makes it certain.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use parking_lot::Mutex;

use crate::unavailable::Unavailable;

#[cfg(test)]
mod tests;

/// The proof that a record is durable. Only this room makes it.
#[derive(Debug)]
#[must_use = "a receipt is there to be shown to whoever acts or answers"]
pub struct Receipt {
    seq: u64,
}

/// A record that is on its way to the disk. It gets there whether anybody waits or not.
#[derive(Debug)]
#[must_use = "a record that nobody waits for proves nothing"]
pub struct Pending {
    batch: Arc<Batch>,
    /// The record's place in the batch.
    index: u64,
    /// Where this waiter is registered.
    place: Option<Place>,
}

/// The records of one commit, as far as those who wait for them are concerned.
#[derive(Debug, Default)]
pub(crate) struct Batch(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    settled: Option<Settled>,
    groups: Vec<Group>,
}

/// How a commit ended: with the seq of its first record, or not at all.
pub(crate) type Settled = Result<u64, Unavailable>;

/// Those who wait on one thread.
#[derive(Debug)]
struct Group {
    thread: ThreadId,
    /// `None` where the waiter is gone.
    wakers: Vec<Option<Waker>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    group: usize,
    waiter: usize,
}

/// What a waiter takes with it when it goes; to be dropped and woken outside of the lock.
struct Left {
    own: Option<Waker>,
    rest: Vec<Option<Waker>>,
}

impl Receipt {
    /// The record's number in the log.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl Pending {
    pub(crate) fn new(batch: Arc<Batch>, index: u64) -> Self {
        Self {
            batch,
            index,
            place: None,
        }
    }

    /// Waits until the record is on disk; works in any executor.
    ///
    /// # Errors
    /// [`Unavailable`] when the disk refused: the record does not exist then, and the log goes
    /// on without it.
    pub async fn durable(self) -> Result<Receipt, Unavailable> {
        self.await
    }
}

impl Future for Pending {
    type Output = Result<Receipt, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut inner = this.batch.0.lock();
        match &inner.settled {
            Some(settled) => {
                let settled = settled.clone();
                let left = this.place.take().map(|place| inner.leave(place));
                drop(inner);
                if let Some(left) = left {
                    left.wake_the_rest();
                }
                Poll::Ready(settled.map(|first| Receipt {
                    seq: first.saturating_add(this.index),
                }))
            }
            None => {
                let old = inner.register(&mut this.place, cx.waker());
                drop(inner);
                // Outside of the lock: the last waker of a task drops the task.
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let left = self.batch.0.lock().leave(place);
            left.wake_the_rest();
        }
    }
}

impl Batch {
    /// Says how the commit ended, and returns the one waiter per thread that is to be woken.
    pub(crate) fn settle(&self, settled: Settled) -> Vec<Option<Waker>> {
        let mut inner = self.0.lock();
        if inner.settled.is_some() {
            return Vec::new();
        }
        inner.settled = Some(settled);
        inner.groups.iter_mut().map(Group::take_leader).collect()
    }

    /// Wakes whoever no leader has woken.
    pub(crate) fn sweep(&self) {
        let groups = mem::take(&mut self.0.lock().groups);
        for group in groups {
            wake_all(group.wakers);
        }
    }

    /// Whether a sweep would find somebody.
    pub(crate) fn has_sleepers(&self) -> bool {
        let inner = self.0.lock();
        inner
            .groups
            .iter()
            .any(|g| g.wakers.iter().any(Option::is_some))
    }
}

impl Inner {
    /// Puts the waker in its place, which is made when there is none; returns the one before.
    fn register(&mut self, place: &mut Option<Place>, waker: &Waker) -> Option<Waker> {
        if let Some(at) = place
            && let Some(slot) = self.slot(*at)
        {
            return match slot {
                Some(old) if old.will_wake(waker) => None,
                slot => slot.replace(waker.clone()),
            };
        }
        let thread = thread::current().id();
        let group = match self.groups.iter().position(|g| g.thread == thread) {
            Some(group) => group,
            None => {
                self.groups.push(Group {
                    thread,
                    wakers: Vec::new(),
                });
                self.groups.len() - 1
            }
        };
        if let Some(found) = self.groups.get_mut(group) {
            *place = Some(Place {
                group,
                waiter: found.wakers.len(),
            });
            found.wakers.push(Some(waker.clone()));
        }
        None
    }

    /// Gives a place up: alone before the batch is settled, for the whole group after it.
    fn leave(&mut self, place: Place) -> Left {
        let own = self.slot(place).and_then(Option::take);
        let rest = match self.groups.get_mut(place.group) {
            Some(group) if self.settled.is_some() => mem::take(&mut group.wakers),
            _ => Vec::new(),
        };
        Left { own, rest }
    }

    fn slot(&mut self, place: Place) -> Option<&mut Option<Waker>> {
        self.groups
            .get_mut(place.group)?
            .wakers
            .get_mut(place.waiter)
    }
}

impl Group {
    /// The first that still waits.
    fn take_leader(&mut self) -> Option<Waker> {
        self.wakers.iter_mut().find_map(Option::take)
    }
}

impl Left {
    fn wake_the_rest(self) {
        drop(self.own);
        wake_all(self.rest);
    }
}

/// Wakes all of them; never called under a batch's lock.
pub(crate) fn wake_all(wakers: Vec<Option<Waker>>) {
    for waker in wakers.into_iter().flatten() {
        waker.wake();
    }
}
