//! The ways out of a box, where there are any: a proxy for everything that is allowed, and a listener of its own for each name, for
//! programs that know of no proxy. Both end at the gateway.

use std::net::{Ipv4Addr, SocketAddrV4};

use cardea_domain::Destination;

use crate::{Doors, control::DESCRIPTORS_MAX};

/// Where the proxy is within the box.
pub(crate) const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3128);

/// The first address for a name; loopback has room for all that can be listened at.
const FIRST: [u8; 4] = [127, 0, 1, 1];

/// The listeners for what is allowed: the proxy first, then those of the names in their order.
pub(super) fn doors(allowed: &[Destination]) -> Doors {
    let mut doors = Doors::default();
    if allowed.is_empty() {
        return doors;
    }
    doors.listeners.push(PROXY);
    for (name, port) in direct(allowed) {
        let known = doors.hosts.iter().find(|(host, _)| *host == name);
        let address = match known {
            Some((_, address)) => *address,
            None => {
                let number = u8::try_from(doors.hosts.len()).unwrap_or(u8::MAX);
                let [a, b, c, d] = FIRST;
                let address = Ipv4Addr::new(a, b, c, d.saturating_add(number));
                doors.hosts.push((name, address));
                address
            }
        };
        doors.listeners.push(SocketAddrV4::new(address, port));
    }
    doors
}

/// The names and ports that have listeners of their own, in their order. What is beyond the bound is reached by the proxy.
pub(crate) fn direct(allowed: &[Destination]) -> Vec<(String, u16)> {
    let mut direct: Vec<(String, u16)> = Vec::new();
    for destination in allowed {
        let Some(name) = destination.name() else {
            continue;
        };
        let pair = (name.to_owned(), destination.port());
        if !direct.contains(&pair) && direct.len() + 1 < DESCRIPTORS_MAX {
            direct.push(pair);
        }
    }
    direct
}

/// What programs look for to find a proxy. Node looks since version 24, where it is told to.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://{PROXY}");
    let names = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ];
    let proxies = names.map(|name| (name.to_owned(), proxy.clone()));
    let local = "localhost,127.0.0.0/8".to_owned();
    let own = ["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), local.clone()));
    let told = [("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned())];
    proxies.into_iter().chain(own).chain(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_an_address_and_each_port_a_listener() {
        let allowed = [
            "a.example:443",
            "*.example:443",
            "b.example:443",
            "a.example:80",
        ];
        let allowed: Vec<Destination> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let doors = doors(&allowed);
        let listeners: Vec<String> = doors.listeners.iter().map(ToString::to_string).collect();
        assert_eq!(
            listeners,
            [
                "127.0.0.1:3128",
                "127.0.1.1:443",
                "127.0.1.2:443",
                "127.0.1.1:80"
            ]
        );
        assert_eq!(doors.hosts.len(), 2);
        assert_eq!(super::doors(&[]), Doors::default());
    }
}
