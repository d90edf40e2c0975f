//! One module per command.

mod access;
mod account;
mod audit;
mod check;
mod completions;
mod connect;
mod failure;
mod flow;
mod guard;
mod login;
mod policy;
mod sandbox;
mod schema;
mod serve;
mod server;
mod table;
mod token;

use std::path::Path;

use anyhow::anyhow;
use cardea_config::Config;

use crate::cli::{Cli, Command};

pub(crate) use failure::Failure;

pub(crate) fn run(typed: Cli) -> anyhow::Result<()> {
    match typed.command {
        Command::Serve(args) => serve::run(&args.config),
        Command::Check(args) => check::run(&args.config),
        Command::Token(args) => token::run(&args),
        Command::Account(command) => account::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Guard(command) => guard::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Flow(command) => flow::run(&command),
        Command::Sandbox(command) => sandbox::run(&command),
        Command::Server(command) => server::run(&command),
        Command::Schema(args) => schema::run(&args),
        Command::Login(args) => login::login(args),
        Command::Logout(args) => login::logout(args),
        Command::Connect(args) => connect::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Access(command) => access::run(&command),
    }
}

/// The configuration, or all its mistakes as one error.
fn load(path: &Path) -> anyhow::Result<Config> {
    cardea_config::load(path).map_err(|mistakes| anyhow!("{}", mistakes.to_string().trim_end()))
}
