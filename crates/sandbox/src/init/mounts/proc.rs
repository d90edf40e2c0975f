//! The box's own `/proc`: its own processes, and nothing to turn.

use std::{fs, os::fd::OwnedFd, path::Path};

use rustix::mount::{MountFlags, mount, mount_bind};

use super::{Failure, NOTHING_SPECIAL, attach as show, memory, narrow};
use crate::{Layer, Spec, control::Bound, init::at};

/// What tells of the host's kernel or hardware, or steers it. Not every kernel has all of it.
pub(super) const HIDDEN_FILES: [&str; 19] = [
    "buddyinfo",
    "cmdline",
    "kcore",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "modules",
    "pagetypeinfo",
    "slabinfo",
    "vmallocinfo",
    "kmsg",
    "keys",
    "key-users",
    "kallsyms",
    "timer_list",
    "sysrq-trigger",
    "sched_debug",
    "latency_stats",
    "iomem",
];
const HIDDEN_FOLDERS: [&str; 6] = ["acpi", "asound", "bus", "fs", "irq", "scsi"];

/// Numbers below it are used once only; beyond them a namespace goes round (`RESERVED_PIDS` of the kernel).
const RESERVED_PIDS: u64 = 300;

/// Mounts and narrows it.
pub(super) fn attach(spec: &Spec, host: &OwnedFd, bound: Bound) -> Result<(), Failure> {
    let flags = NOTHING_SPECIAL | MountFlags::NOEXEC;
    if spec.layers.has(Layer::Pid) {
        mount("proc", "/proc", "proc", flags, c"")
            .map_err(at(Layer::Mount, "cannot mount `/proc`"))?;
    } else {
        show(host, Path::new("/proc"))?;
    }
    if bound == Bound::PidNamespace {
        let pids_max = RESERVED_PIDS.saturating_add(spec.limits.processes_max);
        fs::write("/proc/sys/kernel/pid_max", pids_max.to_string())
            .map_err(at(Layer::Processes, "kernel.pid_max"))?;
    }
    for name in HIDDEN_FILES {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            mount_bind("/dev/null", &path).map_err(at(Layer::Mount, name))?;
        }
    }
    for name in HIDDEN_FOLDERS {
        let path = format!("/proc/{name}");
        if Path::new(&path).exists() {
            memory(
                &path,
                MountFlags::RDONLY | MountFlags::NOEXEC,
                "mode=0555,size=4k,nr_inodes=2",
            )?;
        }
    }
    narrow(Path::new("/proc"), MountFlags::RDONLY | flags)
        .map_err(at(Layer::Mount, "`/proc` cannot be made read-only"))
}
