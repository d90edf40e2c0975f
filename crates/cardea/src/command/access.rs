//! The commands about access: they ask the API of a gateway with a person's login, as documents for
//! programs and as tables for people.
//!
//! A coding agent may run them with the login of whoever launched it. So nothing here approves or
//! lifts a lock: `approve` and `unlock` open the page on which a person does it, and wait. The
//! gateway holds to that by itself.

mod asking;
mod deciding;
mod ending;
mod gateway;
mod lists;

use super::{Failure, login::runtime, table};
use crate::cli::access::{AccessCommand as Command, GatewayArgs};
use gateway::Gateway;

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let done = match command {
        Command::Request(args) => on(&runtime, &args.gateway, |to| asking::request(to, args)),
        Command::Justify(args) => {
            let gateway = &args.request.gateway;
            on(&runtime, gateway, |to| asking::justify(to, args))
        }
        Command::Cancel(args) => on(&runtime, &args.gateway, |to| asking::cancel(to, args)),
        Command::Requests(args) => on(&runtime, &args.gateway, |to| lists::requests(to, args)),
        Command::Grants(args) => on(&runtime, &args.gateway, |to| lists::grants(to, args)),
        Command::Locks(args) => on(&runtime, &args.gateway, lists::locks),
        Command::WhoCan(args) => on(&runtime, &args.gateway, |to| lists::who_can(to, args)),
        Command::Approve(args) => {
            let gateway = &args.request.gateway;
            on(&runtime, gateway, |to| deciding::approve(to, args))
        }
        Command::Deny(args) => {
            let gateway = &args.request.gateway;
            on(&runtime, gateway, |to| deciding::deny(to, args))
        }
        Command::Revoke(args) => on(&runtime, &args.gateway, |to| ending::revoke(to, args)),
        Command::Lock(args) => on(&runtime, &args.gateway, |to| ending::lock(to, args)),
        Command::Unlock(args) => on(&runtime, &args.gateway, |to| ending::unlock(to, args)),
    };
    // A name that is being looked up holds a thread that nothing can wake.
    runtime.shutdown_background();
    Ok(done?)
}

/// Does something at the gateway that was named.
fn on<F: Future<Output = Result<(), Failure>>>(
    runtime: &tokio::runtime::Runtime,
    args: &GatewayArgs,
    act: impl FnOnce(Gateway) -> F,
) -> Result<(), Failure> {
    let done = Gateway::open(args).and_then(|gateway| runtime.block_on(act(gateway)));
    done.map_err(|failure| match args.json {
        true => failure.for_programs(),
        false => failure,
    })
}
