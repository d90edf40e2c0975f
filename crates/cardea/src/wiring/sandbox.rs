//! The boxes of stdio servers, from their settings.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use cardea_config::{self as config, Config, SandboxMode, SandboxPreset, Transport, Upstream};
use cardea_sandbox::{
    Launcher, Limits, Mode, PlanError, Preset, Profile, Program, Spec, View, missing, plan,
};

/// What is around the boxes of all servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// Every folder that some server may write.
    writable: Vec<PathBuf>,
    /// What is for no server.
    secret: Vec<PathBuf>,
    /// What no server may write.
    steering: Vec<PathBuf>,
}

/// What the gateway keeps in its `state_dir` for itself; what was added for servers is beside it.
const SECRET: [&str; 7] = [
    "keys",
    "audit",
    "runs",
    "cardea.db",
    "cardea.db-wal",
    "cardea.db-shm",
    "cardea.db-journal",
];

impl Surroundings {
    pub(crate) fn of(config: &Config) -> Self {
        let state = SECRET.map(|name| config.state_dir.join(name));
        let own = [config.audit.dir.clone()];
        let keys = config.tls.iter().map(|tls| tls.key.clone());
        let policies = config.policy_roots().map(Path::to_owned);
        let steering: BTreeSet<PathBuf> = policies.chain([config.file.clone()]).collect();
        Self {
            writable: writable(config),
            secret: state.into_iter().chain(own).chain(keys).collect(),
            steering: steering.into_iter().collect(),
        }
    }
}

fn writable(config: &Config) -> Vec<PathBuf> {
    let folders = config.upstreams.values().flat_map(|upstream| {
        let Transport::Stdio(stdio) = &upstream.transport else {
            return &[][..];
        };
        &stdio.sandbox.write
    });
    let folders: BTreeSet<&PathBuf> = folders.collect();
    folders.into_iter().cloned().collect()
}

/// The box of an upstream; `None` where it is no command, or is to run without one.
pub(crate) fn profile(upstream: &Upstream, around: &Surroundings) -> Option<Profile> {
    let Transport::Stdio(stdio) = &upstream.transport else {
        return None;
    };
    let sandbox = &stdio.sandbox;
    let mode = match sandbox.mode {
        SandboxMode::Strict => Mode::Strict,
        SandboxMode::BestEffort => Mode::BestEffort,
        SandboxMode::Off => return None,
    };
    let preset = sandbox.preset.map(|preset| match preset {
        SandboxPreset::Node => Preset::Node,
        SandboxPreset::Python => Preset::Python,
        SandboxPreset::Native => Preset::Native,
    });
    Some(Profile {
        mode,
        preset,
        read: sandbox.read.clone(),
        write: sandbox.write.clone(),
        exec: sandbox.exec.clone(),
        writable_by_servers: around.writable.clone(),
        secret: around.secret.clone(),
        steering: around.steering.clone(),
        allow: sandbox.allow.clone(),
        limits: limits(&sandbox.limits),
    })
}

fn limits(limits: &config::SandboxLimits) -> Limits {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Limits {
        memory_bytes_max: limits.memory_bytes_max,
        processes_max: number(limits.processes_max),
        files_max: number(limits.files_max),
        cpu_time_max: limits.cpu_time_max,
        file_bytes_max: limits.file_bytes_max,
        tmp_bytes_max: limits.tmp_bytes_max,
    }
}

/// The upstreams whose server would not be started on this machine as it is now, and why.
pub(crate) fn unplannable(config: &Config) -> Vec<(&Upstream, PlanError)> {
    let around = Surroundings::of(config);
    let tried = config.upstreams.values();
    tried
        .filter_map(|upstream| Some((upstream, planned(upstream, &around)?.err()?)))
        .collect()
}

/// What of this machine's files a server would see in its box; `None` where it has none, or none can be put up.
pub(crate) fn view(config: &Config, upstream: &Upstream) -> Option<View> {
    Some(plan_of(config, upstream)?.ok()?.view)
}

/// The box that a server would have; `None` where it would have none.
pub(crate) fn plan_of(config: &Config, upstream: &Upstream) -> Option<Result<Spec, PlanError>> {
    planned(upstream, &Surroundings::of(config))
}

/// The box of a server, where it has one.
fn planned(upstream: &Upstream, around: &Surroundings) -> Option<Result<Spec, PlanError>> {
    let profile = profile(upstream, around)?;
    let Transport::Stdio(stdio) = &upstream.transport else {
        return None;
    };
    let program = Program {
        command: stdio.command.to_str()?,
        args: &stdio.args,
        env: &[],
        cwd: &stdio.cwd,
        path: &std::env::var_os("PATH").unwrap_or_default(),
    };
    Some(plan(&profile, &program))
}

/// Says at the start what would otherwise be found out by the first call.
pub(crate) async fn look(config: &Config) {
    for (upstream, error) in unplannable(config) {
        tracing::warn!(tenant = %upstream.tenant, upstream = %upstream.id, %error, "the sandbox of this server cannot be put up");
    }
    let is_strict = |p: Profile| p.mode == Mode::Strict;
    let around = Surroundings::of(config);
    let mut profiles = config
        .upstreams
        .values()
        .filter_map(|u| profile(u, &around));
    if !profiles.any(is_strict) {
        return;
    }
    match missing(&Launcher::default()).await {
        Ok(missing) => {
            for (layer, missing) in missing {
                tracing::error!(%layer, why = missing.what, help = layer.remedy(), "this machine lacks a layer of the sandbox: servers with `strict` are not started");
            }
        }
        Err(error) => {
            tracing::error!(%error, "no sandbox can be put up on this machine: servers with `strict` are not started");
        }
    }
}
