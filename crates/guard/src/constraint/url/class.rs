//! Which addresses a host may have.

use std::net::IpAddr;

use cardea_domain::is_public;
use ipnet::IpNet;

/// Which addresses a host may have; all of them count, not one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Addresses {
    /// Those that the whole internet can reach: no loopback, no private or local networks, no
    /// metadata services of clouds, nothing reserved.
    #[default]
    Public,
    /// Those in any of these networks.
    In(Vec<IpNet>),
    /// Any: what the name says is enough.
    Any,
}

impl Addresses {
    /// Whether a host may have this address.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::In(networks) => networks.iter().any(|network| network.contains(&address)),
            Self::Any => true,
        }
    }

    /// Whether a host may have these addresses; one without any is none.
    #[must_use]
    pub fn admit_all(&self, addresses: &[IpAddr]) -> bool {
        !addresses.is_empty() && addresses.iter().all(|address| self.admit(*address))
    }

    /// For people.
    pub(crate) fn wanted(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::In(_) => "in the networks that are allowed",
            Self::Any => "any",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_host_count() {
        let of = |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|a| a.parse().unwrap()).collect() };
        assert!(Addresses::Public.admit_all(&of(&["8.8.8.8", "2606:4700::1"])));
        assert!(!Addresses::Public.admit_all(&of(&["8.8.8.8", "10.0.0.1"])));
        assert!(!Addresses::Public.admit_all(&[]));
        assert!(!Addresses::Any.admit_all(&[]));
        let inside = Addresses::In(vec!["10.0.0.0/8".parse().unwrap()]);
        assert!(inside.admit_all(&of(&["10.0.0.1"])) && !inside.admit_all(&of(&["11.0.0.1"])));
        assert!(!inside.admit_all(&of(&["::ffff:10.0.0.1"])));
    }
}
