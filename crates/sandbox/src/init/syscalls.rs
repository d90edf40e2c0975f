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

use super::{Failure, at};
use crate::Layer;

/// Puts the filters on this process and on all that come from it. Without `shared_memory` no memory can be shared but that of files.
pub(super) fn apply(shared_memory: bool) -> Result<(), Failure> {
    for filter in filters(shared_memory).map_err(at(Layer::Seccomp, "the filter cannot be made"))? {
        apply_filter(&filter).map_err(at(Layer::Seccomp, "the filter cannot be put on"))?;
    }
    Ok(())
}

fn filters(shared_memory: bool) -> Result<[BpfProgram; 3], seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let missing = u32::from(libc::ENOSYS.unsigned_abs() as u16);
    let allowed = SeccompFilter::new(
        allowed::rules(shared_memory)?,
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
        for shared_memory in [true, false] {
            let filters = filters(shared_memory).unwrap();
            assert!(filters.iter().all(|filter| !filter.is_empty()));
            let allowed = allowed::rules(shared_memory).unwrap();
            for call in deadly::CALLS {
                assert!(!allowed.contains_key(call), "{call}");
            }
        }
    }
}
