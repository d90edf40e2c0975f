//! What one box is made from: nothing is looked up after it, so that what was checked is what runs.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::Layers;

/// A program and its box.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The executable, by an absolute path that the view holds.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Its whole environment; values may be secret.
    pub env: Vec<(String, String)>,
    /// Where it runs; an empty folder where the view holds nothing there.
    pub cwd: PathBuf,
    /// What it sees of the host's files.
    pub view: View,
    /// What it can connect to.
    pub network: Doors,
    /// What it may use up.
    pub limits: Limits,
    /// The walls.
    pub layers: Layers,
}

/// What a box holds of the host's files, at the same paths. All are absolute, and free of symbolic links but for `links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Files and folders that are there to be read.
    pub read: Vec<PathBuf>,
    /// Folders that are there to be read and written.
    pub write: Vec<PathBuf>,
    /// Files and folders whose programs may be executed; each is within `read` or `write`, or is added to it.
    pub exec: Vec<PathBuf>,
    /// Symbolic links on the way to them: where each is, and what it says.
    pub links: Vec<(PathBuf, PathBuf)>,
}

/// What a box can connect to: listeners of the gateway's own within its network namespace, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doors {
    /// Addresses within the box, in the order in which their listeners are handed over.
    pub listeners: Vec<SocketAddrV4>,
    /// Names that lead to them.
    pub hosts: Vec<(String, Ipv4Addr)>,
}

/// What a box may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Writable private memory of each process in bytes; of all together where the host offers cgroups.
    pub memory_bytes_max: u64,
    /// Processes and threads at a time.
    pub processes_max: u64,
    /// Open descriptors of each process.
    pub files_max: u64,
    /// Seconds of processor time of each process; `None` is no bound.
    pub cpu_time_max: Option<Duration>,
    /// One file in bytes.
    pub file_bytes_max: u64,
    /// `/tmp` in bytes, all files together.
    pub tmp_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 1 << 30,
            processes_max: 64,
            files_max: 256,
            cpu_time_max: None,
            file_bytes_max: 256 << 20,
            tmp_bytes_max: 64 << 20,
        }
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Spec")
            .field("program", &self.program)
            .field("args", &format_args!("[{} hidden]", self.args.len()))
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("view", &self.view)
            .field("network", &self.network)
            .field("limits", &self.limits)
            .field("layers", &self.layers)
            .finish()
    }
}
