//! Programs of others that install: what they are given, how long, and what they said when they failed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use crate::command::failure::{Failure, Status};

/// A large package over a slow network.
const WITHIN: Duration = Duration::from_secs(600);
/// Of what an installer says when it fails.
const SAID_CHARS_MAX: usize = 2000;

/// Runs an installer to its end, without input; gives what it printed.
pub(super) async fn run(program: &Path, args: &[&str], folder: &Path) -> Result<String, Failure> {
    let name = program.display();
    let failed = |text: String| Failure::new(Status::Failed, text);
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(WITHIN, command.output()).await;
    let ended = ended.map_err(|_| failed(format!("`{name}` did not end within {WITHIN:?}")))?;
    let output = ended.map_err(|error| failed(format!("cannot run `{name}`: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = cardea_domain::text::visible(
        said.trim(),
        SAID_CHARS_MAX,
        cardea_domain::text::Breaks::Kept,
    );
    Err(failed(format!(
        "`{name}` failed with {}:\n{said}",
        output.status
    )))
}

/// A program of `PATH`, by its absolute path.
pub(super) fn program(name: &str, what_for: &str) -> Result<PathBuf, Failure> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let text = format!("there is no `{name}` in `PATH`, which {what_for} needs");
        Failure::new(Status::Failed, text)
    })
}
