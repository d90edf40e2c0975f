//! Refusals of requests that nobody was proven to have made: some recorded one by one, the rest
//! counted.
//!
//! Anybody who can connect can have as many requests refused as the machine can take. If each were
//! a record, anybody could fill the disk, and bury what matters. So each address has so many
//! records a second for each reason, all of them together some times that; what is more is counted,
//! and the counts become one event ([`Gateway::tell_of_strangers`]). Refusals of those who showed a good token are
//! always recorded.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use cardea_audit::{Entry, Kind};
use parking_lot::Mutex;

use crate::world::Gateway;

/// The refusals of the current second, and those that no record tells of yet.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    second: u64,
    /// Records of this second, by address and reason: who floods with one hides no other.
    recorded: HashMap<(IpAddr, &'static str), usize>,
    recorded_of_all: usize,
    untold: Untold,
}

/// What was counted in place of records.
#[derive(Debug, Default)]
struct Untold {
    since_s: u64,
    refusals: u64,
    /// By the code of the refusal, or the name of the event; there are a few dozen.
    codes: BTreeMap<&'static str, u64>,
    /// By address, of the first [`NAMED_MAX`].
    addresses: HashMap<IpAddr, u64>,
}

/// What becomes of one refusal.
#[derive(Debug)]
pub(crate) enum Told {
    /// It is to be recorded by itself.
    Alone,
    /// It was counted.
    Counted(Counted),
}

/// That a refusal was counted, and so will be in the log with others. Made here alone.
#[derive(Debug)]
pub(crate) struct Counted(());

/// All addresses together have this many times the records of one, so that many addresses are no
/// way around.
const ALL_TIMES: usize = 10;

/// Addresses that are counted by themselves between two events; one event names the busiest.
const NAMED_MAX: usize = 1024;
const SHOWN_MAX: usize = 5;

impl Strangers {
    /// Decides about one refusal, of which `max` a second are recorded.
    pub(crate) fn tell(&self, peer: IpAddr, code: &'static str, now_s: u64, max: usize) -> Told {
        let mut counts = self.0.lock();
        let address = network(peer);
        if counts.second != now_s {
            counts.second = now_s;
            counts.recorded.clear();
            counts.recorded_of_all = 0;
        }
        let own = counts.recorded.get(&(address, code)).copied().unwrap_or(0);
        if own < max && counts.recorded_of_all < max.saturating_mul(ALL_TIMES) {
            counts.recorded.insert((address, code), own + 1);
            counts.recorded_of_all += 1;
            return Told::Alone;
        }
        counts.untold.add(address, code, now_s);
        Told::Counted(Counted(()))
    }

    fn take(&self) -> Option<Untold> {
        let untold = std::mem::take(&mut self.0.lock().untold);
        (untold.refusals > 0).then_some(untold)
    }

    /// What could not be recorded is still to be told.
    fn give_back(&self, old: Untold) {
        let mut counts = self.0.lock();
        let newer = std::mem::replace(&mut counts.untold, old);
        counts.untold.absorb(newer);
    }
}

impl Untold {
    fn add(&mut self, address: IpAddr, code: &'static str, now_s: u64) {
        if self.refusals == 0 {
            self.since_s = now_s;
        }
        self.refusals += 1;
        *self.codes.entry(code).or_default() += 1;
        if self.addresses.len() < NAMED_MAX || self.addresses.contains_key(&address) {
            *self.addresses.entry(address).or_default() += 1;
        }
    }

    fn absorb(&mut self, newer: Self) {
        self.refusals += newer.refusals;
        for (code, count) in newer.codes {
            *self.codes.entry(code).or_default() += count;
        }
        for (address, count) in newer.addresses {
            if self.addresses.len() < NAMED_MAX || self.addresses.contains_key(&address) {
                *self.addresses.entry(address).or_default() += count;
            }
        }
    }

    /// `1200 refusals since second 1795000000; E_TOKEN_MISSING 1200; 192.0.2.7 1200`.
    fn text(&self) -> String {
        let mut text = format!("{} refusals since second {}", self.refusals, self.since_s);
        for (code, count) in &self.codes {
            let _ = write!(text, "; {code} {count}");
        }
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort_by_key(|(address, count)| (std::cmp::Reverse(**count), **address));
        for (address, count) in addresses.iter().take(SHOWN_MAX) {
            let _ = write!(text, "; {address} {count}");
        }
        if addresses.len() > SHOWN_MAX {
            let _ = write!(text, "; {} further addresses", addresses.len() - SHOWN_MAX);
        }
        text
    }
}

impl Gateway {
    /// Records what was counted since the last time, as one event; to be called every few seconds
    /// and at the end.
    pub async fn tell_of_strangers(&self) {
        let Some(untold) = self.strangers.take() else {
            return;
        };
        let text = untold.text();
        let entry = Entry {
            kind: Kind::Event,
            event: Some("refusals_counted"),
            detail: Some(&text),
            ..Entry::default()
        };
        let is_told = match self.ledger.append(&entry) {
            Ok(pending) => pending.durable().await.is_ok(),
            Err(_) => false,
        };
        if !is_told {
            self.strangers.give_back(untold);
        }
    }
}

/// One customer of an IPv6 provider has at least a /64 to come from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "E_TOKEN_MISSING";

    fn is_alone(told: Told) -> bool {
        matches!(told, Told::Alone)
    }

    #[test]
    fn each_address_has_its_records_a_second_and_the_rest_is_counted() {
        let strangers = Strangers::default();
        let [one, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        for _ in 0..3 {
            assert!(is_alone(strangers.tell(one, CODE, 100, 3)));
        }
        for _ in 0..1000 {
            assert!(!is_alone(strangers.tell(one, CODE, 100, 3)));
        }
        assert!(is_alone(strangers.tell(other, CODE, 100, 3)));
        assert!(
            is_alone(strangers.tell(one, "login_failed", 100, 3)),
            "another reason"
        );
        assert!(is_alone(strangers.tell(one, CODE, 101, 3)), "a new second");
        let text = strangers.take().unwrap().text();
        assert_eq!(
            text,
            "1000 refusals since second 100; E_TOKEN_MISSING 1000; 192.0.2.1 1000"
        );
        assert!(strangers.take().is_none());
    }

    #[test]
    fn many_addresses_are_no_way_around() {
        let strangers = Strangers::default();
        let mut alone = 0;
        for n in 0..5000_u32 {
            let address = IpAddr::from(Ipv6Addr::from(
                (0x2001_0db8_u128 << 96) | (u128::from(n) << 64),
            ));
            alone += usize::from(is_alone(strangers.tell(address, CODE, 100, 3)));
        }
        assert_eq!(alone, 3 * ALL_TIMES);
        let counts = strangers.0.lock();
        assert!(counts.recorded.len() <= 3 * ALL_TIMES);
        assert_eq!(counts.untold.addresses.len(), NAMED_MAX);
        let text = counts.untold.text();
        assert!(text.ends_with("; 1019 further addresses"), "{text}");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let strangers = Strangers::default();
        let tell = |address: &str| strangers.tell(address.parse().unwrap(), CODE, 100, 1);
        assert!(is_alone(tell("2001:db8:1:2::1")));
        assert!(!is_alone(tell("2001:db8:1:2:ffff::9")));
        assert!(is_alone(tell("192.0.2.1")));
        assert!(!is_alone(tell("::ffff:192.0.2.1")));
    }

    #[test]
    fn what_could_not_be_told_is_told_with_what_came_after() {
        let strangers = Strangers::default();
        let peer = IpAddr::from([192, 0, 2, 1]);
        strangers.tell(peer, CODE, 100, 0);
        let old = strangers.take().unwrap();
        strangers.tell(peer, "E_HOST", 105, 0);
        strangers.give_back(old);
        let text = strangers.take().unwrap().text();
        let expected = "2 refusals since second 100; E_HOST 1; E_TOKEN_MISSING 1; 192.0.2.1 2";
        assert_eq!(text, expected);
    }
}
