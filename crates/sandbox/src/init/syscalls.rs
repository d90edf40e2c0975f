//! The system calls that a server has.
//!
//! Three filters: what is not listed does not exist (`ENOSYS`, so that runtimes which try something new fall back); what no server
//! ever calls, and exploits do, ends the process; and no file becomes one that runs as its owner (`EPERM`).

mod allowed;
mod deadly;
mod modes;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

pub(super) use self::allowed::Wider;
use super::{Failure, at};
use crate::Layer;

/// Puts the filters on this process and on all that come from it.
pub(super) fn apply(wider: Wider) -> Result<(), Failure> {
    for filter in filters(wider).map_err(at(Layer::Seccomp, "the filter cannot be made"))? {
        apply_filter(&filter).map_err(at(Layer::Seccomp, "the filter cannot be put on"))?;
    }
    Ok(())
}

fn filters(wider: Wider) -> Result<[BpfProgram; 3], seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let missing = u32::from(libc::ENOSYS.unsigned_abs() as u16);
    let allowed = SeccompFilter::new(
        allowed::rules(wider)?,
        SeccompAction::Errno(missing),
        SeccompAction::Allow,
        architecture,
    )?;
    let deadly: BTreeMap<i64, Vec<SeccompRule>> = deadly::CALLS
        .iter()
        .map(|call| (*call, Vec::new()))
        .collect();
    let deadly = SeccompFilter::new(
        deadly,
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        architecture,
    )?;
    let modes = SeccompFilter::new(
        modes::rules()?,
        SeccompAction::Allow,
        SeccompAction::Errno(u32::from(libc::EPERM.unsigned_abs() as u16)),
        architecture,
    )?;
    // The last may be stricter about calls that put on filters.
    Ok([deadly.try_into()?, modes.try_into()?, allowed.try_into()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_made_and_do_not_contradict_each_other() {
        for is_wide in [true, false] {
            let wider = Wider {
                shared_memory: is_wide,
                local_sockets: is_wide,
            };
            let filters = filters(wider).unwrap();
            assert!(filters.iter().all(|filter| !filter.is_empty()));
            let allowed = allowed::rules(wider).unwrap();
            for call in deadly::CALLS {
                assert!(!allowed.contains_key(call), "{call}");
            }
        }
    }
}
