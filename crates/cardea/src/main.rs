//! The `cardea` command: what was typed, what it was wired to, how it ended.
//!
//! Nothing is decided here: configuration, keys, policies and upstreams are read and handed to
//! the rooms that know what they mean. Exit status: 0 fine, 1 refused or failed, 2 wrong use; the commands about access say
//! more ([`command::Failure`]).

mod cli;
mod command;
mod policies;
mod reload;
mod telemetry;
mod wiring;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

/// One call makes a few dozen small allocations on one thread, where this allocator is fastest.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else: the gateway executes itself to put up the sandbox of a server, by one thread.
    if let Some(stage) = cardea_sandbox::Stage::of(std::env::args_os()) {
        return stage.run();
    }
    let typed = cli::Cli::parse();
    match command::run(typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A reader that went away takes no more; there is nobody to tell.
            let closed = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
            if !closed {
                let _ = writeln!(std::io::stderr(), "{error:#}");
            }
            let failure = error.downcast_ref::<command::Failure>();
            failure.map_or(ExitCode::FAILURE, command::Failure::exit_code)
        }
    }
}
