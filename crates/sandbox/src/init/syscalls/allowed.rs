//! Calls that exist for a server, some with certain arguments only.
//!
//! What is missing on purpose: `openat2` (its mode is in memory, where no filter looks), `io_uring` (its operations pass no filter), `memfd_create` and `execveat` (programs without a file pass
//! Landlock), `clone3` (its flags cannot be looked at; C libraries fall back to `clone`), System V and POSIX queues, raw sockets.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp, SeccompCondition,
    SeccompRule,
};

/// `TIOCSTI` types into a terminal, `TIOCLINUX` pastes into one.
const TERMINAL_TRICKS: [u64; 2] = [0x5412, 0x541C];

/// `SOCK_STREAM` and `SOCK_DGRAM`, whose flags are above them in socket(2), with their protocol: of others, such as multipath TCP,
/// Landlock knows nothing.
const SOCKETS: [(u64, i32); 2] = [(1, libc::IPPROTO_TCP), (2, libc::IPPROTO_UDP)];
const SOCKET_KIND_MASK: u64 = 0xf;

/// `MSG_FASTOPEN`.
const FAST_OPEN: u64 = 0x2000_0000;

/// `MAP_SHARED` and `MAP_ANONYMOUS` of mmap(2).
const SHARED: u64 = 0x01;
const ANONYMOUS: u64 = 0x20;
/// Every other mapping: of memory of its own, of a file, and of a copy of one.
const MAPPINGS: [u64; 3] = [ANONYMOUS, SHARED, 0];

/// Every `CLONE_NEW…` flag of clone(2).
const NAMESPACES: u64 = 0x7e02_0000;

/// `PER_LINUX`, and the question which one it is.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// What some boxes have, and others do not.
#[derive(Debug, Clone, Copy)]
pub(in crate::init) struct Wider {
    /// Memory that is shared and of no file.
    pub(in crate::init) shared_memory: bool,
    /// Sockets of the Unix family that connect to others.
    pub(in crate::init) local_sockets: bool,
}

pub(super) fn rules(wider: Wider) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS
        .iter()
        .chain(LEGACY)
        .map(|call| (*call, Vec::new()))
        .collect();
    rules.insert(libc::SYS_clone, vec![rule(vec![without(0, NAMESPACES)?])?]);
    let other_than = TERMINAL_TRICKS.map(|trick| condition(1, SeccompCmpOp::Ne, trick));
    let [one, other] = other_than;
    rules.insert(libc::SYS_ioctl, vec![rule(vec![one?, other?])?]);
    let personalities =
        PERSONALITIES.map(|known| rule(vec![condition(0, SeccompCmpOp::Eq, known)?]));
    rules.insert(
        libc::SYS_personality,
        personalities.into_iter().collect::<Result<_, _>>()?,
    );
    rules.insert(libc::SYS_socket, sockets(wider.local_sockets)?);
    // Data in the first packet is a connection that Landlock does not see.
    for (call, flags) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        rules.insert(call, vec![rule(vec![without(flags, FAST_OPEN)?])?]);
    }
    if !wider.shared_memory {
        let others = MAPPINGS.map(|kind| {
            let is_of_kind = SeccompCmpOp::MaskedEq(SHARED | ANONYMOUS);
            rule(vec![condition(3, is_of_kind, kind)?])
        });
        let others = others.into_iter().collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_mmap, others);
    }
    Ok(rules)
}

/// IPv4 and IPv6 streams and datagrams, and the read side of the routing socket, by which runtimes list their addresses. Where
/// nothing of the host may be written, local sockets come in pairs alone (`socketpair`): a folder that is only to be read may hold
/// the socket of a program of the host, and no other layer stands before it.
fn sockets(local: bool) -> Result<Vec<SeccompRule>, BackendError> {
    let number = |constant: i32| u64::from(constant.unsigned_abs());
    let mut rules = match local {
        true => vec![rule(vec![family(libc::AF_UNIX)?])?],
        false => Vec::new(),
    };
    for internet in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in SOCKETS {
            for protocol in [0, protocol] {
                let of_kind = condition(1, SeccompCmpOp::MaskedEq(SOCKET_KIND_MASK), kind)?;
                let of_protocol = condition(2, SeccompCmpOp::Eq, number(protocol))?;
                rules.push(rule(vec![family(internet)?, of_kind, of_protocol])?);
            }
        }
    }
    let routes = condition(2, SeccompCmpOp::Eq, number(libc::NETLINK_ROUTE))?;
    rules.push(rule(vec![family(libc::AF_NETLINK)?, routes])?);
    Ok(rules)
}

fn family(constant: i32) -> Result<SeccompCondition, BackendError> {
    condition(0, SeccompCmpOp::Eq, u64::from(constant.unsigned_abs()))
}

fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, operator, value)
}

/// None of these bits, in all 64 of the argument.
fn without(argument: u8, bits: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Qword, SeccompCmpOp::MaskedEq(bits), 0)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

/// Calls of every architecture.
const CALLS: &[i64] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_capget,
    libc::SYS_chdir,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_connect,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getitimer,
    libc::SYS_getpeername,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_getxattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_kill,
    libc::SYS_lgetxattr,
    libc::SYS_linkat,
    libc::SYS_listen,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mincore,
    libc::SYS_mkdirat,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pipe2,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_prlimit64,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_sendfile,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setitimer,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_setrlimit,
    libc::SYS_setsid,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_socketpair,
    libc::SYS_splice,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_sysinfo,
    libc::SYS_tee,
    libc::SYS_tgkill,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    libc::SYS_times,
    libc::SYS_tkill,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_uname,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_write,
    libc::SYS_writev,
];

#[cfg(target_arch = "x86_64")]
/// Calls that only older architectures have.
const LEGACY: &[i64] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_creat,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_fork,
    libc::SYS_futimesat,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_inotify_init,
    libc::SYS_lchown,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_signalfd,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_time,
    libc::SYS_unlink,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_vfork,
];

#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];
