//! What of a file must never be shown, whatever is wrong with it.
//!
//! Secrets do not belong in the file, but a file with that mistake must still be explained without
//! printing them.

use std::ops::Range;

use crate::diagnostic::Source;

/// Parts of names whose values are credentials.
const SECRET_WORDS: [&str; 15] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "apikey",
    "api-key",
    "api_key",
    "accesskey",
    "access-key",
    "access_key",
    "private-key",
    "private_key",
];

/// Whether what stands under this name is probably a credential.
pub(crate) fn looks_secret(name: &str) -> bool {
    // A section of the file; nobody calls a credential so.
    if name == "authorization_server" {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let is_key = name.ends_with("_key") || name.ends_with("-key");
    (is_key && !name.contains("public")) || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Whether an argument of a command carries a credential itself: `--token=abc`.
pub(crate) fn holds_secret_argument(argument: &str) -> bool {
    argument
        .split_once('=')
        .is_some_and(|(name, value)| !value.is_empty() && looks_secret(name))
}

/// How much of a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// As it stands.
    Open,
    /// Of a mapping whose values are never shown, since any of them may be a credential.
    Holder,
    /// No scalar of it, nor of what it holds itself. Not deeper: an upstream may be named
    /// `token-service`.
    Secret,
    /// Nothing of it, if it is a scalar.
    SecretScalar,
}

impl Secrecy {
    /// Of the value under `key` of a mapping with this secrecy.
    pub(super) fn of_key(self, key: &str) -> Self {
        match self {
            // The parts of a reference are no secrets.
            Self::Secret if matches!(key, "env" | "file") => Self::Open,
            Self::Holder => Self::Secret,
            _ if looks_secret(key) => Self::Secret,
            Self::Secret => Self::SecretScalar,
            Self::Open | Self::SecretScalar if matches!(key, "env" | "headers") => Self::Holder,
            Self::Open | Self::SecretScalar => Self::Open,
        }
    }

    /// Of an item of a list with this secrecy, after `before`.
    pub(super) fn of_item(self, before: Option<&str>) -> Self {
        let after_flag =
            before.is_some_and(|b| b.starts_with('-') && !b.contains('=') && looks_secret(b));
        match self {
            _ if after_flag => Self::SecretScalar,
            Self::Secret => Self::SecretScalar,
            Self::Open | Self::Holder | Self::SecretScalar => Self::Open,
        }
    }

    /// Whether a scalar with this secrecy must not be shown.
    pub(super) fn hides_scalars(self) -> bool {
        matches!(self, Self::Secret | Self::SecretScalar)
    }
}

/// Hides user names, passwords and queries of a URL, and the value of `--token=value`.
pub(super) fn hide_within(source: &mut Source, span: Range<usize>) {
    let text = source.slice(span.clone()).trim_end_matches(['"', '\'']);
    for range in secret_ranges(text) {
        source.hide(span.start + range.start..span.start + range.end);
    }
}

/// The text with the same parts replaced, for use in a message.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = 0;
    for range in secret_ranges(text) {
        out.push_str(text.get(rest..range.start).unwrap_or_default());
        out.push_str("***");
        rest = range.end;
    }
    out.push_str(text.get(rest..).unwrap_or_default());
    out
}

/// In order and apart from each other.
fn secret_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    if let Some(scheme) = text.find("://") {
        let start = scheme + "://".len();
        let rest = text.get(start..).unwrap_or_default();
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let userinfo = rest.get(..authority).and_then(|a| a.rfind('@'));
        if let Some(end) = userinfo {
            ranges.push(start..start + end);
        }
        if let Some(query) = rest.find('?') {
            ranges.push(start + query + 1..text.len());
        }
    } else if holds_secret_argument(text) {
        let value = text.find('=').map_or(text.len(), |at| at + 1);
        ranges.push(value..text.len());
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// Hides what follows a name that looks secret, for a text that could not be parsed.
///
/// Goes on to the next line that begins with a key and is not indented further, since quotes may be
/// open.
pub(super) fn hide_by_line(mut source: Source) -> Source {
    let mut open_indent: Option<usize> = None;
    for number in 1..=source.line_count() {
        let line = source.line(number);
        let text = source.slice(line.clone());
        let indent = text.len() - text.trim_start().len();
        let secret_at = secret_value_start(text);
        if open_indent.is_some_and(|open| indent <= open) && starts_with_key(text) {
            open_indent = None;
        }
        if open_indent.is_some() {
            source.hide(line);
        } else if let Some(at) = secret_at {
            open_indent = Some(indent);
            source.hide(line.start + at..line.end);
        } else {
            hide_within(&mut source, line);
        }
    }
    source
}

/// Behind the first name of the line that looks secret, and its colon, equals sign or space.
fn secret_value_start(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let word = SECRET_WORDS
        .iter()
        .filter_map(|word| lower.find(word))
        .min()?;
    let after = lower.get(word..)?.find([':', '=', ' ', ','])?;
    Some(word + after + 1)
}

fn starts_with_key(line: &str) -> bool {
    let key = line.trim_start().trim_start_matches("- ").split(':').next();
    line.contains(':')
        && key.is_some_and(|key| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\''))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_urls_and_arguments_are_found() {
        for (text, shown) in [
            ("https://ada:pw@host/x", "https://***@host/x"),
            ("postgres://u@h/d?password=x", "postgres://***@h/d?***"),
            ("https://host/a@b", "https://host/a@b"),
            ("--api-key=abc", "--api-key=***"),
            ("--port=1", "--port=1"),
            ("no", "no"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn names_of_credentials_look_secret() {
        for name in ["Authorization", "GITHUB_TOKEN", "x-api-key", "STRIPE_KEY"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["accept", "PATH", "PUBLIC_KEY", "MONKEY"] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
