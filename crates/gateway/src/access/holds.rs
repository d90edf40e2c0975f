//! How many calls of one agent wait for people: each holds its message and a place among those of its tenant.

use std::{collections::HashMap, sync::Arc};

use cardea_domain::{ActorId, Principal, SubjectId, TenantId};
use parking_lot::Mutex;

/// Calls of one agent of one person that wait at a time.
const HOLDS_MAX: usize = 4;

type Holder = (TenantId, SubjectId, ActorId);

/// The calls that wait.
#[derive(Debug, Default, Clone)]
pub(crate) struct Holds(Arc<Mutex<HashMap<Holder, usize>>>);

/// One call that waits; given back when dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    holds: Holds,
    holder: Holder,
}

impl Holds {
    /// A place for one more; `None` when as many wait as may, and this one is answered at once.
    pub(crate) fn enter(&self, principal: &Principal) -> Option<Hold> {
        let holder = (
            principal.tenant.clone(),
            principal.subject.clone(),
            principal.actor.clone(),
        );
        let mut holds = self.0.lock();
        let held = holds.entry(holder.clone()).or_insert(0);
        if *held >= HOLDS_MAX {
            return None;
        }
        *held += 1;
        drop(holds);
        Some(Hold {
            holds: self.clone(),
            holder,
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.holds.0.lock();
        if let Some(held) = holds.get_mut(&self.holder) {
            *held -= 1;
            if *held == 0 {
                holds.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use cardea_domain::{KeyBinding, RunId, RunSource};

    use super::*;

    pub(in crate::access) fn principal(subject: &str) -> Principal {
        Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse(subject).unwrap(),
            actor: ActorId::parse("bot").unwrap(),
            run: RunId::parse("r").unwrap(),
            run_source: RunSource::Token,
            standing: Arc::default(),
            binding: KeyBinding::NONE,
            groups: Arc::from([]),
            task: None,
            chain: Arc::from([]),
        }
    }

    #[test]
    fn each_agent_has_its_places_and_gives_them_back() {
        let holds = Holds::default();
        let (ada, bob) = (principal("ada"), principal("bob"));
        let held: Vec<_> = (0..HOLDS_MAX).map_while(|_| holds.enter(&ada)).collect();
        assert_eq!(held.len(), HOLDS_MAX);
        assert!(holds.enter(&ada).is_none());
        assert!(holds.enter(&bob).is_some());
        drop(held);
        assert!(holds.enter(&ada).is_some());
        assert!(
            holds.0.lock().is_empty(),
            "nothing is left of those who left"
        );
    }
}
