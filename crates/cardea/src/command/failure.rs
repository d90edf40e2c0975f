//! How commands about access fail: a text for people, a document for programs, an exit status for scripts.

use std::{fmt, process::ExitCode};

use cardea_connect::{Answer, ConnectError};
use serde_json::{Value, json};

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    text: String,
    /// What programs get instead of the text.
    document: Option<Value>,
}

/// Why, as an exit status; docs/reference/command-line.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It failed for a reason that is not theirs.
    Failed = 1,
    /// What was typed cannot be.
    WrongUse = 2,
    /// Nobody is logged in, or not well enough.
    Login = 3,
    /// The person may not do it, or only on a page.
    Forbidden = 4,
    /// It does not exist, or is not for them to see.
    Unknown = 5,
    /// It was decided or has ended before.
    Over = 6,
    /// It was waited for, and did not come to a yes.
    Refused = 7,
    /// It was waited for, and nobody decided in time.
    Timeout = 8,
}

impl Failure {
    pub(crate) fn new(status: Status, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            document: None,
        }
    }

    /// The same, after what was done before it failed.
    pub(crate) fn after(mut self, done: &[String]) -> Self {
        if !done.is_empty() {
            self.text = format!("{}\n{}", done.join("\n"), self.text);
        }
        self
    }

    /// What was typed cannot be, for this reason.
    pub(crate) fn wrong_use(reason: &anyhow::Error) -> Self {
        Self::new(Status::WrongUse, format!("{reason:#}"))
    }

    /// A refusal of the gateway's: what is wrong, where, and what to do next.
    pub(crate) fn of_answer(answer: &Answer) -> Self {
        let problem = &answer.document;
        let said = |member: &str| {
            let text = problem.get(member).and_then(Value::as_str)?;
            Some(cardea_domain::text::visible(
                text,
                500,
                cardea_domain::text::Breaks::Shown,
            ))
        };
        let status = match answer.status.as_u16() {
            400 => Status::WrongUse,
            401 => Status::Login,
            403 => Status::Forbidden,
            404 => Status::Unknown,
            409 => Status::Over,
            _ => Status::Failed,
        };
        let title = said("title").unwrap_or_else(|| format!("status {}", answer.status.as_u16()));
        let field = said("field")
            .map(|field| format!("`{field}`: "))
            .unwrap_or_default();
        let next = said("next")
            .map(|next| format!("; {next}"))
            .unwrap_or_default();
        Self {
            status,
            text: format!("{field}{title}{next}"),
            document: problem.is_object().then(|| problem.clone()),
        }
    }

    /// The same, as programs read it on standard error.
    pub(crate) fn for_programs(self) -> Self {
        let document = match self.document {
            Some(document) => document,
            None => json!({"title": self.text}),
        };
        Self {
            status: self.status,
            text: document.to_string(),
            document: None,
        }
    }

    /// Whether it may pass by itself: the gateway is away, or cannot do it at the moment.
    pub(crate) fn may_pass(&self) -> bool {
        self.status == Status::Failed
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status as u8)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let status = match error {
            ConnectError::LoginNeeded { .. } | ConnectError::ScopeNeeded { .. } => Status::Login,
            ConnectError::Address { .. } => Status::WrongUse,
            _ => Status::Failed,
        };
        Self {
            document: Some(json!({"title": error.to_string(), "code": error.code()})),
            ..Self::new(status, error.to_string())
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
