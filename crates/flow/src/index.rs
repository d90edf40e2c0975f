//! What was seen, as keyed hashes: bounded, and of no use to anybody who gets hold of it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
};

/// Entries of one run: some 24 MB at most, and the words of some 500 kB of text.
pub const ENTRIES_MAX: usize = 1 << 20;

/// Where something was seen; several of them together are added up.
pub(crate) mod mark {
    /// In free text of untrusted content.
    pub(crate) const FREE: u8 = 1;
    /// In a document that the request names.
    pub(crate) const NAMED: u8 = 1 << 1;
    /// As a reference in a typed field.
    pub(crate) const TYPED: u8 = 1 << 2;
    /// In what is trusted.
    pub(crate) const TRUSTED: u8 = 1 << 3;
    /// In what a read that leads outside has brought.
    pub(crate) const OUTSIDE: u8 = 1 << 4;
    /// In text that asks to go there.
    pub(crate) const INVITED: u8 = 1 << 5;
}

/// What is remembered of a kind of thing: the same text as another kind is another thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    /// A value in its canonical form.
    Value(&'a str),
    /// A link exactly as it stands: a canonical form has room for a message in how it is spelt.
    Exact(&'a str),
    /// So many words in a row.
    Words(&'a [&'a str]),
    /// That text asks for an action of this kind to be done to this.
    Asked(u8, &'a str),
}

/// Marks by key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Index {
    keys: RandomState,
    marks: HashMap<u64, u8, ByItself>,
    is_full: bool,
}

impl Index {
    /// Adds marks; once there is no room, nothing is known any more.
    pub(crate) fn add(&mut self, key: Key<'_>, marks: u8) {
        if self.is_full {
            return;
        }
        let hash = self.keys.hash_one(key);
        *self.marks.entry(hash).or_insert(0) |= marks;
        if self.marks.len() > ENTRIES_MAX {
            self.fill();
        }
    }

    /// Forgets everything, and that it has.
    pub(crate) fn fill(&mut self) {
        self.is_full = true;
        self.marks = HashMap::default();
    }

    /// Whether more was seen than can be remembered.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(crate) fn marks(&self, key: Key<'_>) -> u8 {
        self.marks
            .get(&self.keys.hash_one(key))
            .copied()
            .unwrap_or(0)
    }

    pub(crate) fn has(&self, key: Key<'_>, mark: u8) -> bool {
        self.marks(key) & mark != 0
    }

    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }

    /// The same, to be filled in another order under the same hash keys.
    #[cfg(test)]
    pub(crate) fn empty_twin(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        self.is_full == other.is_full && self.marks == other.marks
    }
}

/// The keys are keyed hashes already.
type ByItself = std::hash::BuildHasherDefault<Itself>;

#[derive(Debug, Default, Clone)]
struct Itself(u64);

impl std::hash::Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_index_knows_that_it_knows_nothing() {
        let mut index = Index::default();
        for n in 0..=ENTRIES_MAX {
            index.add(Key::Value(&n.to_string()), mark::TYPED);
        }
        assert!(index.is_full());
        assert_eq!(index.len(), 0);
        assert!(!index.has(Key::Value("1"), mark::TYPED));
    }

    #[test]
    fn kinds_of_things_are_apart() {
        let mut index = Index::default();
        index.add(Key::Value("a b"), mark::FREE);
        index.add(Key::Words(&["a", "b"]), mark::TYPED);
        assert_eq!(index.marks(Key::Value("a b")), mark::FREE);
        assert_eq!(index.marks(Key::Words(&["a", "b"])), mark::TYPED);
        assert_eq!(index.marks(Key::Words(&["a b"])), 0);
    }
}
