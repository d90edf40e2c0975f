//! The box of a stdio server, checked.

use std::path::PathBuf;

use cardea_domain::Destination;

use crate::{SandboxLimits, SandboxMode, SandboxPreset};

/// The box that the processes of a stdio server run in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// What is done where the machine lacks a layer.
    pub mode: SandboxMode,
    /// The runtime, if it is said.
    pub preset: Option<SandboxPreset>,
    /// Files and folders to be read, absolute; they may not be there yet.
    pub read: Vec<PathBuf>,
    /// Files and folders to be read and written, absolute; they may not be there yet.
    pub write: Vec<PathBuf>,
    /// Programs to be executed besides the runtime: absolute paths, or bare names.
    pub exec: Vec<PathBuf>,
    /// What it may connect to.
    pub allow: Vec<Destination>,
    /// What it may use up.
    pub limits: SandboxLimits,
}
