//! The inside of a start: what runs between the gateway and the server.
//!
//! Two processes of the gateway's own program, each with one thread, so that nothing unsafe is needed:
//!
//! | process | where | what it does |
//! |---|---|---|
//! | outer | on the host | closes what it inherited, joins control groups, makes the namespaces, starts the inner one, waits |
//! | inner | first process of the box | makes the root, the loopback and the listeners, gives every right away, starts the server, waits |
//!
//! Both end with what they come from, and the box with both. Nothing is put on by half: what fails is told, and nothing is started.

mod confine;
mod inner;
mod mounts;
mod network;
mod outer;
mod rules;
mod syscalls;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::File,
    process::ExitCode,
};

use crate::{
    Layer,
    control::{self, Said},
};

/// The hidden command; the gateway executes itself with it.
pub(crate) const COMMAND: &str = "sandbox-init";
/// The gateway's own program, even when the file was replaced.
pub(crate) const SELF: &str = "/proc/self/exe";

/// A part of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// On the host.
    Outer,
    /// In the box.
    Inner,
}

impl Stage {
    /// Whether a command line, its program's name included, is that of a part of a start.
    #[must_use]
    pub fn of(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let (command, stage) = (args.nth(1)?, args.next()?);
        if command != COMMAND {
            return None;
        }
        [Self::Outer, Self::Inner]
            .into_iter()
            .find(|known| stage == OsStr::new(known.name()))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Outer => "outer",
            Self::Inner => "inner",
        }
    }

    /// Does its part and ends with the server. Standard input is the gateway's socket; called by anybody else, it fails.
    ///
    /// Must be called while the process has one thread.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self {
            Self::Outer => outer::run(),
            Self::Inner => inner::run(),
        };
        done.unwrap_or_else(|failure| {
            let said = Said::Failed {
                layer: failure.layer,
                what: failure.what,
            };
            // Where the gateway is gone there is nobody to tell.
            let _ = control::send(rustix::stdio::stdin(), &said, &[]);
            ExitCode::FAILURE
        })
    }
}

/// Lets go of the server's output, so that its end is seen when the server closes it.
fn let_go_of_output() -> Result<(), Failure> {
    let nothing = File::options()
        .write(true)
        .open("/dev/null")
        .map_err(during("`/dev/null`"))?;
    rustix::stdio::dup2_stdout(&nothing)
        .and_then(|()| rustix::stdio::dup2_stderr(&nothing))
        .map_err(during("the output cannot be let go of"))
}

/// Why a box cannot be put up.
#[derive(Debug)]
struct Failure {
    layer: Option<Layer>,
    what: String,
}

impl Failure {
    fn new(what: impl Into<String>) -> Self {
        Self {
            layer: None,
            what: what.into(),
        }
    }
}

/// Turns an error into the failure of a layer, with what was tried.
fn at<E: fmt::Display>(layer: Layer, what: &str) -> impl FnOnce(E) -> Failure + use<'_, E> {
    move |error| Failure {
        layer: Some(layer),
        what: format!("{what}: {error}"),
    }
}

/// Turns an error into a failure that is no layer's.
fn during<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> Failure + use<'_, E> {
    move |error| Failure::new(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_parts_are_taken_for_one() {
        let of = |words: &[&str]| Stage::of(words.iter().map(OsString::from));
        assert_eq!(of(&["cardea", COMMAND, "outer"]), Some(Stage::Outer));
        assert_eq!(of(&["cardea", COMMAND, "inner"]), Some(Stage::Inner));
        for other in [
            &["cardea"][..],
            &["cardea", COMMAND],
            &["cardea", COMMAND, "x"],
            &["cardea", "serve", "outer"],
        ] {
            assert_eq!(of(other), None);
        }
    }
}
