//! The runs: every cell, through every hop, in every round.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use cardea_bench::report::{IdleReport, LoadReport, SyncReport};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{process::Command, time};

use crate::{
    Args,
    gateways::Gateways,
    stand::{HOP_CPU, LOAD_CPU, Stand, sibling},
};

/// What a run may take longer than its warm-up and measured time: opening, ending, and giving up on stuck calls.
const RUN_SLACK: Duration = Duration::from_secs(120);
/// Appends in each measurement of the disk.
const SYNCS: &str = "500";
/// How long idle sessions are held.
const IDLE_SECONDS: &str = "3";

/// What a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hop {
    /// Nothing.
    Direct,
    /// A plain reverse proxy without security.
    Nginx,
    /// The gateway with everything on.
    Cardea,
    /// The same, with a DPoP proof in each call.
    Dpop,
    /// The same over mutual TLS, with tokens that are bound to the certificate.
    Mtls,
    /// The gateway without checks of arguments and results.
    Unchecked,
    /// The gateway with constraints on arguments besides schemas.
    Constrained,
    /// The same, with flow control.
    Flow,
}

/// What is called in a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cell {
    pub(crate) connections: usize,
    pub(crate) size: usize,
}

/// Which runs there are.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) warmup: f64,
    pub(crate) protocol: String,
    #[serde(skip)]
    pub(crate) cells: Vec<Cell>,
}

impl Plan {
    pub(crate) fn of(args: &Args) -> Self {
        let cells = |size: &usize| {
            args.connections
                .iter()
                .map(|connections| Cell {
                    connections: *connections,
                    size: *size,
                })
                .collect::<Vec<_>>()
        };
        Self {
            rounds: args.rounds,
            seconds: args.seconds,
            warmup: args.warmup,
            protocol: args.protocol.clone(),
            cells: args.sizes.iter().flat_map(cells).collect(),
        }
    }
}

/// One run and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) round: usize,
    pub(crate) hop: Hop,
    #[serde(flatten)]
    pub(crate) report: LoadReport,
}

/// All runs, and the disk as it was in each round.
pub(crate) struct Runs {
    pub(crate) runs: Vec<Run>,
    pub(crate) disk: Vec<SyncReport>,
}

impl Hop {
    /// Whether it is measured in this cell: for what differs from the gateway as it is, the fewest and the most
    /// connections will do; how tokens are bound does not depend on what is in a result, so that the smallest will do.
    fn is_in(self, cell: &Cell, plan: &Plan) -> bool {
        let cells = || plan.cells.iter();
        let connections = || cells().map(|cell| cell.connections);
        let is_outermost =
            [connections().min(), connections().max()].contains(&Some(cell.connections));
        let is_smallest = cells().map(|cell| cell.size).min() == Some(cell.size);
        match self {
            Self::Direct | Self::Nginx | Self::Cardea => true,
            Self::Dpop | Self::Mtls => is_outermost && is_smallest,
            Self::Unchecked | Self::Constrained | Self::Flow => is_outermost,
        }
    }
}

/// Where a hop is and which process it is.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) hop: Hop,
    pub(crate) url: String,
    pub(crate) pid: u32,
    pub(crate) bearer: Option<&'a str>,
    /// What the load generator needs besides the token.
    pub(crate) arguments: Vec<String>,
}

/// Runs everything, in rounds: what changes in the machine meanwhile then changes for all hops alike.
pub(crate) async fn run_all(
    plan: &Plan,
    load: &Load,
    stand: &Stand,
    gateways: Option<&Gateways>,
    dir: &Path,
) -> Result<Runs> {
    let mut targets = vec![
        Target {
            hop: Hop::Direct,
            url: loopback(stand.upstream_port),
            pid: stand.upstream.pid(),
            bearer: None,
            arguments: Vec::new(),
        },
        Target {
            hop: Hop::Nginx,
            url: loopback(stand.nginx_port),
            pid: stand.nginx.pid(),
            bearer: None,
            arguments: Vec::new(),
        },
    ];
    if let Some(gateways) = gateways {
        targets.extend(gateways.targets());
    }
    let mut all = Runs {
        runs: Vec::new(),
        disk: Vec::new(),
    };
    for round in 1..=plan.rounds {
        all.disk.push(load.sync(dir).await?);
        for cell in &plan.cells {
            // Nobody is always the first, with a core that has just rested, and nobody always the last.
            targets.rotate_left(1);
            for target in targets.iter().filter(|t| t.hop.is_in(cell, plan)) {
                let (measured, warmup) = (
                    Duration::from_secs_f64(plan.seconds),
                    Duration::from_secs_f64(plan.warmup),
                );
                let report = load
                    .call(target, *cell, &plan.protocol, measured, warmup)
                    .await?;
                eprintln!("{}", progress(round, target.hop, &report));
                all.runs.push(Run {
                    round,
                    hop: target.hop,
                    report,
                });
            }
        }
    }
    Ok(all)
}

fn loopback(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}

fn progress(round: usize, hop: Hop, report: &LoadReport) -> String {
    let LoadReport {
        connections,
        size,
        rps,
        p50_us,
        p99_us,
        ..
    } = report;
    let cpu = report.cpu_us_per_call.unwrap_or(0.0);
    let failed = report.first_error.as_ref().map_or(String::new(), |error| {
        format!(", {} errors: {error}", report.errors)
    });
    format!(
        "round {round}, {connections} x {size} B, {hop:?}: {rps:.0}/s, p50 {p50_us:.0} us, p99 {p99_us:.0} us, cpu {cpu:.1} us{failed}"
    )
}

/// The load generator, run as a process for each measurement.
pub(crate) struct Load {
    program: std::path::PathBuf,
    known_pids: Vec<u32>,
}

impl Load {
    /// A load generator which knows the processes that belong to the measurement.
    pub(crate) fn beside(stand: &Stand) -> Result<Self> {
        Ok(Self {
            program: sibling("bench-load")?,
            known_pids: vec![stand.upstream.pid(), std::process::id()],
        })
    }

    /// One closed-loop run.
    pub(crate) async fn call(
        &self,
        target: &Target<'_>,
        cell: Cell,
        protocol: &str,
        measured: Duration,
        warmup: Duration,
    ) -> Result<LoadReport> {
        let mut command = self.command(LOAD_CPU);
        address(&mut command, target, cell.connections);
        command.args(["--protocol", protocol, "--size", &cell.size.to_string()]);
        command.args([
            "--seconds",
            &measured.as_secs_f64().to_string(),
            "--warmup",
            &warmup.as_secs_f64().to_string(),
        ]);
        for pid in &self.known_pids {
            command.args(["--known-pid", &pid.to_string()]);
        }
        let what = || format!("{:?} with {} connections", target.hop, cell.connections);
        finish(command, measured + warmup + RUN_SLACK)
            .await
            .with_context(what)
    }

    /// Idle sessions of the legacy era.
    pub(crate) async fn idle(&self, target: &Target<'_>, sessions: usize) -> Result<IdleReport> {
        let mut command = self.command(LOAD_CPU);
        address(&mut command, target, sessions);
        command.args(["--idle", "--seconds", IDLE_SECONDS]);
        finish(command, RUN_SLACK * 2)
            .await
            .context("idle sessions")
    }

    /// The disk below `dir`.
    async fn sync(&self, dir: &Path) -> Result<SyncReport> {
        let mut command = self.command(HOP_CPU);
        command.args(["fsync", "--count", SYNCS, "--dir"]).arg(dir);
        finish(command, RUN_SLACK).await.context("syncing to disk")
    }

    fn command(&self, cpu: &str) -> Command {
        let mut command = Command::new("taskset");
        command
            .args(["-c", cpu, "setpriv", "--pdeathsig", "TERM", "--"])
            .arg(&self.program);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn address(command: &mut Command, target: &Target<'_>, connections: usize) {
    command.args([
        "--url",
        &target.url,
        "--pid",
        &target.pid.to_string(),
        "--connections",
        &connections.to_string(),
    ]);
    if let Some(bearer) = target.bearer {
        command.args(["--bearer", bearer]);
    }
    command.args(&target.arguments);
}

/// Waits for a load generator, not longer than `limit`, and reads the line it prints.
async fn finish<R: DeserializeOwned>(mut command: Command, limit: Duration) -> Result<R> {
    let output = time::timeout(limit, command.output())
        .await
        .context("it takes too long and was stopped")??;
    if !output.status.success() {
        bail!(
            "bench-load: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout)
        .context("bench-load printed something else than a report")
}
