//! `cardea server`: the servers of a tenant, what they say of themselves, and what of it is approved.
//!
//! It works on the store in `state_dir`, as `cardea account` does, beside the gateway or without it: whoever may write
//! there decides. A running gateway takes every decision over within seconds, and writes it to the log.

mod adding;
mod deciding;
mod listing;
mod office;
mod sharing;

use super::{Failure, login::runtime};
use crate::cli::server::{ServerCommand as Command, WhereArgs};
use office::Office;

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => within(&args.at, async |office| adding::add(office, args).await),
        Command::Remove(args) => {
            within(&args.at, async |office| adding::remove(office, args).await)
        }
        Command::Export(args) => {
            within(&args.at, async |office| sharing::export(office, args).await)
        }
        Command::Import(args) => {
            within(&args.at, async |office| sharing::import(office, args).await)
        }
        Command::List(args) => within(&args.at, async |office| listing::list(office).await),
        Command::Show(args) => within(&args.at, async |office| listing::show(office, args).await),
        Command::Diff(args) => within(&args.at, async |office| listing::diff(office, args).await),
        Command::Approve(args) => within(&args.at, async |office| {
            deciding::approve(office, args).await
        }),
        Command::Reject(args) => within(&args.at, async |office| {
            deciding::reject(office, args).await
        }),
        Command::Withdraw(args) => within(&args.at, async |office| {
            deciding::withdraw(office, args).await
        }),
    }
}

/// Does something with the store of a configuration.
fn within(
    at: &WhereArgs,
    act: impl AsyncFnOnce(&Office) -> Result<(), Failure>,
) -> anyhow::Result<()> {
    let done = runtime()?.block_on(async {
        let office = Office::open(at).await?;
        let done = act(&office).await;
        office.close().await;
        done
    });
    Ok(done.map_err(|failure| match at.json {
        true => failure.for_programs(),
        false => failure,
    })?)
}
