//! What the server may use up, and the rights that it does not have.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities,
    },
};

use super::{Failure, at};
use crate::{Layer, Spec};

/// The last one that any kernel may know; capabilities are a set of 64 bits.
const CAPABILITY_LAST: u32 = 63;

/// Room for deep recursion, and not for hiding memory where `memory_bytes_max` does not count it.
const STACK_BYTES_MAX: u64 = 64 << 20;

/// No server needs memory that is never written to disk in quantity.
const LOCKED_BYTES_MAX: u64 = 8 << 20;

/// Sets the limits of this process and of all that come from it.
pub(super) fn limit(spec: &Spec) -> Result<(), Failure> {
    let limits = &spec.limits;
    for (resource, name, wanted) in [
        (Resource::Core, "RLIMIT_CORE", 0),
        (Resource::Data, "RLIMIT_DATA", limits.memory_bytes_max),
        (Resource::Nofile, "RLIMIT_NOFILE", limits.files_max),
        (Resource::Fsize, "RLIMIT_FSIZE", limits.file_bytes_max),
        (Resource::Stack, "RLIMIT_STACK", STACK_BYTES_MAX),
        (Resource::Memlock, "RLIMIT_MEMLOCK", LOCKED_BYTES_MAX),
        (Resource::Msgqueue, "RLIMIT_MSGQUEUE", 0),
        (Resource::Nice, "RLIMIT_NICE", 0),
        (Resource::Rtprio, "RLIMIT_RTPRIO", 0),
    ] {
        lower(resource, wanted, wanted).map_err(at(Layer::Rlimits, name))?;
    }
    if let Some(time) = limits.cpu_time_max {
        // At the first a signal says why, at the second there is no more to be said.
        let seconds = time.as_secs().max(1);
        lower(Resource::Cpu, seconds, seconds.saturating_add(1))
            .map_err(at(Layer::Rlimits, "RLIMIT_CPU"))?;
    }
    Ok(())
}

/// Bounds the processes and threads of the box. Without a user namespace those of the whole user would count.
pub(super) fn limit_processes(spec: &Spec) -> Result<(), Failure> {
    if !spec.layers.has(Layer::User) {
        return Err(at(Layer::Processes, "RLIMIT_NPROC")(
            "it counts for the box only within a user namespace",
        ));
    }
    let processes = spec.limits.processes_max;
    lower(Resource::Nproc, processes, processes).map_err(at(Layer::Processes, "RLIMIT_NPROC"))
}

/// Sets a limit for good; the host's own may be lower, and then holds.
fn lower(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let host = getrlimit(resource).maximum;
    let within = |wanted: u64| Some(host.map_or(wanted, |host| host.min(wanted)));
    let limit = Rlimit {
        current: within(soft),
        maximum: within(hard),
    };
    setrlimit(resource, limit)
}

/// Empties every set, so that not even a set-user-id program could give one back.
pub(super) fn drop_capabilities() -> Result<(), Failure> {
    for number in 0..=CAPABILITY_LAST {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows no further ones.
            Err(rustix::io::Errno::INVAL) => break,
            // Without a user namespace an ordinary user cannot; it has none to keep.
            Err(rustix::io::Errno::PERM) => break,
            Err(error) => return Err(at(Layer::Capabilities, "PR_CAPBSET_DROP")(error)),
        }
    }
    clear_ambient_capability_set().map_err(at(Layer::Capabilities, "PR_CAP_AMBIENT"))?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(at(Layer::Capabilities, "capset"))
}
