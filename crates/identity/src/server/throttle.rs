//! How often somebody may fail.

use std::{net::IpAddr, sync::Mutex, time::Duration};

use moka::sync::Cache;

use super::error::Refusal;

/// Counts failures by name and by peer.
pub(super) struct Throttles {
    counts: Cache<String, std::sync::Arc<Mutex<Count>>>,
}

#[derive(Debug, Default)]
struct Count {
    failures: u32,
    /// When the count began.
    since_s: u64,
}

/// What is counted, and how much of it is allowed within [`WINDOW_S`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted {
    /// Wrong passwords for one name from one address: a person mistypes a few times, whoever guesses does more.
    Account,
    /// Wrong passwords for one name from all addresses: so many that nobody keeps its owner out by a few.
    Anywhere,
    /// Wrong passwords from one address, whatever the names; many people may share one.
    Peer,
    /// Wrong user codes of devices from one address: with 2^34 codes, a thousand waiting devices
    /// and twenty tries in five minutes, guessing one takes decades.
    UserCode,
    /// Registrations from one address.
    Registration,
    /// Device grants begun from one address.
    Device,
    /// Documents of clients that are fetched because one address names them.
    Document,
}

/// Counts begin anew after this long.
const WINDOW_S: u64 = 300;

/// Names and addresses that are counted at once; the least used go first.
const COUNTED_MAX: u64 = 50_000;

impl Counted {
    fn allowed(self) -> u32 {
        match self {
            Self::Account => 10,
            Self::Anywhere => 200,
            Self::Peer => 50,
            Self::UserCode | Self::Registration => 20,
            Self::Device | Self::Document => 30,
        }
    }
}

impl Throttles {
    pub(super) fn new() -> Self {
        Self {
            counts: Cache::builder()
                .max_capacity(COUNTED_MAX)
                .time_to_idle(Duration::from_secs(WINDOW_S))
                .build(),
        }
    }

    /// Counts an attempt before it is made, so that many at once are not more than one after the other: refuses it when
    /// there were too many already.
    pub(super) fn attempt(&self, counted: Counted, of: &str, now_s: u64) -> Result<(), Refusal> {
        let count = self.counts.get_with(key(counted, of), Default::default);
        let mut count = count.lock().unwrap_or_else(|e| e.into_inner());
        if now_s >= count.since_s.saturating_add(WINDOW_S) {
            *count = Count {
                failures: 0,
                since_s: now_s,
            };
        }
        if count.failures >= counted.allowed() {
            return Err(Refusal::slow_down(
                "too many attempts; try again in a few minutes",
            ));
        }
        count.failures = count.failures.saturating_add(1);
        Ok(())
    }

    /// The same by address, for what costs something whether it fails or not.
    pub(super) fn take(&self, counted: Counted, peer: IpAddr, now_s: u64) -> Result<(), Refusal> {
        self.attempt(counted, &peer_name(peer), now_s)
    }

    /// An attempt succeeded: it was none that counts.
    pub(super) fn give_back(&self, counted: Counted, of: &str) {
        if let Some(count) = self.counts.get(&key(counted, of)) {
            let mut count = count.lock().unwrap_or_else(|e| e.into_inner());
            count.failures = count.failures.saturating_sub(1);
        }
    }

    /// A success: the name begins anew.
    pub(super) fn forget(&self, counted: Counted, of: &str) {
        self.counts.invalidate(&key(counted, of));
    }
}

/// One customer of an IPv6 provider has at least a /64 to come from.
pub(super) fn peer_name(peer: IpAddr) -> String {
    match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn key(counted: Counted, of: &str) -> String {
    format!("{counted:?} {of}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_name_and_forgotten_in_time_or_by_success() {
        let throttles = Throttles::new();
        for _ in 0..Counted::Account.allowed() {
            assert!(throttles.attempt(Counted::Account, "ada", 0).is_ok());
        }
        let at = |of, now_s| throttles.attempt(Counted::Account, of, now_s);
        assert!(at("ada", WINDOW_S - 1).is_err());
        assert!(at("bob", 0).is_ok());
        assert!(throttles.attempt(Counted::Peer, "ada", 0).is_ok());
        throttles.give_back(Counted::Account, "ada");
        assert!(at("ada", WINDOW_S - 1).is_ok());
        assert!(at("ada", WINDOW_S - 1).is_err());
        assert!(at("ada", WINDOW_S).is_ok());
        throttles.forget(Counted::Account, "ada");
        assert!(at("ada", 0).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_peer() {
        let name = |text: &str| peer_name(text.parse().unwrap());
        assert_eq!(name("2001:db8:1:2::1"), name("2001:db8:1:2:ffff::9"));
        assert_ne!(name("2001:db8:1:2::1"), name("2001:db8:1:3::1"));
    }
}
