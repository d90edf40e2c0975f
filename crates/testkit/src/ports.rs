//! Ports for servers that have to be told theirs: no other test has them, now or a moment later.
//!
//! A port that the system calls free may be given to somebody else before the child binds it, and one gateway may bind
//! the port of another. So a port is locked, by a file, for as long as it is used, and is none of those that the system
//! gives to connections.

use std::{
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
};

use anyhow::{Context, bail};

/// Below the ports that Linux gives to connections (32768 and up).
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// A port of the loopback interface, until it is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Finds a port that nobody has.
    #[expect(
        clippy::disallowed_methods,
        reason = "all test processes of the machine share it: that is what it is for"
    )]
    ///
    /// # Errors
    /// When there is none.
    pub fn reserve() -> anyhow::Result<Self> {
        let folder = env::temp_dir().join("cardea-testkit-ports");
        fs::create_dir_all(&folder)?;
        // Processes begin at different places, so that they seldom meet.
        let start = u16::try_from(process::id() * 61 % u32::from(COUNT))?;
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            let lock = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(folder.join(number.to_string()))
                .context("a port's lock")?;
            let is_mine = lock.try_lock().is_ok();
            if is_mine && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        bail!("no port is free")
    }

    /// The port on the loopback interface.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_are_never_the_same() {
        let ports: Vec<Port> = (0..20).map(|_| Port::reserve().unwrap()).collect();
        let mut addresses: Vec<_> = ports.iter().map(Port::address).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 20);
    }
}
