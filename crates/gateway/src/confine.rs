//! What may come from an upstream beside checked results.
//!
//! Where the results of a tool are checked, whatever else the server says is text that nobody
//! checks: log lines, progress messages, questions to the client. Over stdio nothing even says
//! which call a log line belongs to. So on every stream of such an upstream only what holds no
//! text passes.

use bytes::Bytes;
use cardea_domain::{Code, Denial};
use cardea_guard::tenant::{Guard, ResultRefused};
use cardea_mcp::{
    Era, Kind, Message,
    json::{self, Cursor, Level, ValueKind},
    reply,
};

use crate::facts::{Heard, Outcome};

/// What is left of a message beside a result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// It may pass as it is.
    AsIs,
    /// It may pass without its text.
    Without(Bytes),
    /// It is held back.
    HeldBack,
}

/// Notifications that hold no text of the server's, by their names. That of an updated resource
/// has a URI, which the client subscribed to.
const WITHOUT_TEXT: [&str; 5] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
];

/// What may pass of a notification on a stream of a confined upstream. On that of a call whose
/// result is checked, only progress has a place.
pub(crate) fn notification(message: &Message, guard: Option<&Guard>) -> Beside {
    if message.method() == "notifications/progress" {
        return progress(message);
    }
    let is_checked = guard.is_some_and(Guard::filters);
    match !is_checked && WITHOUT_TEXT.contains(&message.method()) {
        true => Beside::AsIs,
        false => Beside::HeldBack,
    }
}

/// Progress without its message; none at all when it holds anything that is not known, or is not
/// of numbers.
///
/// # Source
/// MCP 2025-11-25 and 2026-07-28, schema, `ProgressNotificationParams`.
fn progress(message: &Message) -> Beside {
    let mut cursor = Cursor::new(message.top("params").unwrap_or("null"));
    if cursor.kind() != ValueKind::Object {
        return Beside::HeldBack;
    }
    cursor.enter();
    while let Some(key) = cursor.next_key() {
        let kind = cursor.kind();
        cursor.skip();
        let is_known = match &*key {
            "progress" | "total" => kind == ValueKind::Number,
            "progressToken" | "message" => true,
            _ => false,
        };
        if !is_known {
            return Beside::HeldBack;
        }
    }
    match message.span(Level::Body, "message") {
        Some(span) => Beside::Without(json::splice(message.text(), &[(span, b"\"\"")]).into()),
        None => Beside::AsIs,
    }
}

/// The refusal of what a server asks of the client on a stream of a confined upstream.
pub(crate) fn no_questions() -> Heard {
    let denial = Denial::new(
        Code::PolicyDenied,
        "the server asked the client for something, which is not permitted",
    )
    .help("ask whoever runs the gateway")
    .detail("results of this upstream are checked, and questions cannot be");
    Heard {
        ruling: None,
        allowed: Err(denial),
    }
}

/// The answer to a call whose result is checked.
///
/// # Errors
/// The denial that takes its place.
pub(crate) fn answer(
    guard: &Guard,
    era: Era,
    message: &Message,
) -> Result<(Option<Bytes>, Outcome), Denial> {
    if message.kind() == Kind::Error {
        return Ok((Some(bare_error(era, message)), Outcome::default()));
    }
    let filtered = guard.filter(message).map_err(refused)?;
    let outcome = Outcome {
        rows_foreign: filtered.foreign,
        rows_unlabelled: filtered.unlabelled,
        blocks_untyped: filtered.untyped,
        ..Outcome::default()
    };
    Ok((filtered.text.map(Bytes::from), outcome))
}

/// An error's number says what a client must know; its text is text.
fn bare_error(era: Era, message: &Message) -> Bytes {
    let code = message.body("code").and_then(|c| c.parse().ok());
    let id = message.id().map(|id| id.raw());
    let code = code.unwrap_or(reply::code::INTERNAL);
    let text = "the server gave an error; its text is held back";
    reply::error(id, era, code, text, None).into()
}

fn refused(why: ResultRefused) -> Denial {
    // Whether there is something of another tenant is not told.
    Denial::new(
        Code::TenantResult,
        "the server's result could not be shown to be your tenant's alone",
    )
    .help("tell whoever runs the gateway; the record has the details")
    .detail(why)
}

#[cfg(test)]
mod tests {
    use cardea_mcp::Limits;

    use super::*;

    fn of(method: &str, params: &str) -> Beside {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        let message = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
        notification(&message, None)
    }

    #[test]
    fn progress_passes_without_its_text() {
        let progress = |params| of("notifications/progress", params);
        let numbers = r#"{"progressToken":1,"progress":0.5,"total":2}"#;
        assert_eq!(progress(numbers), Beside::AsIs);
        let Beside::Without(text) =
            progress(r#"{"progressToken":1,"progress":1,"m\u0065ssage":"issue of globex"}"#)
        else {
            panic!("not without its text")
        };
        assert!(!text.windows(6).any(|w| w == b"globex"));
        for odd in [
            r#"{"progressToken":1,"progress":"globex"}"#,
            r#"{"progressToken":1,"progress":1,"note":"globex"}"#,
            r#"{"progressToken":1,"progress":1,"_meta":{"x":"globex"}}"#,
            "[]",
        ] {
            assert_eq!(progress(odd), Beside::HeldBack, "{odd}");
        }
    }

    #[test]
    fn text_is_held_back() {
        for method in [
            "notifications/message",
            "notifications/cancelled",
            "notifications/tasks",
            "notifications/other",
        ] {
            assert_eq!(of(method, "{}"), Beside::HeldBack, "{method}");
        }
        assert_eq!(of("notifications/tools/list_changed", "{}"), Beside::AsIs);
    }
}
