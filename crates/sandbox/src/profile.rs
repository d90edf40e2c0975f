//! What an administrator says of a server's box.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use cardea_domain::Destination;

use crate::Limits;

/// What a server may see, reach and use up, besides what its runtime needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What is done where the host lacks a layer.
    pub mode: Mode,
    /// The runtime; found out from the command where it is not said.
    pub preset: Option<Preset>,
    /// Files and folders to be read, by absolute paths.
    pub read: Vec<PathBuf>,
    /// Files and folders to be read and written, by absolute paths.
    pub write: Vec<PathBuf>,
    /// Programs to be executed besides the runtime: absolute paths, or names that are looked up in `PATH`.
    pub exec: Vec<PathBuf>,
    /// Folders that any server on this machine may write, its own among them: a symbolic link below them may have been put there by
    /// one, and is not followed.
    pub writable_by_servers: Vec<PathBuf>,
    /// Files and folders that nothing shows it, whatever the other fields say: the gateway's keys and records.
    pub secret: Vec<PathBuf>,
    /// Files and folders that it does not write, whatever the other fields say: the gateway's configuration and policies.
    pub steering: Vec<PathBuf>,
    /// Where it may connect to; nowhere where this is empty.
    pub allow: Vec<Destination>,
    /// What it may use up.
    pub limits: Limits,
}

impl Profile {
    /// What the runtime needs, and nothing else; every layer has to be there.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            mode: Mode::Strict,
            preset: None,
            read: Vec::new(),
            write: Vec::new(),
            exec: Vec::new(),
            writable_by_servers: Vec::new(),
            secret: Vec::new(),
            steering: Vec::new(),
            allow: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// What is done where the host lacks a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The server is not started.
    Strict,
    /// It is started with the layers that there are, and the others are named.
    BestEffort,
}

/// The runtime of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Node: the script's package with the `node_modules` around it.
    Node,
    /// Python: the interpreter's library, and the virtual environment that it is of.
    Python,
    /// A program of the machine: the loader and the usual library folders.
    Native,
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Python => "python",
            Self::Native => "native",
        })
    }
}

/// A server's command.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// A path, or a name that is looked up in `path`.
    pub command: &'a str,
    /// Its arguments.
    pub args: &'a [String],
    /// Its environment; values may be secret.
    pub env: &'a [(String, String)],
    /// Its folder, which relative paths start from.
    pub cwd: &'a Path,
    /// Where names are looked up, as `PATH` has it.
    pub path: &'a std::ffi::OsStr,
}
