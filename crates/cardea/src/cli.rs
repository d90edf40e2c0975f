//! The command line, as it is typed.

pub(crate) mod access;
mod account;
mod guard;
pub(crate) mod login;
mod policy;
pub(crate) mod server;

use std::{path::PathBuf, time::Duration};

use cardea_domain::Thumbprint;
use clap::{Args, Parser, Subcommand};

pub(crate) use account::{AccountArgs, AccountCommand, AddArgs, ListArgs};
pub(crate) use guard::{GuardArgs, GuardCommand};
pub(crate) use policy::{
    BoundBy, ExplainArgs, PolicyCommand, SimulateArgs, TestArgs, ToolSchemaArgs,
};

/// A zero-trust gateway for the Model Context Protocol.
#[derive(Debug, Parser)]
#[command(name = "cardea", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway.
    Serve(ConfigArgs),
    /// Report every mistake in the configuration and the policies.
    Check(ConfigArgs),
    /// Print a short-lived access token signed with the embedded key, for development.
    Token(TokenArgs),
    /// Add, list, reset or remove local accounts of the authorization server.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Look at the MCP servers and what they say of their tools, and approve it.
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// Verify or read the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Try out what guards admit, without a gateway.
    #[command(subcommand)]
    Guard(GuardCommand),
    /// Say what policies make of calls, without a gateway.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Suggest labels of tools, for flow control.
    #[command(subcommand)]
    Flow(FlowCommand),
    /// Look at what this machine has for the sandbox of servers.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Print the JSON Schema of the configuration, for editors.
    Schema(SchemaArgs),
    /// Log in to a gateway, to look after access, or to an MCP server, for `cardea connect`.
    Login(login::LoginArgs),
    /// End a login at the authorization server and forget it here.
    Logout(login::LogoutArgs),
    /// Be the MCP server that a host launches, and stand for one over HTTP.
    Connect(login::ConnectArgs),
    #[command(flatten)]
    Access(access::AccessCommand),
    /// Print the completions of a shell.
    Completions(access::CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "cardea.yaml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The tenant.
    #[arg(long)]
    pub(crate) tenant: String,
    /// The person on whose behalf.
    #[arg(long)]
    pub(crate) subject: String,
    /// The agent.
    #[arg(long)]
    pub(crate) actor: String,
    /// A group of the person's, for policies; can be given several times.
    #[arg(long = "group", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) groups: Vec<String>,
    /// What the person asked for, recorded with each call.
    #[arg(long, value_name = "TEXT")]
    pub(crate) task: Option<String>,
    /// How long the token is good for: `90s`, `10m`, `2h`; at most 24h.
    #[arg(long, default_value = "10m", value_parser = ttl)]
    pub(crate) ttl: Duration,
    /// Bind it to this DPoP key, by its thumbprint (RFC 7638).
    #[arg(long, value_name = "THUMBPRINT", value_parser = thumbprint)]
    pub(crate) jkt: Option<Thumbprint>,
    /// Bind it to this client certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// Good for this upstream alone; without it for all.
    #[arg(long, value_name = "ID")]
    pub(crate) upstream: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check every record's hash, chain and number.
    Verify(LogArgs),
    /// Print records, the newest last.
    Tail(TailArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum FlowCommand {
    /// Print a file of labels for the tools of a server, to be looked at and named as `labels` of its upstream.
    Labels(LabelsArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Show which layers this machine has for this user, and what to do about missing ones.
    ///
    /// Exit status: 0 when there are all, 1 when one is missing.
    Doctor(DoctorArgs),
    /// Measure what a sandbox costs: a start and a call of `cat`, plain and boxed, in turns.
    Measure(MeasureArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// How many starts of each.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) starts: usize,
    /// How many calls of each.
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub(crate) calls: usize,
    /// As JSON instead of two lines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// As JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LabelsArgs {
    /// Answers to `tools/list`, as JSON; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Which logs: those of a configuration, or of a folder without one.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The folder of the logs, where there is no configuration: for an auditor with a copy.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) dir: Option<PathBuf>,
    /// The log of this tenant alone; without it every log, the gateway's own among them.
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) logs: LogArgs,
    /// How many records.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub(crate) lines: usize,
    /// Go on as records are written.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Whole records as JSON instead of one readable line each.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The reference page in Markdown instead.
    #[arg(long)]
    pub(crate) reference: bool,
}

/// A development token outlives no working day.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = Duration::from_secs(seconds(text, &[("s", 1), ("m", 60), ("h", 3600)])?);
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err("the duration must be from 1s to 24h".into());
    }
    Ok(ttl)
}

/// A number and one of these units.
fn seconds(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration such as `90s`, `10m` or `2h`");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let (_, seconds) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    number.checked_mul(*seconds).ok_or_else(wrong)
}

fn thumbprint(text: &str) -> Result<Thumbprint, String> {
    Thumbprint::parse(text)
        .ok_or_else(|| "a thumbprint is 43 characters of base64url, without padding".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_bounded_and_need_a_unit() {
        assert_eq!(ttl("10m"), Ok(Duration::from_secs(600)));
        for bad in [
            "",
            "10",
            "m",
            "0s",
            "25h",
            "1d",
            "-1s",
            "99999999999999999999s",
            "ä",
        ] {
            assert!(ttl(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
