//! The box that the processes of a stdio server run in.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    check::Checker,
    quantity::{ByteSize, Count, Quantity, Timespan, count, gib, hours, kib, mib, secs},
    yaml::At,
};

/// The box of a stdio server.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Sandbox")]
pub(crate) struct RawSandbox {
    /// What is done where the machine lacks a layer of the box: `strict` starts no server, `best-effort` starts it with the layers that
    /// there are and names the others in the log. `off` is no box at all: the server can do whatever the gateway can.
    /// `cardea sandbox doctor` shows which layers the machine has.
    pub(crate) mode: SandboxMode,

    /// The runtime, which decides about the files that are there to be read: `node` the script's package and the `node_modules` around
    /// it, `python` the interpreter's library and its virtual environment, `native` the usual library folders.
    #[schemars(extend("x-default" = "by the name of the program"))]
    pub(crate) preset: Option<SandboxPreset>,

    /// Files and folders that the server may read besides.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) read: Vec<String>,

    /// Files and folders that it may read and write. Nothing in them can be executed. `/tmp` is its own, empty at each start.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) write: Vec<String>,

    /// Programs that it may execute besides its runtime: paths of files or folders, or names that are looked up in `PATH`. No shell
    /// unless it is named.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) exec: Vec<String>,

    /// What it may connect to.
    pub(crate) network: RawSandboxNetwork,

    /// What its processes may use up.
    pub(crate) limits: RawSandboxLimits,
}

/// What a server may connect to: nothing, unless it is listed.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SandboxNetwork")]
pub(crate) struct RawSandboxNetwork {
    /// Hosts with their ports, such as `api.example.com:443`; `*.example.com:443` is every name below `example.com`. They are reached
    /// through the gateway, which looks the names up; private, loopback, link-local and metadata addresses are never reached.
    #[schemars(inner(length(min = 1)), length(max = 64), extend("uniqueItems" = true))]
    pub(crate) allow: Vec<String>,
}

/// What is done where the machine lacks a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SandboxMode {
    /// The server is not started.
    #[default]
    Strict,
    /// It is started with the layers that there are.
    BestEffort,
    /// It is started without a box.
    Off,
}

/// The runtime of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SandboxPreset {
    /// Node.
    Node,
    /// Python.
    Python,
    /// A program of the machine.
    Native,
}

/// What the processes of a server may use up.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SandboxLimits")]
pub(crate) struct RawSandboxLimits {
    /// Writable private memory of each process; of all of them together where the gateway has cgroups. An interpreter alone takes some tens
    /// of megabytes.
    #[schemars(extend("x-minimum" = MEMORY_MIN.bound(), "x-maximum" = MEMORY_MAX.bound()))]
    pub(crate) memory_bytes_max: ByteSize,

    /// Processes and threads at a time. Node has about 11 of them before it does anything.
    #[schemars(extend("x-minimum" = PROCESSES_MIN.bound(), "x-maximum" = PROCESSES_MAX.bound()))]
    pub(crate) processes_max: Count,

    /// Open descriptors of each process.
    #[schemars(extend("x-minimum" = FILES_MIN.bound(), "x-maximum" = FILES_MAX.bound()))]
    pub(crate) files_max: Count,

    /// Processor time of each process in its whole life, after which it is ended. Servers that live long need much, so there is no
    /// bound unless it is given.
    #[schemars(extend("x-default" = "off", "x-minimum" = CPU_TIME_MIN.bound(), "x-maximum" = CPU_TIME_MAX.bound()))]
    pub(crate) cpu_time_max: Option<Timespan>,

    /// One file that it writes. How many of them there are in folders of `write` is not bounded.
    #[schemars(extend("x-minimum" = FILE_MIN.bound(), "x-maximum" = FILE_MAX.bound()))]
    pub(crate) file_bytes_max: ByteSize,

    /// All files in its `/tmp` together. They are in memory.
    #[schemars(extend("x-minimum" = FILE_MIN.bound(), "x-maximum" = TMP_MAX.bound()))]
    pub(crate) tmp_bytes_max: ByteSize,
}

const MEMORY_MIN: ByteSize = mib(32);
const MEMORY_MAX: ByteSize = gib(256);
const PROCESSES_MIN: Count = count(4);
const PROCESSES_MAX: Count = count(10_000);
const FILES_MIN: Count = count(32);
const FILES_MAX: Count = count(100_000);
const CPU_TIME_MIN: Timespan = secs(1);
const CPU_TIME_MAX: Timespan = hours(24 * 30);
const FILE_MIN: ByteSize = kib(64);
const FILE_MAX: ByteSize = gib(256);
const TMP_MAX: ByteSize = gib(16);

/// What the processes of a server may use up. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Writable private memory of each process.
    pub memory_bytes_max: u64,
    /// Processes and threads at a time.
    pub processes_max: usize,
    /// Open descriptors of each process.
    pub files_max: usize,
    /// Processor time of each process.
    pub cpu_time_max: Option<Duration>,
    /// One file.
    pub file_bytes_max: u64,
    /// All files in `/tmp` together.
    pub tmp_bytes_max: u64,
}

impl Default for RawSandbox {
    fn default() -> Self {
        Self {
            mode: SandboxMode::Strict,
            preset: None,
            read: Vec::new(),
            write: Vec::new(),
            exec: Vec::new(),
            network: RawSandboxNetwork::default(),
            limits: RawSandboxLimits::default(),
        }
    }
}

impl Default for RawSandboxLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: gib(1),
            processes_max: count(64),
            files_max: count(256),
            cpu_time_max: None,
            file_bytes_max: mib(256),
            tmp_bytes_max: mib(64),
        }
    }
}

impl Default for SandboxLimits {
    fn default() -> Self {
        RawSandboxLimits::default().checked()
    }
}

impl RawSandboxLimits {
    fn checked(&self) -> SandboxLimits {
        SandboxLimits {
            memory_bytes_max: self.memory_bytes_max.checked(),
            processes_max: self.processes_max.checked(),
            files_max: self.files_max.checked(),
            cpu_time_max: self.cpu_time_max.map(Quantity::checked),
            file_bytes_max: self.file_bytes_max.checked(),
            tmp_bytes_max: self.tmp_bytes_max.checked(),
        }
    }

    /// Reports each limit of the file at `at` that is out of its range.
    pub(crate) fn check(&self, at: &At, checker: &mut Checker<'_>) -> SandboxLimits {
        let (memory, file, tmp) = (
            at.key("memory_bytes_max"),
            at.key("file_bytes_max"),
            at.key("tmp_bytes_max"),
        );
        checker.range(&memory, self.memory_bytes_max, MEMORY_MIN, MEMORY_MAX);
        checker.range(&file, self.file_bytes_max, FILE_MIN, FILE_MAX);
        checker.range(&tmp, self.tmp_bytes_max, FILE_MIN, TMP_MAX);
        let (processes, files) = (at.key("processes_max"), at.key("files_max"));
        checker.range(&processes, self.processes_max, PROCESSES_MIN, PROCESSES_MAX);
        checker.range(&files, self.files_max, FILES_MIN, FILES_MAX);
        if let Some(time) = self.cpu_time_max {
            checker.range(&at.key("cpu_time_max"), time, CPU_TIME_MIN, CPU_TIME_MAX);
        }
        self.checked()
    }
}
