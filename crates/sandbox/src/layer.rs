//! The layers of a box. Each holds by itself; most attacks meet several.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One wall between a server and the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A user namespace: no user but one, and no privilege over the host.
    User,
    /// A mount namespace with a root of its own: what is not in the view is not there.
    Mount,
    /// A PID namespace: no process of the host is there, and none of the box outlives it.
    Pid,
    /// An IPC namespace: no shared memory, semaphore or queue of the host.
    Ipc,
    /// A UTS namespace: the host's name is neither seen nor changed.
    Uts,
    /// A network namespace with nothing in it but loopback.
    Network,
    /// Landlock rules: files, programs to execute, TCP ports, abstract sockets, signals.
    Landlock,
    /// A filter of system calls.
    Seccomp,
    /// `no_new_privs`: executing a program never gains anything.
    NoNewPrivileges,
    /// No capabilities, in no set.
    Capabilities,
    /// Resource limits of each process.
    Rlimits,
    /// A bound on the number of processes of the whole box.
    Processes,
    /// An environment that holds what the configuration says.
    Environment,
    /// No open descriptors but the three standard streams.
    Descriptors,
    /// A session of its own, and an end when the gateway ends.
    Session,
}

impl Layer {
    /// All of them, in the order in which they are put on.
    pub const ALL: [Self; 15] = [
        Self::Environment,
        Self::Descriptors,
        Self::Session,
        Self::User,
        Self::Mount,
        Self::Pid,
        Self::Ipc,
        Self::Uts,
        Self::Network,
        Self::Processes,
        Self::Rlimits,
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// Its name, as messages and documents have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user namespace",
            Self::Mount => "mount namespace",
            Self::Pid => "PID namespace",
            Self::Ipc => "IPC namespace",
            Self::Uts => "UTS namespace",
            Self::Network => "network namespace",
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Capabilities => "no capabilities",
            Self::Rlimits => "resource limits",
            Self::Processes => "process count",
            Self::Environment => "clean environment",
            Self::Descriptors => "closed descriptors",
            Self::Session => "own session",
        }
    }

    /// What an administrator can do where it is missing.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::User => {
                "allow user namespaces: `sysctl user.max_user_namespaces` above 0, on Ubuntu \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile for \
                 cardea, on older Debian `sysctl kernel.unprivileged_userns_clone=1`"
            }
            Self::Mount => {
                "allow mounts in user namespaces; in a container, run it with an unmasked `/proc` \
                 (Docker: `--security-opt systempaths=unconfined --security-opt seccomp=unconfined`)"
            }
            Self::Pid | Self::Ipc | Self::Uts | Self::Network => {
                "allow namespaces: `sysctl user.max_{pid,ipc,uts,net}_namespaces` above 0, and in a \
                 container a seccomp profile that lets `unshare` pass"
            }
            Self::Landlock => {
                "use Linux 5.13 or newer with Landlock in `CONFIG_LSM`, or add `landlock` to the \
                 `lsm=` boot parameter"
            }
            Self::Seccomp => "use a kernel with `CONFIG_SECCOMP_FILTER`",
            Self::Processes => {
                "run the gateway as an ordinary user, delegate a cgroup to it (systemd: \
                 `Delegate=yes`), or use Linux 6.14 or newer"
            }
            Self::Rlimits => {
                "raise the hard limits of the gateway (`ulimit -H`) above the sandbox's"
            }
            Self::NoNewPrivileges
            | Self::Capabilities
            | Self::Environment
            | Self::Descriptors
            | Self::Session => "this works on every Linux: report it as a mistake in Cardea",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which layers a box has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers(BTreeSet<Layer>);

impl Layers {
    /// Every layer: what `strict` means.
    #[must_use]
    pub fn all() -> Self {
        Self(Layer::ALL.into())
    }

    /// The same without these.
    #[must_use]
    pub fn without(mut self, missing: impl IntoIterator<Item = Layer>) -> Self {
        for layer in missing {
            self.0.remove(&layer);
        }
        self
    }

    /// Whether a layer is put on.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        self.0.contains(&layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_put_on_once_and_says_what_to_do_without_it() {
        let all: BTreeSet<_> = Layer::ALL.into();
        assert_eq!(all.len(), Layer::ALL.len());
        for layer in Layer::ALL {
            assert!(Layers::all().has(layer));
            assert!(!Layers::all().without([layer]).has(layer));
            assert!(layer.remedy().len() > 20, "{layer}");
        }
    }
}
