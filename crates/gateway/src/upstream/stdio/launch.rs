//! The start of a server: in its box, or plainly where an administrator wants no box.

use std::{ffi::OsString, process::Stdio, sync::Arc, time::Duration};

use cardea_audit::Receipt;
use cardea_domain::{Denial, is_public};
use cardea_registry::StdioServer;
use cardea_sandbox::{
    Cgroup, Control, Egress, Launcher, Layer, Missing, Mode, Profile, Program, StartError, plan,
};
use tokio::{
    io::AsyncWrite,
    process::{Child, ChildStderr, ChildStdout, Command},
    sync::OnceCell,
    task::JoinSet,
};

use super::blocked::{Blocked, CONNECTION, MEMORY};
use crate::upstream::unreachable;

/// Where lines for a server go.
pub(super) type Input = Box<dyn AsyncWrite + Send + Unpin>;

/// A server that was started.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) stdin: Input,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
    /// What is around it, where it is in a box.
    pub(super) around: Option<Around>,
}

/// What ends with a box: the way out of it, and its last word.
pub(super) struct Around {
    control: Control,
    blocked: Arc<Blocked>,
    cgroup: Option<Cgroup>,
    _ways_out: JoinSet<()>,
}

/// A box that has ended has said how; one that was killed says nothing.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

impl Around {
    /// Takes the last word of a box that has ended.
    pub(super) async fn over(mut self) {
        if self.cgroup.is_some_and(|cgroup| cgroup.ran_out_of_memory()) {
            let text = "a process was ended for want of memory (`sandbox.limits.memory_bytes_max`)";
            self.blocked.tell(MEMORY, text.to_owned());
        }
        let ended = tokio::time::timeout(LAST_WORD_WITHIN, self.control.ended()).await;
        let Ok(Some(ended)) = ended else { return };
        if let Some(wall) = ended.blocked() {
            self.blocked.tell(wall, ended.to_string());
        }
    }
}

/// Starts a server, by the receipt of the record that says so.
///
/// # Errors
/// A denial whose detail says what is missing and what to do about it.
pub(super) async fn start(
    server: &StdioServer,
    profile: Option<&Profile>,
    blocked: &Arc<Blocked>,
    _record: &Receipt,
) -> Result<Started, Denial> {
    match profile {
        Some(profile) => boxed(server, profile, blocked).await,
        None => plain(server),
    }
}

/// A process with a clean environment in a process group of its own, and all rights of the gateway.
fn plain(server: &StdioServer) -> Result<Started, Denial> {
    let mut command = Command::new(&server.command);
    command
        .args(&server.args)
        .env_clear()
        .env("PATH", path())
        .envs(server.env.iter().map(|(k, v)| (k, v)))
        .current_dir(&server.cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|e| unreachable(format!("cannot start `{}`: {e}", server.command)))?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(unreachable("the process has no standard streams"));
    };
    Ok(Started {
        child,
        stdin: Box::new(stdin),
        stdout,
        stderr,
        around: None,
    })
}

async fn boxed(
    server: &StdioServer,
    profile: &Profile,
    blocked: &Arc<Blocked>,
) -> Result<Started, Denial> {
    let path = path();
    let program = Program {
        command: &server.command,
        args: &server.args,
        env: &server.env,
        cwd: &server.cwd,
        path: &path,
    };
    let mut spec = plan(profile, &program).map_err(|error| refused(&error))?;
    let launcher = Launcher::default();
    if profile.mode == Mode::BestEffort {
        let missing = lacking(&launcher).await.map_err(|error| refused(&error))?;
        spec.layers = spec.layers.without(missing.iter().map(|(layer, _)| *layer));
    }
    let started = launcher.start(&spec).await.map_err(|error| match &error {
        StartError::Layer { layer, .. } => unreachable(format!(
            "{error}; {}; `cardea sandbox doctor` shows all layers, and `sandbox.mode: best-effort` starts \
             the server without this one",
            layer.remedy()
        )),
        _ => refused(&error),
    })?;
    let told = Arc::clone(blocked);
    let egress = Egress::new(profile.allow.clone(), is_public, move |refusal| {
        let more = match refusal.more {
            0 => String::new(),
            more => format!("; {more} more before it"),
        };
        let text = format!("{}: {}{more}", refusal.target, refusal.why);
        told.tell(CONNECTION, text);
    });
    let ways_out = Arc::new(egress)
        .serve(started.listeners)
        .map_err(|error| refused(&error))?;
    Ok(Started {
        child: started.child,
        stdin: Box::new(started.stdin),
        stdout: started.stdout,
        stderr: started.stderr,
        around: Some(Around {
            control: started.control,
            blocked: Arc::clone(blocked),
            cgroup: started.cgroup,
            _ways_out: ways_out,
        }),
    })
}

/// What the host lacks, looked at once: it does not change while the gateway runs.
async fn lacking(launcher: &Launcher) -> Result<&'static [(Layer, Missing)], StartError> {
    static FOUND: OnceCell<Vec<(Layer, Missing)>> = OnceCell::const_new();
    let found = FOUND.get_or_try_init(|| async {
        let missing: Vec<_> = cardea_sandbox::missing(launcher).await?.into_iter().collect();
        for (layer, missing) in &missing {
            tracing::warn!(%layer, why = missing.what, help = layer.remedy(), "this host lacks a layer of the sandbox; servers with `best-effort` run without it");
        }
        Ok(missing)
    });
    found.await.map(Vec::as_slice)
}

fn refused(error: &dyn std::fmt::Display) -> Denial {
    unreachable(format!(
        "the sandbox of the server cannot be put up: {error}"
    ))
}

fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
