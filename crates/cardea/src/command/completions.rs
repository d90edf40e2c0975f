//! `cardea completions`: what a shell needs to complete commands.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::cli::{Cli, access::CompletionsArgs};

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cardea", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
