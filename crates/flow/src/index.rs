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
    /// In a field by which whoever wrote a record says who they are.
    pub(crate) const AUTHORED: u8 = 1 << 6;
}

/// What is remembered of a kind of thing: the same text as another kind is another thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    /// A value in its canonical form.
    Value(&'a str),
    /// A link exactly as it stands: a canonical form has room for a message in how it is spelt.
    Exact(&'a str),
    /// One word.
    Word(&'a str),
    /// So many words in a row, each by its hash.
    Words(&'a [u64]),
    /// The stem of a word.
    Stem(&'a str),
    /// A text as a whole, of which everything was learnt with exactly these marks.
    Text(&'a str, u8),
}

/// Kinds of action that text asks for, as a set, by who wrote it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// By a document that the request names.
    pub(crate) by_named: u8,
    /// By any other untrusted content.
    pub(crate) by_others: u8,
}

impl Asked {
    /// What both ask for.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            by_named: self.by_named | other.by_named,
            by_others: self.by_others | other.by_others,
        }
    }
}

/// Marks by key.
#[derive(Debug, Default, Clone)]
pub(crate) struct Index {
    keys: RandomState,
    marks: HashMap<u64, u8, ByItself>,
    /// By the stem of what is to be acted on; the empty one stands for anything.
    asked: HashMap<u64, Asked, ByItself>,
    is_full: bool,
}

impl Index {
    /// Adds marks; once there is no room, nothing is known any more.
    pub(crate) fn add(&mut self, key: Key<'_>, marks: u8) {
        self.add_hash(self.hash(key), marks);
    }

    /// The same of a key whose hash is known.
    pub(crate) fn add_hash(&mut self, hash: u64, marks: u8) {
        if self.is_full {
            return;
        }
        *self.marks.entry(hash).or_insert(0) |= marks;
        self.bound();
    }

    /// Adds that text asks for kinds of action to be done to what has this stem.
    pub(crate) fn ask(&mut self, stem: &str, asked: Asked) {
        if self.is_full {
            return;
        }
        let hash = self.hash(Key::Stem(stem));
        let all = self.asked.entry(hash).or_default();
        *all = all.and(asked);
        self.bound();
    }

    fn bound(&mut self) {
        if self.len() > ENTRIES_MAX {
            self.fill();
        }
    }

    /// Forgets everything, and that it has.
    pub(crate) fn fill(&mut self) {
        self.is_full = true;
        self.marks = HashMap::default();
        self.asked = HashMap::default();
    }

    /// Whether more was seen than can be remembered.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The hash of a key; the same in every twin.
    pub(crate) fn hash(&self, key: Key<'_>) -> u64 {
        match key {
            Key::Words(words) => mixed(words),
            key => self.keys.hash_one(key),
        }
    }

    pub(crate) fn marks_of(&self, hash: u64) -> u8 {
        self.marks.get(&hash).copied().unwrap_or(0)
    }

    pub(crate) fn asked_of(&self, hash: u64) -> Asked {
        self.asked.get(&hash).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn marks(&self, key: Key<'_>) -> u8 {
        self.marks_of(self.hash(key))
    }

    #[cfg(test)]
    pub(crate) fn has(&self, key: Key<'_>, mark: u8) -> bool {
        self.marks(key) & mark != 0
    }

    pub(crate) fn len(&self) -> usize {
        self.marks.len() + self.asked.len()
    }

    /// An empty one under the same hash keys.
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
        self.is_full == other.is_full && self.marks == other.marks && self.asked == other.asked
    }
}

/// One hash of several, in their order. They are keyed hashes, which nobody outside can choose or know: what is left to do
/// is that no two orders are alike, and each step is a bijection of what came before it.
fn mixed(hashes: &[u64]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let begin = (hashes.len() as u64).wrapping_mul(ODD);
    let mixed = hashes.iter().fold(begin, |mixed, hash| {
        (mixed.rotate_left(23) ^ hash).wrapping_mul(ODD)
    });
    mixed ^ mixed >> 32
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
        let words = |index: &Index, words: &[&str]| -> Vec<u64> {
            let each = words.iter();
            each.map(|word| index.hash(Key::Word(word))).collect()
        };
        let (two, one) = (words(&index, &["a", "b"]), words(&index, &["a b"]));
        index.add(Key::Value("a b"), mark::FREE);
        index.add(Key::Words(&two), mark::TYPED);
        assert_eq!(index.marks(Key::Value("a b")), mark::FREE);
        assert_eq!(index.marks(Key::Words(&two)), mark::TYPED);
        assert_eq!(index.marks(Key::Words(&one)), 0);
        for other in [&two[..1], &two[1..], &[two[1], two[0]], &[two[0], two[0]]] {
            assert_eq!(index.marks(Key::Words(other)), 0);
        }
    }
}
