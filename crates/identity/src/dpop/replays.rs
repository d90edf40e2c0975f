//! The proofs that were used, for as long as they could be used again.
//!
//! Proofs are kept in slices of time, by when they were made: a slice is dropped as a whole once
//! the youngest proof that it can hold is too old to be accepted. Nothing is dropped earlier: when
//! there is no room, the proof is refused. One key's proofs are all in one shard, so that its own
//! bound is exact and two workers seldom wait for each other.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::digest::{SHA256, digest};
use cardea_domain::Thumbprint;
use parking_lot::Mutex;

/// What is known of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Before,
    NoRoom,
}

/// The used proofs of all keys.
pub(super) struct Replays {
    shards: Vec<Mutex<Shard>>,
    count: AtomicUsize,
    /// From a proof's `iat` until nobody accepts it any more.
    keep_s: u64,
    bounds: Bounds,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    all: usize,
    one_key: usize,
}

/// Two million proofs are some 80 MB, and within 65 s they are 30,000 calls a second: more than two
/// cores can verify.
const BOUNDS: Bounds = Bounds {
    all: 2 << 20,
    // A quarter: one client that is out of hand leaves room for others, and 8,000 calls a second
    // are not one client's.
    one_key: 1 << 19,
};

const SHARDS: usize = 16;

/// Short against the time that proofs are kept, so that little is kept too long; long enough for
/// few slices.
const SLICE_S: u64 = 8;

#[derive(Default)]
struct Shard {
    slices: VecDeque<Slice>,
}

struct Slice {
    /// The proofs made in the seconds from `number * SLICE_S`.
    number: u64,
    proofs: HashSet<u128>,
    of_key: HashMap<Thumbprint, usize>,
}

impl Replays {
    /// Remembers each proof for `keep_s` seconds from when it was made.
    pub(super) fn new(keep_s: u64) -> Self {
        Self::bounded(keep_s, BOUNDS)
    }

    fn bounded(keep_s: u64, bounds: Bounds) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            count: AtomicUsize::new(0),
            keep_s,
            bounds,
        }
    }

    /// Remembers a proof that is good in every other way.
    pub(super) fn remember(&self, key: Thumbprint, jti: &str, iat_s: u64, now_s: u64) -> Seen {
        let fingerprint = fingerprint(key, jti);
        let first = key.as_bytes().first().copied().unwrap_or_default();
        let Some(shard) = self.shards.get(usize::from(first) % SHARDS) else {
            return Seen::NoRoom;
        };
        if self.count.load(Ordering::Relaxed) >= self.bounds.all {
            self.sweep(now_s);
        }
        let mut shard = shard.lock();
        self.forget(&mut shard, now_s);
        if shard.slices.iter().any(|s| s.proofs.contains(&fingerprint)) {
            return Seen::Before;
        }
        if self.count.load(Ordering::Relaxed) >= self.bounds.all
            || shard.of_key(key) >= self.bounds.one_key
        {
            return Seen::NoRoom;
        }
        shard.add(key, fingerprint, iat_s / SLICE_S);
        self.count.fetch_add(1, Ordering::Relaxed);
        Seen::New
    }

    /// Shards that nobody uses any more are cleared too before anybody is refused.
    fn sweep(&self, now_s: u64) {
        for shard in &self.shards {
            self.forget(&mut shard.lock(), now_s);
        }
    }

    fn forget(&self, shard: &mut Shard, now_s: u64) {
        shard.slices.retain(|slice| {
            let ends_s = (slice.number + 1) * SLICE_S;
            let is_needed = now_s <= ends_s.saturating_add(self.keep_s);
            if !is_needed {
                self.count.fetch_sub(slice.proofs.len(), Ordering::Relaxed);
            }
            is_needed
        });
    }
}

impl Shard {
    fn of_key(&self, key: Thumbprint) -> usize {
        let counts = self.slices.iter().filter_map(|s| s.of_key.get(&key));
        counts.sum()
    }

    fn add(&mut self, key: Thumbprint, fingerprint: u128, number: u64) {
        let slice = match self.slices.iter_mut().position(|s| s.number == number) {
            Some(at) => self.slices.get_mut(at),
            None => {
                self.slices.push_back(Slice {
                    number,
                    proofs: HashSet::new(),
                    of_key: HashMap::new(),
                });
                self.slices.back_mut()
            }
        };
        if let Some(slice) = slice {
            slice.proofs.insert(fingerprint);
            *slice.of_key.entry(key).or_default() += 1;
        }
    }
}

/// Half a SHA-256 over key and `jti`: nobody finds two that are alike.
fn fingerprint(key: Thumbprint, jti: &str) -> u128 {
    let whole = digest(&SHA256, &[key.as_bytes(), jti.as_bytes()].concat());
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(whole.as_ref()) {
        *to = *from;
    }
    u128::from_be_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_S: u64 = 65;

    fn key(byte: u8) -> Thumbprint {
        Thumbprint::new([byte; 32])
    }

    #[test]
    fn a_proof_counts_once_for_as_long_as_it_could_come_again() {
        let replays = Replays::new(KEEP_S);
        let made = 1000;
        assert_eq!(replays.remember(key(1), "a", made, made), Seen::New);
        for later in 0..=KEEP_S {
            let seen = replays.remember(key(1), "a", made, made + later);
            assert_eq!(seen, Seen::Before, "{later} s later");
        }
        // With another time, it is still the same proof of the same key.
        let again = replays.remember(key(1), "a", made + 30, made + 30);
        assert_eq!(again, Seen::Before);
        assert_eq!(replays.remember(key(2), "a", made, made), Seen::New);
        assert_eq!(replays.remember(key(1), "b", made, made), Seen::New);
    }

    #[test]
    fn what_nobody_accepts_any_more_is_forgotten() {
        let replays = Replays::new(KEEP_S);
        for n in 0..1000 {
            let now = 1000 + n;
            let jti = n.to_string();
            assert_eq!(replays.remember(key(1), &jti, now, now), Seen::New);
        }
        let kept = replays.count.load(Ordering::Relaxed) as u64;
        assert!((KEEP_S..=KEEP_S + 2 * SLICE_S).contains(&kept), "{kept}");
    }

    #[test]
    fn when_there_is_no_room_new_proofs_are_refused_and_old_ones_stay() {
        let bounds = Bounds { all: 6, one_key: 4 };
        let replays = Replays::bounded(KEEP_S, bounds);
        let at = |k: u8, jti: &str, now| replays.remember(key(k), jti, now, now);
        for jti in ["a", "b", "c", "d"] {
            assert_eq!(at(1, jti, 1000), Seen::New);
        }
        assert_eq!(
            at(1, "e", 1000),
            Seen::NoRoom,
            "the key's own share is full"
        );
        assert_eq!(at(2, "a", 1000), Seen::New, "others have room");
        assert_eq!(at(2, "b", 1000), Seen::New);
        assert_eq!(at(3, "a", 1000), Seen::NoRoom, "now nobody has");
        assert_eq!(at(1, "a", 1001), Seen::Before);
        assert_eq!(at(3, "a", 1000 + KEEP_S + SLICE_S + 1), Seen::New);
    }
}
