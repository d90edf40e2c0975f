//! `cardea server`, as it is typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::ConfigArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Add a server: a package, a program or an address. It is installed and locked, and nothing of it is started.
    Add(Box<AddArgs>),
    /// Remove a server that was added, and forget what was approved of it.
    Remove(RemoveArgs),
    /// Write what is approved into a signed file, for other gateways.
    Export(ExportArgs),
    /// Approve what a signed file has, or print what a list of somebody else's would add: `mcp.json`, `server.json`.
    Import(ImportArgs),
    /// Print the servers, with how much of each is approved and how much waits.
    List(ServersArgs),
    /// Print what a server says of its tools, prompts, resource templates and itself, and how that stands.
    Show(ShowArgs),
    /// Print what waits for approval, against what was approved before.
    Diff(DiffArgs),
    /// Approve what waits, as it is now: nothing that is new or changed afterwards.
    Approve(ApproveArgs),
    /// Reject what waits; nobody is asked again until it changes.
    Reject(DecideArgs),
    /// Take an approval back: from now on no agent sees or calls it.
    Withdraw(DecideArgs),
}

/// Where.
#[derive(Debug, Args)]
pub(crate) struct WhereArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The tenant; not needed where there is one alone.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// A JSON document for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// `npm:NAME@VERSION`, `pypi:NAME==VERSION`, `exec:PATH` or an `https` URL.
    #[arg(value_name = "SERVER")]
    pub(crate) spec: String,
    /// What it is called, as part of the URL; the package's name unless given.
    #[arg(long, value_name = "ID")]
    pub(crate) name: Option<String>,
    /// In the place of an added server of this name: another version of it.
    #[arg(long)]
    pub(crate) replace: bool,
    /// A variable for it: `NAME=env:VARIABLE` of the gateway, `NAME=file:PATH`, or `NAME=text:VALUE` for what is no secret; may be given several times.
    #[arg(long, value_name = "NAME=SOURCE")]
    pub(crate) env: Vec<String>,
    /// Whether it runs in a box: `strict`, `best-effort` or `off`.
    #[arg(long, value_name = "MODE", default_value = "strict", value_parser = ["strict", "best-effort", "off"])]
    pub(crate) sandbox: String,
    /// A file or folder that it may read; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// A file or folder that it may read and write; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// A program that it may execute, as a path or a name; may be given several times.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) exec: Vec<PathBuf>,
    /// What it may connect to, as `HOST:PORT`; may be given several times.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) allow: Vec<String>,
    /// What else a package of PyPI is held to, such as `mcp<2`; may be given several times.
    #[arg(long, value_name = "REQUIREMENT")]
    pub(crate) constraint: Vec<String>,
    /// Authorities (PEM) for an `https` server, besides the public ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// A key that an `https` server may have: `sha256/` and base64; may be given several times.
    #[arg(long, value_name = "PIN")]
    pub(crate) spki_pin: Vec<String>,
    /// The SPIFFE ID that an `https` server must have; needs `--ca-file`.
    #[arg(long, value_name = "ID", requires = "ca_file")]
    pub(crate) spiffe_id: Option<String>,
    /// The certificate (PEM) that an `https` server is shown where it asks.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The key (PEM) of it.
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
    /// Its arguments, after `--`.
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The file.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The file.
    pub(crate) file: PathBuf,
    /// The key that must have signed it: `ed25519/` and base64, as `export` prints it. Without it, nothing is approved.
    #[arg(long, value_name = "KEY", requires = "reason")]
    pub(crate) key: Option<String>,
    /// Why; it is recorded and shown.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The server.
    pub(crate) server: String,
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServersArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The server.
    pub(crate) server: String,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The server.
    pub(crate) server: String,
    /// Of these alone: a tool by its name, `prompt:NAME`, `template:URI` or `instructions`.
    #[arg(value_name = "WHAT")]
    pub(crate) items: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The server.
    pub(crate) server: String,
    /// What of it: a tool by its name, `prompt:NAME`, `template:URI` or `instructions`.
    #[arg(value_name = "WHAT", required = true)]
    pub(crate) items: Vec<String>,
    /// Why; it is recorded and shown.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(crate) at: WhereArgs,
    /// The server, and what of it: a tool by its name, `prompt:NAME`, `template:URI` or `instructions`; nothing, for an
    /// added server that is to be looked at first. With `--all`, any number of servers.
    #[arg(value_name = "SERVER [WHAT]", required = true)]
    pub(crate) names: Vec<String>,
    /// Everything that waits of these servers.
    #[arg(long)]
    pub(crate) all: bool,
    /// Why; it is recorded and shown.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// How long to wait for the gateway to look at a server for the first time: `30s`, `2m`.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = wait)]
    pub(crate) wait: Duration,
}

fn wait(text: &str) -> Result<Duration, String> {
    super::seconds(text, &[("s", 1), ("m", 60)]).map(Duration::from_secs)
}
