//! Load generator: what a hop adds to a call, seen by a client. Each mode prints one line of JSON.
//!
//! Without a mode it is a closed loop: N keep-alive connections, each a session of its own, each calling `echo` as soon
//! as it has been answered. `--idle` opens sessions and leaves them alone. `fsync` measures the disk itself.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use cardea_bench::{LEGACY, TOOL, dpop::Prover, session::Target, tls::Tls};
use clap::{Args, Parser, Subcommand};

mod closed_loop;
mod disk;
mod idle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    about = "A closed-loop load generator for MCP servers and gateways",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Subcommand)]
enum Mode {
    /// Append to a file and sync it, over and over.
    Fsync {
        /// Directory on the disk to be measured.
        #[arg(long)]
        dir: PathBuf,
        /// Appends made.
        #[arg(long, default_value_t = 1000)]
        count: u64,
        /// Bytes in each.
        #[arg(long, default_value_t = 512)]
        bytes: usize,
    },
}

/// The options of a run.
#[derive(Args)]
struct LoadArgs {
    /// MCP endpoint: http://HOST:PORT/PATH, or https with --certificate.
    #[arg(long, required = true)]
    url: Option<String>,
    /// Connections, each with one call in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds measured; with --idle, seconds the sessions are held.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before the measured ones.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Bytes of filler in each result.
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Access token.
    #[arg(long)]
    bearer: Option<String>,
    /// The P-256 key (PKCS #8) that the token is bound to: each request then carries a DPoP proof.
    #[arg(long)]
    dpop_key: Option<PathBuf>,
    /// The authority of the server, in PEM.
    #[arg(long, requires = "certificate")]
    ca_file: Option<PathBuf>,
    /// The client's certificate, in PEM.
    #[arg(long, requires_all = ["ca_file", "key"])]
    certificate: Option<PathBuf>,
    /// Its key, in PEM.
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
    /// Further header, `Name: value`; may be repeated.
    #[arg(long)]
    header: Vec<String>,
    /// The process under test; its descendants count too.
    #[arg(long)]
    pid: Option<u32>,
    /// Another process of the measurement, whose CPU time is not a disturbance; may be repeated.
    #[arg(long)]
    known_pid: Vec<u32>,
    /// Protocol revision; from 2026-07-28 on without sessions.
    #[arg(long, default_value = LEGACY)]
    protocol: String,
    /// Name under which the tool is shown.
    #[arg(long, default_value = TOOL)]
    tool: String,
    /// Open sessions and hold them instead of calling.
    #[arg(long)]
    idle: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let line = match cli.mode {
        Some(Mode::Fsync { dir, count, bytes }) => {
            serde_json::to_string(&disk::run(&dir, count, bytes)?)?
        }
        None if cli.load.idle => serde_json::to_string(&idle::run(&cli.load).await?)?,
        None => serde_json::to_string(&closed_loop::run(&cli.load).await?)?,
    };
    println!("{line}");
    Ok(())
}

impl LoadArgs {
    fn target(&self) -> Result<Target> {
        let url = self.url.as_deref().context("--url is missing")?;
        ensure!(
            (1..=100_000).contains(&self.connections),
            "--connections must be 1 to 100000"
        );
        ensure!(
            self.seconds > 0.0 && self.seconds <= 3600.0,
            "--seconds must be above 0 and at most 3600"
        );
        ensure!(
            (0.0..=3600.0).contains(&self.warmup),
            "--warmup must be 0 to 3600"
        );
        Ok(Target {
            endpoint: url.parse()?,
            protocol: self.protocol.clone(),
            bearer: self.bearer.clone(),
            prover: self
                .dpop_key
                .as_deref()
                .map(Prover::read)
                .transpose()?
                .map(Arc::new),
            tls: self.tls()?,
            headers: self.header.clone(),
            tool: self.tool.clone(),
        })
    }

    fn tls(&self) -> Result<Option<Tls>> {
        let files = (&self.ca_file, &self.certificate, &self.key);
        let (Some(ca_file), Some(certificate), Some(key)) = files else {
            return Ok(None);
        };
        Tls::new(ca_file, certificate, key).map(Some)
    }
}
