//! What the commands about access are told.

use std::time::Duration;

use cardea_domain::{GrantId, LockId, RequestId, UpstreamId};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::login::StoreArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Ask for access for an agent, or for a later end of a grant.
    Request(RequestArgs),
    /// List requests, or show one.
    Requests(RequestsArgs),
    /// Say why a request in your name is wanted.
    Justify(JustifyArgs),
    /// Take back a request in your name.
    Cancel(OneRequestArgs),
    /// Open the page on which a request is approved, and wait until it is decided.
    Approve(ApproveArgs),
    /// Refuse a request.
    Deny(DenyArgs),
    /// List grants.
    Grants(GrantsArgs),
    /// End a grant, or every grant of a person, an agent, a server, a tool, a run or the tenant.
    Revoke(RevokeArgs),
    /// Refuse every call of a person, an agent, a server, a tool, a run or the tenant, at once.
    Lock(LockArgs),
    /// Open the page on which a lock is lifted, and wait until it is.
    Unlock(UnlockArgs),
    /// List locks.
    Locks(LocksArgs),
    /// List who can reach a server or a tool, until when and why.
    WhoCan(WhoCanArgs),
}

/// Which gateway, with which login, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The gateway; needed where there are logins for several.
    #[arg(long, value_name = "URL", env = "CARDEA_GATEWAY")]
    pub(crate) gateway: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// One JSON document instead of text; a refusal is one on standard error.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a person is brought to a page, and how long is waited for them.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Print the page's address instead of opening a browser.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Wait so long at most: `90s`, `10m`; without it, until it is decided or ends.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// What a list is narrowed to.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Of this person.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// Of this agent.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Of this server.
    #[arg(long, value_name = "ID")]
    pub(crate) upstream: Option<String>,
    /// Of this tool, resource or prompt.
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// So many rows at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("wish").required(true).args(["upstream", "extend"])))]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// The server.
    #[arg(value_parser = UpstreamId::parse, requires_all = ["name", "actor"])]
    pub(crate) upstream: Option<UpstreamId>,
    /// The tool, or what `--of` says.
    #[arg(requires = "upstream")]
    pub(crate) name: Option<String>,
    /// The agent that is to have it.
    #[arg(long, value_name = "NAME", conflicts_with = "extend")]
    pub(crate) actor: Option<String>,
    /// What of the server it is.
    #[arg(long, value_enum, default_value_t = Of::Tool, conflicts_with = "extend")]
    pub(crate) of: Of,
    /// What kind of grant; without it, the entitlement's first.
    #[arg(long, value_enum, conflicts_with = "extend")]
    pub(crate) kind: Option<Kind>,
    /// For how long: `10m`, `2h`, in whole minutes; without it, as long as may be asked for.
    #[arg(long, value_name = "DURATION", value_parser = minutes)]
    pub(crate) r#for: Option<u64>,
    /// For so many calls.
    #[arg(long, value_name = "N", conflicts_with = "extend")]
    pub(crate) calls: Option<u64>,
    /// Arguments as JSON, as an example for those who decide.
    #[arg(long, value_name = "JSON", conflicts_with = "extend")]
    pub(crate) arguments: Option<String>,
    /// A JSON Schema that the arguments of every call have to satisfy.
    #[arg(long, value_name = "SCHEMA", conflicts_with = "extend")]
    pub(crate) constraint: Option<String>,
    /// Why; those who decide see it, marked as sent by a program.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// A ticket, by its name elsewhere.
    #[arg(long, value_name = "NAME")]
    pub(crate) ticket: Option<String>,
    /// Ask for a later end of this grant, instead of for a new one.
    #[arg(long, value_name = "GRANT", value_parser = GrantId::parse)]
    pub(crate) extend: Option<GrantId>,
}

/// What of a server is asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Of {
    /// A tool, to be called.
    Tool,
    /// A resource, to be read.
    Resource,
    /// A prompt, to be had.
    Prompt,
}

/// What kind of grant is asked for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Any number of calls, for a time.
    Time,
    /// A number of calls.
    Calls,
    /// One call with exact arguments, which only the agent can ask for, by trying it.
    Once,
}

#[derive(Debug, Args)]
pub(crate) struct RequestsArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// This request alone, with everything about it.
    #[arg(value_parser = RequestId::parse)]
    pub(crate) id: Option<RequestId>,
    /// Those that wait for you alone.
    #[arg(long, conflicts_with_all = ["mine", "state", "id"])]
    pub(crate) decide: bool,
    /// Those in your name alone.
    #[arg(long, conflicts_with = "id")]
    pub(crate) mine: bool,
    /// In this state alone.
    #[arg(long, value_name = "STATE", value_parser = ["pending", "approved", "refused", "expired", "cancelled", "void"])]
    pub(crate) state: Option<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OneRequestArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// The request.
    #[arg(value_parser = RequestId::parse)]
    pub(crate) id: RequestId,
}

#[derive(Debug, Args)]
pub(crate) struct JustifyArgs {
    #[command(flatten)]
    pub(crate) request: OneRequestArgs,
    /// Why it is wanted.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    #[command(flatten)]
    pub(crate) request: OneRequestArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DenyArgs {
    #[command(flatten)]
    pub(crate) request: OneRequestArgs,
    /// Why; the agent is told.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantsArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// Active ones, ended ones, or any.
    #[arg(long, value_name = "STATE", default_value = "active", value_parser = ["active", "ended", "any"])]
    pub(crate) state: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// A part of the tenant.
#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// Everybody and everything.
    #[arg(long)]
    pub(crate) tenant: bool,
    /// A person, with all agents.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// An agent, for all people.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// A server.
    #[arg(long, value_name = "ID")]
    pub(crate) upstream: Option<String>,
    /// A tool of a server.
    #[arg(long, value_name = "SERVER/TOOL")]
    pub(crate) tool: Option<String>,
    /// A run.
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["id", "tenant", "subject", "actor", "upstream", "tool", "run"])))]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// The grant; or every grant of what the options name.
    #[arg(value_parser = GrantId::parse)]
    pub(crate) id: Option<GrantId>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Why; needed for more than one grant.
    #[arg(long, value_name = "TEXT", required_unless_present = "id")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["tenant", "subject", "actor", "upstream", "tool", "run"])))]
pub(crate) struct LockArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how long: `10m`, `2h`, in whole minutes; without it, until it is lifted.
    #[arg(long, value_name = "DURATION", value_parser = minutes)]
    pub(crate) r#for: Option<u64>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["id", "tenant", "subject", "actor", "upstream", "tool", "run"])))]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// The lock; or every lock of what the options name.
    #[arg(value_parser = LockId::parse)]
    pub(crate) id: Option<LockId>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LocksArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WhoCanArgs {
    #[command(flatten)]
    pub(crate) gateway: GatewayArgs,
    /// The server.
    #[arg(value_parser = UpstreamId::parse)]
    pub(crate) upstream: UpstreamId,
    /// The tool, resource or prompt; without it, all of the server's.
    pub(crate) tool: Option<String>,
    /// This person alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// This agent alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Who could as well: grants that have ended.
    #[arg(long)]
    pub(crate) ended: bool,
    /// So many rows of each kind at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

impl ScopeArgs {
    /// The kind and name of the scope, as the API spells them; `None` when none was typed.
    pub(crate) fn named(&self) -> Option<(&'static str, Option<&str>)> {
        if self.tenant {
            return Some(("tenant", None));
        }
        let named = [
            ("subject", &self.subject),
            ("actor", &self.actor),
            ("upstream", &self.upstream),
            ("tool", &self.tool),
            ("run", &self.run),
        ];
        let mut named = named.into_iter();
        named.find_map(|(kind, name)| Some((kind, Some(name.as_deref()?))))
    }
}

/// `90s`, `10m`, `2h`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = super::seconds(text, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)])?;
    Ok(Duration::from_secs(seconds))
}

fn minutes(text: &str) -> Result<u64, String> {
    match duration(text)?.as_secs() {
        0 => Err("it has to be a minute at least".to_owned()),
        seconds if seconds % 60 != 0 => Err("it has to be whole minutes".to_owned()),
        seconds => Ok(seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_whole_minutes() {
        assert_eq!(minutes("2h"), Ok(120));
        assert_eq!(minutes("120s"), Ok(2));
        for bad in ["90s", "0m", "5", "m", "-1m", ""] {
            assert!(minutes(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
    }
}
