//! Values that end up as arguments of a program, maybe by way of a shell.

use super::{Expected, program_names, text};

/// Free of what a shell reads as more than a word, of what a program reads as an option, and of
/// what is a command by itself.
///
/// This is for values that a server puts into a command: names of files, hosts, branches, words to
/// look for. Where the whole command is the argument, list the commands that may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramRule {
    /// Whether the value may begin with a dash.
    pub leading_dash: bool,
    /// Whether the value may be a command: begin with the name of a well-known program, and be
    /// alone or followed by what looks like its arguments.
    pub commands: bool,
    /// Whether the value may hold blanks.
    pub blanks: bool,
}

impl Default for ProgramRule {
    fn default() -> Self {
        Self {
            leading_dash: false,
            commands: false,
            blanks: true,
        }
    }
}

/// What any of the shells reads as more than itself: POSIX `sh` and its kin, `cmd.exe`, PowerShell;
/// and what templates and evaluating functions need.
///
/// # Source
/// POSIX.1-2024, Shell Command Language, 2.2 quoting; `cmd /?`; PowerShell, about_Special_Characters.
const SPECIAL: &str = "|&;<>()$`\\\"'*?[]#!^{}%";
/// Nobody names a thing so long.
const BYTES_MAX: usize = 4096;

impl ProgramRule {
    pub(super) fn check(&self, value: &str) -> Result<(), Expected> {
        if value.trim().is_empty() || value.len() > BYTES_MAX {
            return Err(Expected(format!("a text of 1 to {BYTES_MAX} bytes")));
        }
        text::plain(value, SPECIAL)?;
        if let Some(sign) = value.chars().find(|c| SPECIAL.contains(*c)) {
            return Err(Expected(format!(
                "no `{sign}`, which shells read as more than itself"
            )));
        }
        if value.starts_with('~') || value.contains(" ~") {
            return Err(Expected::of("no `~`, which shells read as a folder"));
        }
        if value.starts_with(' ') || value.ends_with(' ') {
            return Err(Expected::of("no blank at either end"));
        }
        let first: String = value.chars().take(1).collect();
        text::plain(&first, "-+@~")?;
        if !self.blanks && value.contains(' ') {
            return Err(Expected::of("no blanks"));
        }
        if value.starts_with('@') {
            return Err(Expected::of("no `@` at the beginning"));
        }
        // A blank may end a word: whatever has a dash in front is an option to some program.
        let is_option = |word: &str| word.len() > 1 && word.starts_with(['-', '+']);
        if !self.leading_dash && (value.starts_with('-') || value.split(' ').any(is_option)) {
            return Err(Expected::of("no word that begins with `-` or `+`"));
        }
        if is_assignment(value) {
            return Err(Expected::of("no assignment of a variable at the beginning"));
        }
        if !self.commands && program_names::is_command(value) {
            return Err(Expected::of("a value, and no command"));
        }
        Ok(())
    }
}

/// `PATH=…` in front of a command.
fn is_assignment(value: &str) -> bool {
    let Some((name, rest)) = value.split_once('=') else {
        return false;
    };
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name && rest.contains(' ')
}
