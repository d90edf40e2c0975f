//! On the host: leaves everything behind that the box must not have, and waits for its end.

use std::{
    fs,
    process::{Command, ExitCode},
    sync::{Arc, atomic::AtomicBool},
};

use nix::sched::{CloneFlags, unshare};
use rustix::{
    process::{Signal, getppid, set_parent_process_death_signal, setsid},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set,
        set_capabilities,
    },
};

use super::{COMMAND, Failure, SELF, Stage, at, during, let_go_of_output};
use crate::{
    Layer,
    control::{self, Outer},
};

/// Who the server is within its box: nobody in particular.
pub(super) const USER: u32 = 1000;

/// What the inner process needs to put up the rest; it gives all of it away.
const NEEDED: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE);

pub(super) fn run() -> Result<ExitCode, Failure> {
    let (outer, _) = control::recv::<Outer>(rustix::stdio::stdin())
        .map_err(during("nothing to start was given"))?
        .ok_or_else(|| Failure::new("nothing to start was given"))?;
    if outer.layers.has(Layer::Descriptors) {
        close_inherited()?;
    }
    if outer.layers.has(Layer::Session) {
        leave_session()?;
        die_with(outer.parent)?;
    }
    for group in &outer.cgroups {
        let shown = group.display();
        fs::write(group, "0")
            .map_err(during(&format!("cannot join the control group `{shown}`")))?;
    }
    isolate(&outer)?;
    let mut inner = Command::new(SELF);
    inner.args([COMMAND, Stage::Inner.name()]);
    let mut inner = inner
        .spawn()
        .map_err(during("cannot start the first process of the box"))?;
    let_go_of_output()?;
    let status = inner.wait().map_err(during("cannot wait for the box"))?;
    // The inner process has told how the server ended.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Closes what the gateway's own parent may have left open: such descriptors pass every wall.
fn close_inherited() -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure {
        layer: Some(Layer::Descriptors),
        what: format!("cannot close what was inherited: {error}"),
    };
    let listed = fs::read_dir("/proc/self/fd").map_err(|e| failed(&e))?;
    let numbers: Vec<i32> = listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        match nix::unistd::close(number) {
            // The listing's own descriptor is closed by now.
            Ok(()) | Err(nix::errno::Errno::EBADF) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(())
}

/// A session of its own; the gateway's SIGTERM is for the server, which is given its time.
fn leave_session() -> Result<(), Failure> {
    setsid().map_err(at(Layer::Session, "setsid"))?;
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, heard)
        .map_err(at(Layer::Session, "SIGTERM"))?;
    Ok(())
}

/// Dies with the thread of the gateway that started it; for the case that this is gone already, looks for it.
pub(super) fn die_with(parent: i32) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(at(Layer::Session, "PR_SET_PDEATHSIG"))?;
    let is_there = getppid().is_some_and(|found| found.as_raw_nonzero().get() == parent);
    match is_there {
        true => Ok(()),
        false => Err(Failure::new("the gateway has ended")),
    }
}

fn isolate(outer: &Outer) -> Result<(), Failure> {
    let layers = &outer.layers;
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if layers.has(Layer::User) {
        if uid.is_root() {
            // Groups that a session manager left behind; within the namespace they could not be given up. Where the gateway
            // is in a user namespace itself, they cannot be either, and mean nothing.
            match rustix::thread::set_thread_groups(&[]) {
                Ok(()) | Err(rustix::io::Errno::PERM) => {}
                Err(error) => return Err(at(Layer::User, "setgroups")(error)),
            }
        }
        unshare(CloneFlags::CLONE_NEWUSER).map_err(at(Layer::User, "unshare(CLONE_NEWUSER)"))?;
        for (file, text) in [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{USER} {uid} 1")),
            ("gid_map", format!("{USER} {gid} 1")),
        ] {
            fs::write(format!("/proc/self/{file}"), text).map_err(at(Layer::User, file))?;
        }
    }
    for (layer, flag, what) in [
        (
            Layer::Mount,
            CloneFlags::CLONE_NEWNS,
            "unshare(CLONE_NEWNS)",
        ),
        (
            Layer::Ipc,
            CloneFlags::CLONE_NEWIPC,
            "unshare(CLONE_NEWIPC)",
        ),
        (
            Layer::Uts,
            CloneFlags::CLONE_NEWUTS,
            "unshare(CLONE_NEWUTS)",
        ),
        (
            Layer::Network,
            CloneFlags::CLONE_NEWNET,
            "unshare(CLONE_NEWNET)",
        ),
        (
            Layer::Pid,
            CloneFlags::CLONE_NEWPID,
            "unshare(CLONE_NEWPID)",
        ),
    ] {
        if layers.has(layer) {
            unshare(flag).map_err(at(layer, what))?;
        }
    }
    // What control groups are called is nobody's business; no wall depends on it.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    if layers.has(Layer::Session) {
        // New credentials may have cleared it.
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(at(Layer::Session, "PR_SET_PDEATHSIG"))?;
    }
    if layers.has(Layer::User) {
        hand_down()?;
    }
    Ok(())
}

/// Lets the inner process keep what it needs: it is not root in the box, so executing would take everything from it.
fn hand_down() -> Result<(), Failure> {
    let held = capabilities(None).map_err(at(Layer::User, "capget"))?;
    let sets = CapabilitySets {
        inheritable: NEEDED,
        ..held
    };
    set_capabilities(None, sets).map_err(at(Layer::User, "capset"))?;
    for capability in NEEDED.iter() {
        configure_capability_in_ambient_set(capability, true)
            .map_err(at(Layer::User, "PR_CAP_AMBIENT"))?;
    }
    Ok(())
}
