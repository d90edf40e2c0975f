//! Calls that would make a file that runs as its owner, or as its group.
//!
//! Within the box such a file is an ordinary one (`nosuid`), but a folder to be written is the host's as well: there it would run as
//! whoever the gateway is.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq, SeccompCondition, SeccompRule,
};

/// `S_ISUID` and `S_ISGID`.
const RAISING: [u64; 2] = [0o4000, 0o2000];

/// `O_CREAT`, and `O_TMPFILE` without `O_DIRECTORY`: without either, the mode means nothing.
const MAKING: [u64; 2] = [libc::O_CREAT as u64, 0o20_000_000];

/// Calls with a mode, and which argument it is.
const WITH_MODE: &[(i64, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_fchmodat2, 2),
    (libc::SYS_mkdirat, 2),
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
];

/// Calls with flags, and a mode after them.
const WITH_FLAGS: &[(i64, u8)] = &[
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

pub(super) fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    for (call, mode) in WITH_MODE {
        for bit in RAISING {
            let rule = SeccompRule::new(vec![has(*mode, bit)?])?;
            rules.entry(*call).or_default().push(rule);
        }
    }
    for (call, flags) in WITH_FLAGS {
        for bit in RAISING {
            for making in MAKING {
                let rule = SeccompRule::new(vec![has(*flags, making)?, has(flags + 1, bit)?])?;
                rules.entry(*call).or_default().push(rule);
            }
        }
    }
    Ok(rules)
}

fn has(argument: u8, bit: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, MaskedEq(bit), bit)
}
