//! `cardea guard`: what guards would say, without a gateway.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum GuardCommand {
    /// Say of each argument value whether a constraint admits it.
    ///
    /// Values come from standard input, one JSON value in a line. An object is the arguments of a call, in which a
    /// constraint finds its value by `at`; anything else is the value itself.
    ///
    /// Exit status: 0 when all are admitted, 1 when one is refused, 2 when the constraint or a line cannot be read.
    Args(GuardArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// A file with `constraints`, spelt as in `upstreams.<id>.constraints`.
    #[arg(long, value_name = "FILE")]
    pub(crate) constraint: PathBuf,
    /// A group of the caller's; can be given several times.
    #[arg(long = "group", value_name = "NAME")]
    pub(crate) groups: Vec<String>,
    /// Look up hosts and follow links, as the gateway does before a call.
    #[arg(long)]
    pub(crate) look: bool,
    /// One JSON object for each value instead of a readable line.
    #[arg(long)]
    pub(crate) json: bool,
}
