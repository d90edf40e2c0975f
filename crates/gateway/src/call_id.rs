//! Ids of calls: UUIDs of version 7 (RFC 9562, section 5.7), so that they sort by time.
//!
//! The time is the gateway's `Clock`. The randomness is drawn for some hundred ids at once, on each
//! thread: drawn for each, it is a system call for each call.

use std::cell::RefCell;

use aws_lc_rs::rand;
use uuid::{Builder, Uuid};

/// `rand_a` and `rand_b` with the bits between them, which version and variant take.
const RANDOM_BYTES: usize = 10;
/// Ids for which randomness is drawn at once: 4 KiB for each thread.
const IDS_AT_ONCE: usize = 400;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: Vec::new() }) };
}

struct Pool {
    bytes: Vec<u8>,
}

impl Pool {
    /// Bytes that were given out to nobody else; `None` when there is no randomness.
    fn draw(&mut self) -> Option<[u8; RANDOM_BYTES]> {
        if self.bytes.is_empty() {
            let mut fresh = vec![0; RANDOM_BYTES * IDS_AT_ONCE];
            rand::fill(&mut fresh).ok()?;
            self.bytes = fresh;
        }
        let rest = self.bytes.len().checked_sub(RANDOM_BYTES)?;
        let drawn = self.bytes.get(rest..)?.try_into().ok();
        self.bytes.truncate(rest);
        drawn
    }
}

/// A new id at this time, in milliseconds since the Unix epoch.
pub(crate) fn new(unix_ms: u64) -> String {
    let drawn = POOL.with_borrow_mut(Pool::draw);
    let id = match drawn {
        Some(random) => Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid(),
        None => Uuid::now_v7(),
    };
    id.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_of_their_time_and_never_the_same() {
        let ms = 1_795_428_000_123;
        let ids: BTreeSet<String> = (0..3 * IDS_AT_ONCE).map(|_| new(ms)).collect();
        assert_eq!(ids.len(), 3 * IDS_AT_ONCE);
        for id in &ids {
            let id = Uuid::parse_str(id).unwrap();
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            assert_eq!(seconds * 1000 + u64::from(nanos) / 1_000_000, ms);
        }
        assert!(new(ms + 1) > *ids.last().unwrap());
    }
}
