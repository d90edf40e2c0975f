//! What a run has seen, apart for each stretch of time, so that it can forget what is old and nothing else.

use std::{collections::HashSet, iter::once};

use crate::index::{Asked, ENTRIES_MAX, Index, Key};

/// What was seen in one stretch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stretch {
    /// In milliseconds of the caller's clock.
    began_ms: u64,
    last_ms: u64,
    pub(crate) index: Index,
    pub(crate) is_tainted: bool,
    pub(crate) is_private: bool,
    /// Anything may have been seen in it.
    is_lost: bool,
    contested: HashSet<[u8; 32]>,
}

/// All stretches of a run, the newest apart: what is learnt goes there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) newest: Stretch,
    older: Vec<Stretch>,
}

/// What is older than the newest by less than this is kept with it.
const STRETCH_MS: u64 = 6 * 3600 * 1000;

/// Approvals of one run that are remembered as open.
const CONTESTED_MAX: usize = 256;

impl Stretch {
    fn lost(at_ms: u64) -> Self {
        let mut stretch = Self {
            began_ms: at_ms,
            last_ms: at_ms,
            is_tainted: true,
            is_private: true,
            is_lost: true,
            ..Self::default()
        };
        stretch.index.fill();
        stretch
    }

    fn is_doubtful(&self) -> bool {
        self.is_lost || self.index.is_full()
    }
}

impl Memory {
    /// One that may hold anything that was seen up to this moment.
    pub(crate) fn lost(at_ms: u64) -> Self {
        Self {
            newest: Stretch::lost(at_ms),
            older: Vec::new(),
        }
    }

    /// Gives the room back; anything may have been seen from here on.
    pub(crate) fn forget(&mut self) {
        let contested = self.all().flat_map(|s| &s.contested).copied().collect();
        let mut lost = Self::lost(self.newest.last_ms);
        lost.newest.contested = contested;
        *self = lost;
    }

    /// Notes the time, and begins a stretch where it is due.
    pub(crate) fn turn(&mut self, now_ms: u64) {
        let is_blank = self.newest.index.len() == 0 && !self.newest.is_doubtful();
        if self.newest.last_ms == 0 || is_blank && !self.newest.is_tainted {
            self.newest.began_ms = self.newest.began_ms.max(now_ms);
        }
        if now_ms.saturating_sub(self.newest.began_ms) >= STRETCH_MS {
            let next = Stretch {
                began_ms: now_ms,
                index: self.newest.index.empty_twin(),
                ..Stretch::default()
            };
            self.older.push(std::mem::replace(&mut self.newest, next));
        }
        self.newest.last_ms = self.newest.last_ms.max(now_ms);
    }

    /// Forgets the stretches that ended before this moment, as if they had not been.
    pub(crate) fn forget_before(&mut self, limit_ms: u64) {
        self.older.retain(|stretch| stretch.last_ms >= limit_ms);
        if self.newest.last_ms < limit_ms {
            self.newest = Stretch {
                index: self.newest.index.empty_twin(),
                ..Stretch::default()
            };
        }
    }

    /// Holds all stretches together to the bound of one run.
    pub(crate) fn bound(&mut self) {
        if self.entries() > ENTRIES_MAX {
            self.newest.index.fill();
        }
    }

    pub(crate) fn entries(&self) -> usize {
        self.all().map(|stretch| stretch.index.len()).sum()
    }

    pub(crate) fn is_tainted(&self) -> bool {
        self.all().any(|stretch| stretch.is_tainted)
    }

    pub(crate) fn is_private(&self) -> bool {
        self.all().any(|stretch| stretch.is_private)
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.all().any(Stretch::is_doubtful)
    }

    pub(crate) fn is_contested(&self) -> bool {
        self.all().any(|stretch| !stretch.contested.is_empty())
    }

    pub(crate) fn contest(&mut self, call: [u8; 32]) {
        if self.all().map(|s| s.contested.len()).sum::<usize>() < CONTESTED_MAX {
            self.newest.contested.insert(call);
        }
    }

    pub(crate) fn settle(&mut self, call: &[u8; 32]) {
        self.newest.contested.remove(call);
        for stretch in &mut self.older {
            stretch.contested.remove(call);
        }
    }

    pub(crate) fn marks(&self, key: Key<'_>) -> u8 {
        let hash = self.newest.index.hash(key);
        self.all()
            .fold(0, |marks, stretch| marks | stretch.index.marks_of(hash))
    }

    /// The kinds of action that text asks for to be done to what has this stem.
    pub(crate) fn asked(&self, stem: &str) -> Asked {
        let hash = self.newest.index.hash(Key::Stem(stem));
        self.all().fold(Asked::default(), |asked, stretch| {
            asked.and(stretch.index.asked_of(hash))
        })
    }

    /// The hashes of words, by which runs of them are looked for.
    pub(crate) fn words(&self, words: &[&str]) -> Vec<u64> {
        let each = words.iter();
        each.map(|word| self.newest.index.hash(Key::Word(word)))
            .collect()
    }

    pub(crate) fn has(&self, key: Key<'_>, mark: u8) -> bool {
        self.marks(key) & mark != 0
    }

    fn all(&self) -> impl Iterator<Item = &Stretch> {
        once(&self.newest).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::mark;

    const HOUR_MS: u64 = 3600 * 1000;

    fn saw(memory: &mut Memory, at_ms: u64, what: &str) {
        memory.turn(at_ms);
        memory.newest.index.add(Key::Value(what), mark::FREE);
        memory.newest.is_tainted = true;
    }

    #[test]
    fn what_is_old_is_forgotten_and_nothing_else() {
        let start_ms = 1_000_000 * HOUR_MS;
        let mut memory = Memory::default();
        saw(&mut memory, start_ms, "old");
        saw(&mut memory, start_ms + 5 * HOUR_MS, "not so old");
        saw(&mut memory, start_ms + 13 * HOUR_MS, "new");
        let has = |memory: &Memory, what| memory.has(Key::Value(what), mark::FREE);
        memory.forget_before(start_ms + 4 * HOUR_MS);
        assert!(has(&memory, "old"), "its stretch has not ended");
        memory.forget_before(start_ms + 6 * HOUR_MS);
        assert!(!has(&memory, "old") && !has(&memory, "not so old") && has(&memory, "new"));
        assert!(memory.is_tainted());
        memory.forget_before(start_ms + 14 * HOUR_MS);
        assert!(!has(&memory, "new") && !memory.is_tainted());
    }

    #[test]
    fn doubt_ends_with_the_stretch_that_it_is_about() {
        let mut memory = Memory::lost(HOUR_MS);
        saw(&mut memory, 8 * HOUR_MS, "new");
        assert!(memory.is_doubtful());
        memory.forget_before(2 * HOUR_MS);
        assert!(!memory.is_doubtful() && memory.is_tainted());
        memory.forget();
        assert!(memory.is_doubtful() && memory.entries() == 0);
    }

    #[test]
    fn all_stretches_share_one_bound() {
        let mut memory = Memory::default();
        for n in 0..ENTRIES_MAX {
            memory
                .newest
                .index
                .add(Key::Value(&n.to_string()), mark::FREE);
        }
        memory.bound();
        assert!(!memory.is_doubtful());
        memory.turn(HOUR_MS);
        memory.turn(8 * HOUR_MS);
        saw(&mut memory, 9 * HOUR_MS, "one more");
        memory.bound();
        assert!(memory.is_doubtful());
        assert_eq!(memory.entries(), ENTRIES_MAX);
    }
}
