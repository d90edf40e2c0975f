//! Showing an address to a person.

use std::{ffi::OsString, process::Stdio};

use tokio::process::Command;
use url::Url;

/// Opens `url` with the first of `programs` that starts; false when none does.
///
/// The address is one argument of a program, never a shell's text.
pub(crate) fn open(programs: &[OsString], url: &Url) -> bool {
    programs.iter().any(|program| {
        let started = Command::new(program)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match started {
            Ok(mut child) => {
                // It outlives the login; waiting for it only removes it from the process table.
                tokio::spawn(async move {
                    let _ = child.wait().await;
                });
                true
            }
            Err(_) => false,
        }
    })
}
