//! Secrets: from where the file says they are to where nobody prints them.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use super::{Checker, files::Wanted};
use crate::{
    Secret,
    diagnostic::printable,
    raw::RawSecret,
    yaml::{At, looks_secret},
};

/// Room for any key or certificate chain; a larger file is a slip.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// What a secret is for, which decides what it may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Header,
    Variable,
}

impl Checker<'_> {
    /// The text that stands at `at` under `name`, or that the reference there leads to.
    pub(super) fn secret(
        &mut self,
        at: &At,
        name: &str,
        raw: &RawSecret,
        usage: Use,
    ) -> Option<Secret> {
        let (at, text) = match raw {
            RawSecret::Plain(text) => (at.clone(), self.plain(at, name, text, usage)?),
            RawSecret::Reference(reference) => match (&reference.env, &reference.file) {
                (Some(variable), _) => {
                    let at = at.key("env");
                    let text = self.variable(&at, variable)?;
                    (at, text)
                }
                (None, Some(file)) => {
                    let at = at.key("file");
                    let text = self.text_of_file(&at, file)?;
                    (at, text)
                }
                // The schema asked for one of both.
                (None, None) => return None,
            },
        };
        if let Some(mistake) = mistake_in(&text, usage) {
            let message = format!("the value of `{}` {mistake}", printable(name));
            let diagnostic = self.document.error(&at, message);
            self.report(&at, diagnostic);
            return None;
        }
        Some(Secret::new(text))
    }

    fn plain(&mut self, at: &At, name: &str, text: &str, usage: Use) -> Option<String> {
        // `MAX_TOKENS` is a number, not a credential.
        let is_number = usage == Use::Variable && text.bytes().all(|b| b.is_ascii_digit());
        if !looks_secret(name) || is_number {
            return Some(text.to_owned());
        }
        let message = format!(
            "`{}` looks like a secret, and stands here as text",
            printable(name)
        );
        let diagnostic = self
            .document
            .error(at, message)
            .expected("`{env: NAME}` or `{file: PATH}`")
            .help(
                "configuration files are copied and shown; if this was a real secret, replace it",
            );
        self.report(at, diagnostic);
        None
    }

    fn variable(&mut self, at: &At, variable: &str) -> Option<String> {
        let problem = match (self.around.env)(variable) {
            Some(text) if !text.is_empty() => return Some(text),
            Some(_) => "is empty",
            None => "is not set",
        };
        let message = format!(
            "the environment variable `{}` {problem}",
            printable(variable)
        );
        let diagnostic = self.document.error(at, message);
        self.report(at, diagnostic);
        None
    }

    pub(super) fn text_of_file(&mut self, at: &At, text: &str) -> Option<String> {
        // Only a file: reading a pipe could wait for ever.
        let path = self.existing(at, text, Wanted::File)?;
        let problem = match read(&path) {
            Ok(content) if content.is_empty() => "is empty".to_owned(),
            Ok(content) => return Some(content),
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidData => "is not text in UTF-8".to_owned(),
                io::ErrorKind::FileTooLarge => format!("is larger than {SECRET_BYTES_MAX} bytes"),
                kind => format!("cannot be read: {kind}"),
            },
        };
        let message = format!("the file `{}` {problem}", printable(text));
        let diagnostic = self.document.error(at, message);
        self.report(at, diagnostic);
        None
    }
}

/// Without the line break that editors put at the end.
fn read(path: &std::path::Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > SECRET_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = String::new();
    File::open(path)?
        .take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)?;
    let end = text.strip_suffix('\n').unwrap_or(&text);
    let end = end.strip_suffix('\r').unwrap_or(end).len();
    text.truncate(end);
    Ok(text)
}

fn mistake_in(text: &str, usage: Use) -> Option<&'static str> {
    match usage {
        Use::Header if text.trim_matches([' ', '\t']).len() != text.len() => {
            Some("begins or ends with a space, which a header cannot carry")
        }
        Use::Header if !text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) => {
            Some("holds characters that a header cannot carry")
        }
        Use::Variable if text.contains('\0') => Some("holds a zero byte"),
        Use::Header | Use::Variable => None,
    }
}
