//! One tenant, as far as calls need it: what is its own, in one place.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use cardea_audit::Ledger;
use cardea_domain::{Clock, Code, Denial};
use cardea_policy::{Policies, Question};
use cardea_registry::Registrar;
use jiff::tz::TimeZone;

use crate::{
    access::TenantAccess,
    budget::{Budget, Used},
    flow::TenantFlow,
    minutes::Minutes,
    moment::moment,
    tasks::Tasks,
};

/// What one tenant's calls are decided, bounded and recorded by.
#[derive(Debug)]
pub struct Tenant {
    /// The policies that all tenants share, and its own.
    pub policies: Arc<Policies>,
    /// Where its calls are recorded, and nobody else's.
    pub ledger: Ledger,
    /// Bounds on what its callers can make the gateway hold.
    pub limits: TenantLimits,
    /// What its calls may use.
    pub budgets: Vec<Budget>,
    /// What they hold now; the same value in every world.
    pub room: Arc<Room>,
    /// What may be asked for, was granted and is locked; `None` where nobody could decide.
    pub access: Option<TenantAccess>,
    /// What its runs have seen.
    pub flow: TenantFlow,
    /// Keeps what was approved of its servers' definitions; `None` where none of them needs approval.
    pub registrar: Option<Arc<Registrar>>,
    /// What its policies know the time by.
    pub clock: Clock,
    /// Where it is.
    pub time_zone: TimeZone,
}

/// Bounds on what the callers of one tenant can make the gateway hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantLimits {
    /// Calls under way, streams among them.
    pub calls_max: usize,
    /// Open streams.
    pub streams_max: usize,
    /// Open streams of one principal.
    pub streams_per_principal_max: usize,
}

/// How many calls and streams of one tenant are under way: counted without a lock, so that one
/// tenant at its limit costs the others nothing.
#[derive(Debug, Default)]
pub struct Room {
    calls: AtomicUsize,
    streams: AtomicUsize,
    pub(crate) used: Used,
    /// Which tool each task is of.
    pub(crate) tasks: Tasks,
    pub(crate) minutes: Minutes,
}

/// One counted call or stream; given back when dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub(crate) struct Place {
    room: Arc<Room>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Call,
    Stream,
}

impl Tenant {
    /// The same question, now: where any policy looks at the time.
    pub(crate) fn now(&self, question: Question) -> Question {
        if !self.policies.reads_time() {
            return question;
        }
        // Without a time, what looks at it denies.
        match moment(self.clock.unix_ms(), &self.time_zone) {
            Ok(moment) => question.at(moment),
            Err(_) => question,
        }
    }

    /// A place for one more call.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn enter(&self) -> Result<Place, Denial> {
        let max = self.limits.calls_max;
        self.room.take(Kind::Call, max).ok_or_else(|| {
            Denial::new(
                Code::Overloaded,
                format!("{max} calls of the tenant are under way already"),
            )
            .help("try again when some of them have ended")
        })
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn reserve_stream(&self) -> Result<Place, Denial> {
        let max = self.limits.streams_max;
        self.room
            .take(Kind::Stream, max)
            .ok_or_else(|| streams_full(max))
    }

    /// Whether one more stream could begin now.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn check_streams(&self) -> Result<(), Denial> {
        let max = self.limits.streams_max;
        if self.room.streams.load(Ordering::Relaxed) < max {
            Ok(())
        } else {
            Err(streams_full(max))
        }
    }

    /// Counts a stream that there is, whether there is room or not.
    pub(crate) fn count_stream(&self) -> Place {
        self.room.streams.fetch_add(1, Ordering::Relaxed);
        Place {
            room: Arc::clone(&self.room),
            kind: Kind::Stream,
        }
    }
}

fn streams_full(max: usize) -> Denial {
    Denial::new(
        Code::Overloaded,
        format!("{max} streams of the tenant are open already"),
    )
    .help("close a stream first, or try again when one has ended")
}

impl Room {
    fn take(self: &Arc<Self>, kind: Kind, max: usize) -> Option<Place> {
        // The counts guard no other memory, so their order with it does not matter.
        self.count(kind)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < max).then_some(taken + 1)
            })
            .ok()?;
        Some(Place {
            room: Arc::clone(self),
            kind,
        })
    }

    fn count(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Call => &self.calls,
            Kind::Stream => &self.streams,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.count(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn no_more_places_are_taken_than_there_are_and_each_is_given_back() {
        let room = Arc::new(Room::default());
        let taken = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let Some(_place) = room.take(Kind::Call, 3) else {
                            continue;
                        };
                        assert!(taken.fetch_add(1, Ordering::SeqCst) < 3);
                        taken.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(room.calls.load(Ordering::Relaxed), 0);
        let places: Vec<_> = (0..4).map_while(|_| room.take(Kind::Call, 3)).collect();
        assert_eq!(places.len(), 3);
        assert!(room.take(Kind::Stream, 1).is_some(), "streams are apart");
    }
}
