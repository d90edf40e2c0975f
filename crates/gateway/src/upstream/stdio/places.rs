//! Who has how many processes of an upstream, and how soon after a crash there is another.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use cardea_domain::{ActorId, Principal, SubjectId, TenantId};

/// Whose process it is: a person's agent, whatever its run.
pub(super) type Owner = (TenantId, SubjectId, ActorId);

/// The places of processes that run, are being started or are being ended.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: usize,
    /// Those who have none are not in it.
    taken_by: HashMap<Owner, usize>,
    /// Each waits for crashes of their own processes: whoever can crash a server holds up nobody else.
    backoffs: HashMap<Owner, Backoff>,
}

/// How long to wait before a server that crashed is started again.
#[derive(Debug)]
struct Backoff {
    crashes: u32,
    not_before: Instant,
}

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A process that ran this long had a good start: the next crash begins from the first step.
const RAN_WELL: Duration = Duration::from_secs(60);

pub(super) fn owner(principal: &Principal) -> Owner {
    (
        principal.tenant.clone(),
        principal.subject.clone(),
        principal.actor.clone(),
    )
}

impl Places {
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn taken_by(&self, owner: &Owner) -> usize {
        self.taken_by.get(owner).copied().unwrap_or(0)
    }

    pub(super) fn take(&mut self, owner: &Owner) {
        self.taken = self.taken.saturating_add(1);
        let theirs = self.taken_by.entry(owner.clone()).or_default();
        *theirs = theirs.saturating_add(1);
    }

    pub(super) fn give_back(&mut self, owner: &Owner) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(theirs) = self.taken_by.get_mut(owner) {
            *theirs = theirs.saturating_sub(1);
            if *theirs == 0 {
                self.taken_by.remove(owner);
            }
        }
    }

    /// Notes that a process of theirs ended unasked after having run for `ran`.
    pub(super) fn crashed(&mut self, owner: &Owner, ran: Duration) {
        let now = Instant::now();
        // Who has not called since is forgotten: there are no more of them than crashed within a while.
        self.backoffs
            .retain(|_, backoff| now < backoff.not_before + RAN_WELL);
        let before = self
            .backoffs
            .get(owner)
            .map_or(0, |backoff| backoff.crashes);
        let crashes = if ran >= RAN_WELL { 0 } else { before };
        let step = BACKOFF_FIRST.saturating_mul(1 << crashes.min(16));
        let backoff = Backoff {
            crashes: crashes.saturating_add(1),
            not_before: now + step.min(BACKOFF_MAX),
        };
        self.backoffs.insert(owner.clone(), backoff);
    }

    /// How long it is until their next process may be started.
    pub(super) fn pause(&self, owner: &Owner) -> Duration {
        self.backoffs
            .get(owner)
            .map(|backoff| backoff.not_before.saturating_duration_since(Instant::now()))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(subject: &str) -> Owner {
        (
            TenantId::parse("acme").unwrap(),
            SubjectId::parse(subject).unwrap(),
            ActorId::parse("bot").unwrap(),
        )
    }

    #[test]
    fn places_are_counted_for_each_and_for_all() {
        let mut places = Places::default();
        for who in ["ada", "ada", "bob"] {
            places.take(&of(who));
        }
        assert_eq!(places.taken(), 3);
        assert_eq!(places.taken_by(&of("ada")), 2);
        places.give_back(&of("ada"));
        places.give_back(&of("bob"));
        assert_eq!((places.taken(), places.taken_by(&of("ada"))), (1, 1));
        assert!(!places.taken_by.contains_key(&of("bob")), "nothing is kept");
    }

    #[test]
    fn each_crash_doubles_the_pause_up_to_its_bound() {
        let (mut places, ada) = (Places::default(), of("ada"));
        assert_eq!(places.pause(&ada), Duration::ZERO);
        places.crashed(&ada, Duration::ZERO);
        assert!(places.pause(&ada) <= BACKOFF_FIRST);
        for _ in 0..40 {
            places.crashed(&ada, Duration::ZERO);
        }
        let pause = places.pause(&ada);
        assert!(pause > BACKOFF_MAX / 2 && pause <= BACKOFF_MAX);
        assert_eq!(places.pause(&of("bob")), Duration::ZERO);
        places.crashed(&ada, RAN_WELL);
        assert!(places.pause(&ada) <= BACKOFF_FIRST);
    }
}
