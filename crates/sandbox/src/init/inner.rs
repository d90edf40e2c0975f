//! In the box: puts up the rest, gives every right away, and is the parent of the server until it ends.

use std::{
    io,
    net::TcpListener,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Command, ExitCode, Stdio},
    sync::{Arc, atomic::AtomicBool},
};

use rustix::process::{
    DumpableBehavior, Signal, WaitOptions, set_dumpable_behavior, set_parent_process_death_signal,
    wait,
};

use super::{Failure, at, confine, during, let_go_of_output, mounts, network, rules, syscalls};
use crate::{
    Layer, Spec,
    control::{self, Bound, Inner, Said, Task},
};

/// The box's own name.
const HOST_NAME: &[u8] = b"sandbox";

pub(super) fn run() -> Result<ExitCode, Failure> {
    let (inner, descriptors) = control::recv::<Inner>(rustix::stdio::stdin())
        .map_err(during("nothing to start was given"))?
        .ok_or_else(|| Failure::new("nothing to start was given"))?;
    let spec = &inner.spec;
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)
        .map_err(during("cannot keep the gateway's socket"))?;
    let listeners = isolate(spec, inner.bound)?;
    give_up(spec, inner.bound, inner.counts_memory)?;
    if inner.task == Task::Try {
        return say_ready(&control, &listeners).map(|()| ExitCode::SUCCESS);
    }
    let server = start(spec, descriptors)?;
    say_ready(&control, &listeners)?;
    // The gateway has them now; here they would only keep ports open.
    drop(listeners);
    let_go_of_output()?;
    let said = attend(server)?;
    // Where the gateway is gone, the box ends as well.
    let _ = control::send(&control, &said, &[]);
    Ok(ExitCode::SUCCESS)
}

/// The view, the name and the network.
fn isolate(spec: &Spec, bound: Bound) -> Result<Vec<TcpListener>, Failure> {
    let layers = &spec.layers;
    if layers.has(Layer::Session) {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(at(Layer::Session, "PR_SET_PDEATHSIG"))?;
        // Without a PID namespace the gateway's SIGTERM comes here too, and is for the server.
        signal_hook::flag::register(
            signal_hook::consts::SIGTERM,
            Arc::new(AtomicBool::new(false)),
        )
        .map_err(at(Layer::Session, "SIGTERM"))?;
    }
    if layers.has(Layer::Uts) {
        rustix::system::sethostname(HOST_NAME).map_err(at(Layer::Uts, "sethostname"))?;
    }
    let listeners = match layers.has(Layer::Network) {
        true => network::open(&spec.network)?,
        false => Vec::new(),
    };
    if bound == Bound::PidNamespace && !(layers.has(Layer::Mount) && layers.has(Layer::Pid)) {
        return Err(at(Layer::Processes, "kernel.pid_max")(
            "it needs a mount and a PID namespace",
        ));
    }
    if layers.has(Layer::Mount) {
        mounts::build(spec, bound)?;
    }
    Ok(listeners)
}

/// Everything after which there is no way back. Rules and filters are inherited by the server; this process is below them too.
fn give_up(spec: &Spec, bound: Bound, counts_memory: bool) -> Result<(), Failure> {
    let layers = &spec.layers;
    if layers.has(Layer::Rlimits) {
        confine::limit(spec)?;
    }
    if bound == Bound::Rlimit {
        confine::limit_processes(spec)?;
    }
    if layers.has(Layer::NoNewPrivileges) {
        rustix::thread::set_no_new_privs(true)
            .map_err(at(Layer::NoNewPrivileges, "PR_SET_NO_NEW_PRIVS"))?;
    }
    // Its memory and its descriptors are not for the server, which is the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(during("PR_SET_DUMPABLE"))?;
    // Rules first: without `no_new_privs`, which only tests leave out, they need a capability.
    if layers.has(Layer::Landlock) {
        rules::apply(spec)?;
    }
    if layers.has(Layer::Capabilities) {
        confine::drop_capabilities()?;
    }
    if layers.has(Layer::Seccomp) {
        syscalls::apply(syscalls::Wider {
            // It is in no limit of a process.
            shared_memory: counts_memory || !layers.has(Layer::Rlimits),
            // Who connects to a socket writes to it.
            local_sockets: !spec.view.write.is_empty(),
        })?;
    }
    Ok(())
}

fn start(spec: &Spec, descriptors: Vec<OwnedFd>) -> Result<rustix::process::Pid, Failure> {
    let input = descriptors
        .into_iter()
        .next()
        .ok_or_else(|| Failure::new("the server was given no standard input"))?;
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .current_dir(&spec.cwd)
        .stdin(Stdio::from(input));
    if spec.layers.has(Layer::Environment) {
        command.env_clear();
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    let child = command.spawn().map_err(|error| {
        let program = spec.program.display();
        Failure::new(match error.kind() {
            io::ErrorKind::NotFound => format!(
                "cannot execute `{program}`: it, its interpreter, its loader or its folder \
                 `{}` is not in the sandbox",
                spec.cwd.display()
            ),
            _ => format!("cannot execute `{program}`: {error}"),
        })
    })?;
    let id = i32::try_from(child.id()).ok();
    id.and_then(rustix::process::Pid::from_raw)
        .ok_or_else(|| Failure::new("the server has no process id"))
}

fn say_ready(control: &OwnedFd, listeners: &[TcpListener]) -> Result<(), Failure> {
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    control::send(control, &Said::Ready, &descriptors).map_err(during("the gateway has ended"))
}

/// Waits for the server, and for whatever it leaves behind meanwhile.
fn attend(server: rustix::process::Pid) -> Result<Said, Failure> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == server => {
                return Ok(Said::Ended {
                    code: status.exit_status(),
                    signal: status.terminating_signal(),
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(during("cannot wait for the server")(error)),
        }
    }
}
