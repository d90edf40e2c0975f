//! Messages as they stand on the wire: requests are written here, answers read and checked.

use std::{borrow::Cow, fmt::Write as _};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{MODERN, http::Answer};

/// How requests are made up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Era {
    /// A session, opened with `initialize`.
    Legacy,
    /// No session: each request says everything, in `_meta` and headers.
    Modern,
}

impl Era {
    /// The era to which a protocol revision belongs.
    pub fn of(protocol: &str) -> Self {
        if protocol >= MODERN {
            Self::Modern
        } else {
            Self::Legacy
        }
    }
}

/// Writes a request's body. `members` are the members of `params` without the braces, possibly none.
pub fn write_request(body: &mut String, era: Era, id: u64, method: &str, members: &str) {
    let meta = match era {
        Era::Legacy => String::new(),
        Era::Modern => modern_meta(),
    };
    let comma = if members.is_empty() || meta.is_empty() {
        ""
    } else {
        ","
    };
    body.clear();
    let _infallible = write!(
        body,
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}{comma}{meta}}}}}"#
    );
}

fn modern_meta() -> String {
    let prefix = "io.modelcontextprotocol";
    format!(
        r#""_meta":{{"{prefix}/protocolVersion":"{MODERN}","{prefix}/clientCapabilities":{{}},"{prefix}/clientInfo":{{"name":"cardea-bench","version":"1"}}}}"#
    )
}

/// The text a call must be answered with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Era in which the call was made.
    pub era: Era,
    /// Id of the request.
    pub id: u64,
    /// The message sent.
    pub message: &'a str,
    /// The filler asked for.
    pub filler: &'a str,
}

/// Checks the whole answer to an `echo`: status, id, kind and every byte of the text.
///
/// # Errors
/// What is not as expected, in words.
pub fn check_echo(answer: &Answer<'_>, expected: Expected<'_>) -> Result<()> {
    let messages = messages(answer)?;
    let result: EchoResult<'_> = result_of(answer.status, &messages, expected.id)?;
    let [content] = result.content.as_slice() else {
        bail!("{} contents in the answer", result.content.len())
    };
    ensure!(!result.is_error, "the tool failed: {}", content.text);
    ensure!(
        content.kind == "text",
        "a content of type `{}`",
        content.kind
    );
    ensure!(
        content.text.strip_prefix(expected.message) == Some(expected.filler),
        "the answer's text is not the one asked for"
    );
    if expected.era == Era::Modern {
        ensure!(
            result.result_type == Some("complete"),
            "resultType is `{:?}`",
            result.result_type
        );
    }
    Ok(())
}

/// The result of request `id` in an answer.
///
/// # Errors
/// When the answer is an error, has another id, or is no such result.
pub fn read_result<R: DeserializeOwned>(answer: &Answer<'_>, id: u64) -> Result<R> {
    result_of(answer.status, &messages(answer)?, id)
}

#[derive(Deserialize)]
struct EchoResult<'a> {
    #[serde(borrow)]
    content: Vec<Content<'a>>,
    #[serde(rename = "isError", default)]
    is_error: bool,
    #[serde(rename = "resultType")]
    result_type: Option<&'a str>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn result_of<'a, R: Deserialize<'a>>(
    status: u16,
    messages: &'a [Cow<'_, str>],
    id: u64,
) -> Result<R> {
    for message in messages {
        let envelope: Envelope<'a> = serde_json::from_str(message)
            .with_context(|| format!("status {status}, unexpected body `{}`", cut(message)))?;
        // Notifications may come before the response on an event stream.
        if envelope.method.is_some() {
            continue;
        }
        if let Some(error) = envelope.error {
            bail!("status {status}, error {}", cut(error.get()));
        }
        ensure!(status == 200, "status {status}");
        let found = envelope.id.map_or("none", RawValue::get);
        ensure!(found.parse() == Ok(id), "id {found} instead of {id}");
        let result = envelope.result.context("neither result nor error")?;
        return serde_json::from_str(result.get())
            .with_context(|| format!("unexpected result `{}`", cut(result.get())));
    }
    bail!("status {status}, no answer in it")
}

/// The JSON texts in an answer: its body, or the data of each event.
fn messages<'a>(answer: &Answer<'a>) -> Result<Vec<Cow<'a, str>>> {
    let text = std::str::from_utf8(answer.body).context("the answer is not text")?;
    if answer.is_event_stream {
        return Ok(text
            .split("\n\n")
            .flat_map(|part| part.split("\r\n\r\n"))
            .filter_map(event_data)
            .collect());
    }
    Ok(if text.is_empty() {
        Vec::new()
    } else {
        vec![Cow::Borrowed(text)]
    })
}

/// The data of one event, lines joined; nothing when it has none or it is empty, as in a priming event.
fn event_data(event: &str) -> Option<Cow<'_, str>> {
    let mut lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut data = Cow::Borrowed(lines.next()?.trim_start());
    for line in lines {
        data.to_mut().push('\n');
        data.to_mut().push_str(line);
    }
    (!data.is_empty()).then_some(data)
}

/// Enough of a text to know it by.
fn cut(text: &str) -> &str {
    text.char_indices()
        .nth(200)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::{Era, Expected, check_echo, write_request};
    use crate::http::Answer;

    const EXPECTED: Expected<'_> = Expected {
        era: Era::Legacy,
        id: 7,
        message: "c1",
        filler: " \"x\"\n",
    };
    const RIGHT: &str =
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"c1 \"x\"\n"}]}}"#;

    fn answer(body: &str, is_event_stream: bool) -> Answer<'_> {
        Answer {
            status: 200,
            session: None,
            is_event_stream,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn the_right_answer_passes_as_json_and_as_events() {
        check_echo(&answer(RIGHT, false), EXPECTED).unwrap();
        let events = format!(
            "id: 1\ndata:\n\ndata: {{\"method\":\"notifications/message\"}}\n\nevent: message\ndata: {RIGHT}\n\n"
        );
        check_echo(&answer(&events, true), EXPECTED).unwrap();
    }

    #[test]
    fn a_wrong_id_a_wrong_byte_and_an_error_are_each_noticed() {
        let changes = [
            (":7,", ":8,"),
            ("c1", "c2"),
            ("\\n", ""),
            (r#""result""#, r#""error""#),
            (r#"}]"#, r#"}],"isError":true"#),
        ];
        for (from, to) in changes {
            let body = RIGHT.replacen(from, to, 1);
            assert_ne!(body, RIGHT);
            assert!(
                check_echo(&answer(&body, false), EXPECTED).is_err(),
                "{body}"
            );
        }
    }

    #[test]
    fn requests_are_json_in_both_eras() {
        let mut body = String::new();
        for (era, members) in [
            (Era::Legacy, ""),
            (Era::Modern, ""),
            (Era::Legacy, r#""a":1"#),
            (Era::Modern, r#""a":1"#),
        ] {
            write_request(&mut body, era, 1, "tools/list", members);
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["params"]["_meta"].is_object(), era == Era::Modern);
            assert_eq!(value["params"]["a"].is_number(), !members.is_empty());
        }
    }
}
