//! How many calls of the last hour there were, minute by minute: for people to look at.

use std::sync::atomic::{AtomicU64, Ordering};

/// Calls and refusals of each of the last sixty minutes. Counted without a lock: a call in the moment in which a
/// minute begins may be counted to none.
#[derive(Debug)]
pub(crate) struct Minutes([Slot; MINUTES]);

const MINUTES: usize = 60;

#[derive(Debug, Default)]
struct Slot {
    /// Since the Unix epoch.
    minute: AtomicU64,
    calls: AtomicU64,
    denials: AtomicU64,
}

impl Default for Minutes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Slot::default()))
    }
}

impl Minutes {
    /// Counts a call that was let through in this minute since the Unix epoch.
    pub(crate) fn call(&self, minute: u64) {
        if let Some(slot) = self.slot(minute) {
            slot.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call that was refused.
    pub(crate) fn denial(&self, minute: u64) {
        if let Some(slot) = self.slot(minute) {
            slot.denials.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Calls and refusals of the hour that ends with this minute, the oldest first.
    pub(crate) fn last_hour(&self, minute: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = minute.saturating_sub(MINUTES as u64 - 1);
        (first..=minute).map(|minute| match self.at(minute) {
            Some(slot) if slot.minute.load(Ordering::Acquire) == minute => (
                slot.calls.load(Ordering::Relaxed),
                slot.denials.load(Ordering::Relaxed),
            ),
            _ => (0, 0),
        })
    }

    /// The slot of a minute, emptied of the one an hour before.
    fn slot(&self, minute: u64) -> Option<&Slot> {
        let slot = self.at(minute)?;
        let held = slot.minute.load(Ordering::Acquire);
        if held < minute {
            let took =
                slot.minute
                    .compare_exchange(held, minute, Ordering::AcqRel, Ordering::Acquire);
            if took.is_ok() {
                slot.calls.store(0, Ordering::Relaxed);
                slot.denials.store(0, Ordering::Relaxed);
            }
        }
        Some(slot)
    }

    fn at(&self, minute: u64) -> Option<&Slot> {
        let at = usize::try_from(minute % MINUTES as u64).ok()?;
        self.0.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_longer() {
        let minutes = Minutes::default();
        minutes.call(1000);
        minutes.call(1000);
        minutes.denial(1059);
        let hour: Vec<_> = minutes.last_hour(1059).collect();
        assert_eq!(hour.len(), 60);
        assert_eq!((hour[0], hour[59]), ((2, 0), (0, 1)));
        minutes.call(1060);
        let hour: Vec<_> = minutes.last_hour(1060).collect();
        assert_eq!((hour[0], hour[58], hour[59]), ((0, 0), (0, 1), (1, 0)));
        assert!(minutes.last_hour(2000).all(|m| m == (0, 0)));
    }
}
