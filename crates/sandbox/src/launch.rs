//! The gateway's side of a start: the socket, the outer process, and what the box says.

use std::{
    fmt, io,
    net::TcpListener,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::Interest,
    net::{UnixStream, unix::pipe},
    process::{Child, ChildStderr, ChildStdout, Command},
};

use crate::{
    Cgroup, Layer, Spec,
    control::{self, Bound, Inner, Outer, Said, Task},
    init::{COMMAND, SELF, Stage},
};

/// Starts boxes.
#[derive(Debug, Clone)]
pub struct Launcher {
    program: PathBuf,
}

/// A server in its box.
#[derive(Debug)]
pub struct Sandboxed {
    /// The outer process, which leads a process group of its own: the box ends with it.
    pub child: Child,
    /// The server's standard input.
    pub stdin: pipe::Sender,
    /// Its standard output.
    pub stdout: ChildStdout,
    /// Its standard error.
    pub stderr: ChildStderr,
    /// The listeners within the box, in the order of [`crate::Doors`]; what connects to them is the gateway's to answer.
    pub listeners: Vec<TcpListener>,
    /// What the box says of its end.
    pub control: Control,
    /// The control groups of the box, where the host has them; to be kept as long as it runs.
    pub cgroup: Option<Cgroup>,
}

/// The socket to a box. It keeps messages apart, which its type does not know of.
#[derive(Debug)]
pub struct Control(UnixStream);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Why a box was not put up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A layer cannot be put on.
    #[error("the sandbox lacks a layer, {layer} ({what})")]
    Layer {
        /// Which one.
        layer: Layer,
        /// What was tried, and what the host said.
        what: String,
    },
    /// Something else, with the command or within the box.
    #[error("{0}")]
    Other(String),
    /// The gateway's own part failed.
    #[error("the sandbox cannot be prepared: {0}")]
    Io(#[from] io::Error),
}

/// All of it takes some milliseconds; a machine that swaps gets its time.
const START_WITHIN: Duration = Duration::from_secs(10);

/// `SIGSYS`: the end by a system call that is deadly.
const SIGSYS: i32 = 31;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

impl Ended {
    /// What the walls had to do with it, if anything.
    #[must_use]
    pub fn blocked(&self) -> Option<&'static str> {
        match self.signal? {
            SIGSYS => Some("system-call"),
            SIGXCPU => Some("cpu-time"),
            SIGXFSZ => Some("file-size"),
            _ => None,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("no status"),
        }
    }
}

impl Default for Launcher {
    fn default() -> Self {
        Self::new(SELF)
    }
}

impl Launcher {
    /// Starts boxes by this program, which must call [`Stage::run`] before anything else.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
        }
    }

    /// Puts up a box and starts the server in it.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left of it.
    pub async fn start(&self, spec: &Spec) -> Result<Sandboxed, StartError> {
        self.put_up(spec, Task::Run).await
    }

    /// Puts up a box without a server, to find out whether it can be.
    ///
    /// # Errors
    /// As [`Launcher::start`].
    pub(crate) async fn try_out(&self, spec: &Spec) -> Result<(), StartError> {
        let mut tried = self.put_up(spec, Task::Try).await?;
        let _ = tried.child.wait().await;
        Ok(())
    }

    async fn put_up(&self, spec: &Spec, task: Task) -> Result<Sandboxed, StartError> {
        let (here, there) = control::pair()?;
        let (stdin, input) = pipe::pipe()?;
        let input = input.into_blocking_fd()?;
        // A limit of each process is its own wall; this is the same for all of them together.
        let cgroup = Some(&spec.limits)
            .filter(|_| spec.layers.has(Layer::Rlimits) && spec.layers.has(Layer::Processes))
            .and_then(Cgroup::make);
        let outer = Outer {
            parent: i32::try_from(std::process::id()).unwrap_or_default(),
            layers: spec.layers.clone(),
            cgroups: cgroup.as_ref().map(Cgroup::doors).unwrap_or_default(),
        };
        let inner = Inner {
            spec: spec.clone(),
            bound: bound(spec, cgroup.as_ref()),
            counts_memory: cgroup.is_some(),
            task,
        };
        // Before there is a reader: both fit the socket's buffer, so neither waits.
        control::send(&here, &outer, &[])?;
        control::send(&here, &inner, &[input.as_fd()])?;
        drop((input, inner));
        let mut child = self.spawn(spec, there)?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(StartError::Other(
                "the process has no standard streams".into(),
            ));
        };
        let mut control = Control::new(here)?;
        let listeners = match control.ready().await {
            Ok(listeners) => listeners,
            Err(error) => {
                // Its control groups can be removed only after it.
                let _ = child.kill().await;
                return Err(error);
            }
        };
        Ok(Sandboxed {
            child,
            stdin,
            stdout,
            stderr,
            listeners,
            control,
            cgroup,
        })
    }

    fn spawn(&self, spec: &Spec, control: OwnedFd) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args([COMMAND, Stage::Outer.name()])
            .current_dir("/")
            .stdin(Stdio::from(control))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if spec.layers.has(Layer::Environment) {
            command.env_clear();
        }
        // The gateway's allocator would reserve a gigabyte at once, which the limit of memory counts: then nothing could be started.
        command.env("MIMALLOC_ARENA_RESERVE", "0");
        command.spawn()
    }
}

/// By what the number of processes is bounded. The kernel does not hold root to `RLIMIT_NPROC`, whatever it is called in the box.
fn bound(spec: &Spec, cgroup: Option<&Cgroup>) -> Bound {
    match spec.layers.has(Layer::Processes) {
        false => Bound::None,
        true if !rustix::process::geteuid().is_root() => Bound::Rlimit,
        true if cgroup.is_some() => Bound::Cgroup,
        true => Bound::PidNamespace,
    }
}

impl Control {
    /// How the server ended; `None` where the box ended without saying so, for instance killed from outside.
    pub async fn ended(&mut self) -> Option<Ended> {
        match self.next().await {
            Ok(Some((Said::Ended { code, signal }, _))) => Some(Ended { code, signal }),
            _ => None,
        }
    }

    /// Waits for the box to be up; gives the listeners in it.
    async fn ready(&mut self) -> Result<Vec<TcpListener>, StartError> {
        let ended = || StartError::Other("the sandbox ended while it was put up".into());
        let said = tokio::time::timeout(START_WITHIN, self.next())
            .await
            .map_err(|_| StartError::Other("the sandbox is not up in time".into()))??;
        match said.ok_or_else(ended)? {
            (Said::Ready, descriptors) => {
                Ok(descriptors.into_iter().map(TcpListener::from).collect())
            }
            (Said::Failed { layer, what }, _) => Err(match layer {
                Some(layer) => StartError::Layer { layer, what },
                None => StartError::Other(what),
            }),
            (Said::Ended { .. }, _) => Err(ended()),
        }
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(Self)
    }

    async fn next(&mut self) -> io::Result<Option<(Said, Vec<OwnedFd>)>> {
        let take = || control::recv(&self.0);
        self.0.async_io(Interest::READABLE, take).await
    }
}
