//! Frames between the gateway and a box that is being put up: JSON and descriptors over a pair of `SOCK_SEQPACKET` sockets.
//!
//! One message is one frame, so that no descriptor can arrive with the wrong words.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Layer, Layers, Spec};

/// A frame is written before anybody reads, so it must fit a socket's buffer (`net.core.wmem_default`, 208 KiB).
pub(crate) const FRAME_BYTES_MAX: usize = 96 << 10;

/// The kernel's own bound is 253 (`SCM_MAX_FD`); a box has a listener for each place that it may go to.
pub(crate) const DESCRIPTORS_MAX: usize = 65;

/// What the outer process is told: what has to be done before there is an inner one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outer {
    /// The gateway; the box ends with it.
    pub(crate) parent: i32,
    pub(crate) layers: Layers,
    /// Files of control groups to join by writing to them.
    pub(crate) cgroups: Vec<PathBuf>,
}

/// What the inner process is told; the server's standard input comes with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) spec: Spec,
    pub(crate) bound: Bound,
    /// Whether a control group counts all memory of the box, that which is shared too.
    pub(crate) counts_memory: bool,
    pub(crate) task: Task,
}

/// By what the number of processes is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    /// By nothing: the layer is left out.
    None,
    /// `pids.max` of a control group that the outer process joined.
    Cgroup,
    /// `RLIMIT_NPROC`, which counts for each user and user namespace.
    Rlimit,
    /// `kernel.pid_max` of the PID namespace, since Linux 6.14.
    PidNamespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    /// Run the program.
    Run,
    /// Only find out whether every layer can be put on.
    Try,
}

/// What a box says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// The server runs, or could; the listeners come with it.
    Ready,
    /// It cannot be put up.
    Failed { layer: Option<Layer>, what: String },
    /// The server has ended.
    Ended {
        code: Option<i32>,
        signal: Option<i32>,
    },
}

/// Both ends, closed on execution.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(socketpair(
        AddressFamily::UNIX,
        kind,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one frame with these descriptors.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when it is longer than [`FRAME_BYTES_MAX`]; what the socket says otherwise.
pub(crate) fn send(
    socket: impl AsFd,
    frame: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(frame)?;
    if text.len() > FRAME_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        let message = format!(
            "its arguments, environment and paths are longer than {FRAME_BYTES_MAX} bytes together"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let parts = [IoSlice::new(&text)];
    sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes one frame; `None` when the other end is closed.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is none; what the socket says otherwise, [`io::ErrorKind::WouldBlock`] among it.
pub(crate) fn recv<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut text = vec![0; FRAME_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let mut got = recvmsg(&socket, &mut parts, &mut ancillary, flags);
    if matches!(got, Err(rustix::io::Errno::CONNRESET)) {
        // The other end went without having read everything; what it said before is still there.
        got = recvmsg(&socket, &mut parts, &mut ancillary, flags);
    }
    let got = got?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            descriptors.extend(sent);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    if got
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame is too long",
        ));
    }
    let frame = text.get(..got.bytes).unwrap_or_default();
    Ok(Some((serde_json::from_slice(frame)?, descriptors)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_frame_arrives_with_its_descriptors() {
        let (here, there) = pair().unwrap();
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"through").unwrap();
        drop(writer);
        let said = Said::Failed {
            layer: Some(Layer::Pid),
            what: "x".repeat(50_000),
        };
        send(&here, &said, &[reader.as_fd()]).unwrap();
        send(&here, &Said::Ready, &[]).unwrap();
        drop(here);
        let (said, mut got) = recv::<Said>(&there).unwrap().unwrap();
        assert!(
            matches!(said, Said::Failed { layer: Some(Layer::Pid), what } if what.len() == 50_000)
        );
        reader = io::PipeReader::from(got.pop().unwrap());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let (said, none) = recv::<Said>(&there).unwrap().unwrap();
        assert!(matches!(said, Said::Ready) && none.is_empty());
        assert!(recv::<Said>(&there).unwrap().is_none());
    }

    #[test]
    fn the_last_word_of_an_end_that_has_not_read_everything_arrives() {
        let (here, there) = pair().unwrap();
        send(&here, &Said::Ready, &[]).unwrap();
        let said = Said::Failed {
            layer: None,
            what: "too early".into(),
        };
        send(&there, &said, &[]).unwrap();
        drop(there);
        let (said, _) = recv::<Said>(&here).unwrap().unwrap();
        assert!(matches!(said, Said::Failed { what, .. } if what == "too early"));
        assert!(recv::<Said>(&here).unwrap().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_sent() {
        let (here, _there) = pair().unwrap();
        let said = Said::Failed {
            layer: None,
            what: "x".repeat(FRAME_BYTES_MAX),
        };
        let error = send(&here, &said, &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
