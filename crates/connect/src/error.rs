//! What can go wrong between a host and its server, in words for the person who launched it.

use std::path::PathBuf;

use thiserror::Error;

/// Why something could not be done.
///
/// No variant holds a token, a code, a secret or a key; texts that a server sent are cut and
/// stripped of control characters by [`foreign`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// An address that may not be used.
    #[error("`{url}` {rule}")]
    Address {
        /// The address.
        url: String,
        /// What it should be.
        rule: &'static str,
    },
    /// The connection failed, or what came was no answer.
    #[error("no answer from {url}: {reason}")]
    Transport {
        /// The address.
        url: String,
        /// Why, in the transport's words.
        reason: String,
    },
    /// The server's documents do not lead to an authorization server.
    #[error("cannot find out how to log in at {url}: {reason}")]
    Discovery {
        /// Where the document was looked for.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// Two statements that must agree do not; going on could hand a token to the wrong party.
    #[error("stopped for safety: {0}")]
    Untrusted(String),
    /// This program is not known to the authorization server and cannot make itself known.
    #[error("{issuer} does not know this program: {reason}")]
    Unregistered {
        /// The authorization server.
        issuer: String,
        /// What it would take.
        reason: String,
    },
    /// The authorization server said no.
    #[error("the authorization server refused: {error}{}", described(.description))]
    Refused {
        /// The OAuth error code.
        error: String,
        /// Its explanation.
        description: Option<String>,
    },
    /// There is no login for this server.
    #[error("not logged in; run `{command}`")]
    LoginNeeded {
        /// What to run.
        command: String,
    },
    /// The login does not cover what was asked for.
    #[error("this needs the scope `{scope}`; run `{command}`")]
    ScopeNeeded {
        /// All scopes that are needed.
        scope: String,
        /// What to run.
        command: String,
    },
    /// Nobody finished the login in time.
    #[error("the login was not finished within {0} minutes")]
    LoginTimeout(u64),
    /// A file of the store cannot be used.
    #[error("cannot use {path}: {reason}", path = .path.display())]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what would help.
        reason: String,
    },
    /// A key or credential file cannot be used.
    #[error("cannot use {path}: {reason}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The cryptography refused.
    #[error("the cryptography failed: {0}")]
    Crypto(&'static str),
    /// The server answered with a status that carries no message.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// The server's answer is not a message.
    #[error("the server's answer is not a message: {0}")]
    Malformed(String),
    /// The stream ended before the answer came.
    #[error("the server closed the stream before it answered")]
    Closed,
    /// More calls are open than this program carries.
    #[error("{0} calls are open; wait for one to end")]
    Overloaded(usize),
}

fn described(description: &Option<String>) -> String {
    description
        .as_ref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default()
}

impl ConnectError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "E_CONNECT_ADDRESS",
            Self::Transport { .. } => "E_CONNECT_UNREACHABLE",
            Self::Discovery { .. } => "E_CONNECT_DISCOVERY",
            Self::Untrusted(_) => "E_CONNECT_UNTRUSTED",
            Self::Unregistered { .. } => "E_CONNECT_UNREGISTERED",
            Self::Refused { .. } => "E_CONNECT_REFUSED",
            Self::LoginNeeded { .. } => "E_CONNECT_LOGIN_NEEDED",
            Self::ScopeNeeded { .. } => "E_CONNECT_SCOPE_NEEDED",
            Self::LoginTimeout(_) => "E_CONNECT_LOGIN_TIMEOUT",
            Self::Store { .. } => "E_CONNECT_STORE",
            Self::File { .. } => "E_CONNECT_FILE",
            Self::Crypto(_) => "E_CONNECT_CRYPTO",
            Self::Status(_) => "E_CONNECT_STATUS",
            Self::Malformed(_) => "E_CONNECT_MALFORMED",
            Self::Closed => "E_CONNECT_CLOSED",
            Self::Overloaded(_) => "E_CONNECT_OVERLOADED",
        }
    }

    /// Whether the same call may work later without anybody's doing.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Transport { .. } | Self::Closed | Self::Overloaded(_)
        )
    }

    /// The JSON-RPC code, outside the ranges that JSON-RPC and MCP reserve.
    pub(crate) fn rpc(&self) -> i64 {
        match self {
            Self::LoginNeeded { .. }
            | Self::ScopeNeeded { .. }
            | Self::Refused { .. }
            | Self::LoginTimeout(_)
            | Self::Untrusted(_)
            | Self::Unregistered { .. } => cardea_mcp::reply::code::REFUSED,
            Self::Overloaded(_) => cardea_mcp::reply::code::UNAVAILABLE,
            _ => cardea_mcp::reply::code::BAD_GATEWAY,
        }
    }
}

/// What of a server's own words is shown: enough to find the cause, too little to paint a screen.
const FOREIGN_CHARS_MAX: usize = 200;

/// A server's text, safe to show.
pub(crate) fn foreign(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(FOREIGN_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_cannot_paint_the_screen() {
        let text = foreign(&format!("a\u{1b}[2Jb\n{}", "x".repeat(1000)));
        assert!(text.starts_with("a [2Jb "), "{text}");
        assert_eq!(text.chars().count(), FOREIGN_CHARS_MAX);
    }

    #[test]
    fn no_code_of_ours_is_in_a_reserved_range() {
        for error in [
            ConnectError::Closed,
            ConnectError::Overloaded(1),
            ConnectError::Untrusted(String::new()),
        ] {
            assert!(!(-32768..=-32000).contains(&error.rpc()));
        }
    }
}
