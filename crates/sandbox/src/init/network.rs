//! The loopback of the box, and the listeners that the gateway accepts from.

use std::net::{SocketAddr, TcpListener};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink,
    recv, send, socket_with,
};

use super::{Failure, at};
use crate::{Layer, spec::Doors};

/// Loopback is the first device of every network namespace.
const LOOPBACK_INDEX: i32 = 1;

/// Numbers of linux/netlink.h, linux/rtnetlink.h and linux/if.h.
const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;

/// Brings the loopback up and listens; whoever connects is answered by the gateway.
pub(super) fn open(doors: &Doors) -> Result<Vec<TcpListener>, Failure> {
    bring_up_loopback()?;
    let mut listeners = Vec::new();
    for address in &doors.listeners {
        let listener = TcpListener::bind(SocketAddr::V4(*address))
            .map_err(at(Layer::Network, &format!("cannot listen at {address}")))?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// `RTM_NEWLINK` with `IFF_UP`, and the kernel's answer to it.
fn bring_up_loopback() -> Result<(), Failure> {
    let failed = |error: rustix::io::Errno| at(Layer::Network, "loopback")(error);
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
    send(&socket, &request(), SendFlags::empty()).map_err(failed)?;
    let mut answer = [0; 1024];
    let (got, _) = recv(&socket, &mut answer, RecvFlags::empty()).map_err(failed)?;
    let answer = answer.get(..got).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok());
    let code = answer.get(16..20).and_then(|b| b.try_into().ok());
    match (kind.map(u16::from_ne_bytes), code.map(i32::from_ne_bytes)) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (_, code) => Err(at(Layer::Network, "loopback")(format!(
            "netlink answered {code:?}"
        ))),
    }
}

/// `struct nlmsghdr` and `struct ifinfomsg`.
fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend([0, 0, 0, 0]);
    message.extend(LOOPBACK_INDEX.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message
}
