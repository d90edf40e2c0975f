//! `cardea policy`: what policies say, without a gateway.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ConfigArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print what policies can read of the arguments of tools, as Cedar types.
    ///
    /// Exit status: 0 when every tool has a valid schema, 1 when one has not, 2 when the file cannot be read.
    Schema(ToolSchemaArgs),
    /// Say what the policies of a configuration make of a call, by which of them, and what is missing.
    ///
    /// Grants, locks, guards and what the run has seen are not looked at: `--flow` says what it has.
    ///
    /// Exit status: 0 when it is permitted, 1 when it is not, 2 when what was typed cannot be.
    Explain(Box<ExplainArgs>),
    /// Hold the policies of a configuration against a file of expected decisions.
    ///
    /// Exit status: 0 when all are as expected, 1 when one is not, 2 when the file cannot be read.
    Test(TestArgs),
    /// Replay recorded calls against the policies of a configuration, and show what would change.
    ///
    /// Exit status: 0 when nothing would change, 1 when something would, 2 when what was typed cannot be.
    Simulate(SimulateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ToolSchemaArgs {
    /// An answer to `tools/list`, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: PathBuf,
    /// The whole schema of policies over calls of this tool, for other programs of Cedar.
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// One JSON document instead of text.
    #[arg(long, conflicts_with = "tool")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The server.
    pub(crate) upstream: String,
    /// The tool; without it, and without a resource or prompt, it is about connecting.
    #[arg(conflicts_with_all = ["resource", "prompt"])]
    pub(crate) tool: Option<String>,
    /// A resource, to be read.
    #[arg(long, value_name = "URI", conflicts_with = "prompt")]
    pub(crate) resource: Option<String>,
    /// A prompt, to be had.
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt: Option<String>,
    /// The arguments, as a JSON object; without them it says what depends on them.
    #[arg(long, value_name = "JSON")]
    pub(crate) arguments: Option<String>,
    /// The tenant; needed where there are several.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// The person on whose behalf.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// The agent.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: String,
    /// A group of the person's; can be given several times.
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
    /// A role of the person's; can be given several times.
    #[arg(long = "role", value_name = "NAME")]
    pub(crate) roles: Vec<String>,
    /// The class of the login.
    #[arg(long, value_name = "CLASS")]
    pub(crate) acr: Option<String>,
    /// A method of the login; can be given several times.
    #[arg(long = "amr", value_name = "METHOD")]
    pub(crate) amr: Vec<String>,
    /// When the login was (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub(crate) auth_time: Option<String>,
    /// What the token is bound to; can be given twice.
    #[arg(long = "bound-by", value_enum)]
    pub(crate) bound_by: Vec<BoundBy>,
    /// When it would be (RFC 3339); now, unless given.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// A fact about where the arguments come from, as `context.flow` has it: `untrusted_in_run`, `untrusted_values=2`.
    #[arg(long = "flow", value_name = "FACT")]
    pub(crate) flow: Vec<String>,
    /// One JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a token can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BoundBy {
    /// A key, by DPoP.
    Dpop,
    /// A client certificate.
    Certificate,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A YAML file with `tests`.
    pub(crate) file: PathBuf,
    /// One JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The configuration with the proposed policies.
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The folder of the logs; that of the configuration, unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) audit: Option<PathBuf>,
    /// The calls of this tenant alone.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// So many of the newest records of each log are looked at, at most 100000.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) last: u32,
    /// One JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}
