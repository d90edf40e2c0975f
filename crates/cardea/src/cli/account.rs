//! `cardea account`, as it is typed.

use clap::{Args, Subcommand};

use super::ConfigArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account and print the one-time link by which its password is set.
    Add(AddArgs),
    /// Print the accounts of the tenants.
    List(ListArgs),
    /// Print a new one-time link for an account; its password stays until the link is used.
    Reset(AccountArgs),
    /// Remove an account, and end its logins and everything that was issued for it.
    Remove(AccountArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The tenant.
    #[arg(long)]
    pub(crate) tenant: String,
    /// The person.
    #[arg(long)]
    pub(crate) subject: String,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) account: AccountArgs,
    /// A group that the person is in; may be given several times.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Of this tenant alone.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
}
