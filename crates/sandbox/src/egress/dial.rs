//! A name is looked up once, its addresses are judged, and one of these is connected to: it cannot change in between.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// More are no host's, but a way to make the gateway knock at many doors.
const ADDRESSES_MAX: usize = 8;

/// Connects to a host that was found to be allowed.
pub(super) async fn dial(
    host: &str,
    port: u16,
    is_reachable: fn(IpAddr) -> bool,
) -> Result<TcpStream, &'static str> {
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let found = timeout(LOOKUP_TIMEOUT, lookup_host((bare, port)))
        .await
        .map_err(|_| "its name was not looked up in time")?
        .map_err(|_| "its name is not known")?;
    for address in judged(found, is_reachable)? {
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err("none of its addresses takes the connection")
}

/// The addresses to try, if every one of them may be gone to: a name with an inner and a public address is somebody's trick.
fn judged(
    found: impl Iterator<Item = SocketAddr>,
    is_reachable: fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, &'static str> {
    let mut found: Vec<SocketAddr> = found.collect();
    if !found.iter().all(|address| is_reachable(address.ip())) {
        return Err("its name leads to an address that is not public");
    }
    found.truncate(ADDRESSES_MAX);
    match found.is_empty() {
        true => Err("its name has no address"),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use cardea_domain::is_public;

    use super::*;

    #[test]
    fn one_inner_address_is_enough_to_refuse() {
        let judge = |texts: &[&str]| {
            let found: Vec<SocketAddr> = texts.iter().map(|t| t.parse().unwrap()).collect();
            judged(found.into_iter(), is_public).map(|found| found.len())
        };
        assert_eq!(judge(&["1.1.1.1:443", "[2606:4700::1]:443"]), Ok(2));
        for inner in [
            "169.254.169.254:443",
            "127.0.0.1:443",
            "[::ffff:10.0.0.1]:443",
        ] {
            assert!(judge(&["1.1.1.1:443", inner]).is_err(), "{inner}");
        }
        assert!(judge(&[]).is_err());
    }
}
