//! The comparison: the same upstream called directly, through nginx as a plain reverse proxy, and through the gateway
//! with everything on. Prints a table, and as the last line one JSON object.
//!
//! Starts what it measures, each process pinned to a core: upstream and load generator to cpu 0, nginx and the gateway
//! to cpu 1, of which only one is busy at a time. Everything listens on the loopback and ends with this program.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, ensure};
use cardea_bench::{
    LEGACY, TOOL,
    report::{IdleReport, SyncReport},
    session::{Session, Target},
};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod comparison;
mod files;
mod gateways;
mod rounds;
mod stand;
mod summary;

use crate::{
    gateways::Gateways,
    rounds::{Hop, Load, Plan, Run},
    stand::{Gateway, Stand},
};

#[derive(Parser)]
#[command(about = "Compares calls made directly, through nginx and through the gateway")]
struct Args {
    /// Times each cell is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds each run is measured.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of warm-up before each run.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Connections of the cells.
    #[arg(long, num_args = 1.., value_delimiter = ' ', default_value = "1 16 64")]
    connections: Vec<usize>,
    /// Bytes of filler in the results of the cells.
    #[arg(long, num_args = 1.., value_delimiter = ' ', default_value = "0 10240")]
    sizes: Vec<usize>,
    /// Protocol revision which the clients speak.
    #[arg(long, default_value = LEGACY)]
    protocol: String,
    /// Sessions in the idle measurement; 0 leaves it out.
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    /// Further argument of the upstream, such as `--upstream-arg=--sse`; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    upstream_arg: Vec<String>,
    /// Only the upstream and nginx: tries the bench itself.
    #[arg(long)]
    without_cardea: bool,
    /// The gateway's program.
    #[arg(long, default_value = "target/release/cardea")]
    cardea: PathBuf,
    /// Where a directory for configuration, keys and audit log is made for the time of the run; on a disk, not in memory.
    #[arg(long, default_value = "target")]
    work_dir: PathBuf,
    /// Where results are kept.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Whichever comes first, what was started is stopped when the measurement is dropped.
    tokio::select! {
        finished = measure(&args) => finished,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

async fn measure(args: &Args) -> Result<ExitCode> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(
        cores >= 2,
        "two cores are needed: one for the load and the upstream, one for what is measured"
    );
    let date = date();
    let dir = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&args.work_dir)
        .context("making the working directory")?;
    let dir_path = dir.path().canonicalize()?;

    let stand = Stand::start(&dir_path, &args.upstream_arg).await?;
    let mut gateways = match args.without_cardea {
        true => None,
        false => Some(Gateways::start(&dir_path, &args.cardea, stand.upstream_port).await?),
    };
    let load = Load::beside(&stand)?;
    if let Some(gateways) = &gateways {
        prove_that_everything_is_on(gateways, &args.protocol).await?;
    }

    let plan = Plan::of(args);
    let state_bytes_before = gateways.as_ref().map_or(0, |both| both.plain.state_bytes());
    let runs = rounds::run_all(&plan, &load, &stand, gateways.as_ref(), &dir_path).await?;
    let written = |gateway: &Gateway| gateway.state_bytes().saturating_sub(state_bytes_before);
    let plain = gateways.as_ref().map(|both| &both.plain);
    let audit_bytes_per_call = plain.map(|gateway| written(gateway) as f64 / calls(&runs.runs));
    let rss_mb_after = plain.map(Gateway::rss_mb).transpose()?;

    let idle = match gateways.take() {
        Some(both) if args.idle > 0 => Some(measure_idle(args, both.plain, &load).await?),
        _ => None,
    };
    let findings = Findings {
        date,
        runs: runs.runs,
        disk: runs.disk,
        audit_bytes_per_call,
        rss_mb_after,
        idle,
    };
    let summary = summary::Summary::of(&plan, findings)?;
    keep(args, &summary)?;
    print!("{}", summary.text());
    println!("{}", summary.json());
    Ok(if summary.errors() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a label of the results; nothing depends on it"
)]
fn date() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// All that was measured, before anything is computed from it.
struct Findings {
    date: String,
    runs: Vec<Run>,
    disk: Vec<SyncReport>,
    audit_bytes_per_call: Option<f64>,
    rss_mb_after: Option<f64>,
    idle: Option<IdleReport>,
}

/// A gateway that lets everybody do everything, or keeps no records, would be fast: nobody, a stranger and a thief must all be
/// refused, and a call must leave something on the disk.
async fn prove_that_everything_is_on(gateways: &Gateways, protocol: &str) -> Result<()> {
    let gateway = &gateways.plain;
    let target = |bearer: Option<&str>| Target {
        endpoint: gateway.url().parse().expect("an http address"),
        protocol: protocol.to_owned(),
        bearer: bearer.map(str::to_owned),
        prover: None,
        tls: None,
        headers: Vec::new(),
        tool: TOOL.to_owned(),
    };
    let before = gateway.state_bytes();
    try_call(&target(Some(&gateway.bearer)))
        .await
        .context("the actor with a permit is refused")?;
    ensure!(
        gateway.state_bytes() > before,
        "a call leaves nothing in the state directory: the audit is not on"
    );
    ensure!(
        try_call(&target(None)).await.is_err(),
        "a client without a token is let in"
    );
    ensure!(
        try_call(&target(Some(&gateway.bearer_stranger)))
            .await
            .is_err(),
        "an actor without a permit is let in"
    );
    ensure!(
        try_call(&target(Some(gateways.stolen()))).await.is_err(),
        "a token that is bound to a key is taken without it"
    );
    Ok(())
}

async fn try_call(target: &Target) -> Result<()> {
    let mut session = Session::open(target).await?;
    session.call("may I?", "").await?;
    session.close().await
}

/// Calls that the gateway without TLS has answered.
fn calls(runs: &[Run]) -> f64 {
    let runs = runs
        .iter()
        .filter(|run| matches!(run.hop, Hop::Cardea | Hop::Dpop));
    runs.map(|run| run.report.requests_total).sum::<u64>() as f64
}

/// Idle sessions in a fresh gateway, so that memory left over from the rounds does not hide what they need.
async fn measure_idle(args: &Args, gateway: Gateway, load: &Load) -> Result<IdleReport> {
    let gateway = gateway.restart().await?;
    let target = rounds::Target {
        hop: Hop::Cardea,
        url: gateway.url(),
        pid: gateway.pid(),
        bearer: Some(&gateway.bearer),
        arguments: Vec::new(),
    };
    let warm = rounds::Cell {
        connections: 16,
        size: 0,
    };
    load.call(
        &target,
        warm,
        LEGACY,
        Duration::from_secs(1),
        Duration::ZERO,
    )
    .await?;
    load.idle(&target, args.idle).await
}

/// Writes the summary and every single run to the results directory.
fn keep(args: &Args, summary: &summary::Summary) -> Result<()> {
    let name: String = summary
        .date()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    fs::create_dir_all(&args.results)?;
    fs::write(
        args.results.join(format!("{name}.json")),
        summary.json() + "\n",
    )?;
    fs::write(args.results.join(format!("{name}.md")), summary.text())?;
    fs::write(
        args.results.join(format!("{name}-runs.jsonl")),
        summary.run_lines(),
    )?;
    Ok(())
}
