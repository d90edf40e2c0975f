//! What is random by design, taken out of answers and records: call ids, sealed texts, times, process ids.

use crate::support::Value;

/// A text of an answer or a record, with the gateway's address and everything random replaced.
pub(super) fn mask(text: &str, gateway: &str) -> String {
    let text = text.replace(gateway, "<gateway>");
    let text = without_uuids(&text);
    // Process ids have four to seven digits.
    let is_of_random_length = text.contains(PID);
    let lines = text.split('\n').map(|line| match line.split_once(": ") {
        Some(("id", _)) => "id: <sealed>".to_owned(),
        Some(("content-length", _)) if is_of_random_length => "content-length: <n>".to_owned(),
        _ => without_pids(line),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A record without its time, how long anything took, and its hashes.
pub(super) fn record(mut record: Value, gateway: &str) -> String {
    let members = record.as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "time" | "prev" | "hash"));
    members.retain(|name, _| !name.ends_with("_us"));
    mask(&record.to_string(), gateway)
}

/// Replaces what looks like a UUID (RFC 9562 section 4).
fn without_uuids(text: &str) -> String {
    let is_uuid = |part: &str| {
        part.len() == 36
            && part.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|part| is_uuid(part)) {
            Some(uuid) => {
                out.push_str("<uuid>");
                rest = &rest[uuid.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// As the scripted server tells its process id, within a text of a JSON message.
const PID: &str = r#"\"pid\": "#;

/// Replaces the process ids that the scripted server tells.
fn without_pids(line: &str) -> String {
    let mut parts = line.split(PID);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push_str(PID);
        out.push_str("<pid>");
        out.push_str(rest);
    }
    out
}

#[test]
fn what_is_random_is_masked_and_nothing_else() {
    let text = "401\nid: abc\n{\"call\":\"0199aaaa-0000-7000-8000-00000000000f\",\"a\":\"\\\"pid\\\": 123}\"} at 127.0.0.1:5";
    assert_eq!(
        mask(text, "127.0.0.1:5"),
        "401\nid: <sealed>\n{\"call\":\"<uuid>\",\"a\":\"\\\"pid\\\": <pid>}\"} at <gateway>"
    );
}

#[test]
fn the_length_of_an_answer_with_a_process_id_is_random_too() {
    let answer = |length: u8, pid: u32| {
        let text =
            format!("200\ncontent-length: {length}\n\n{{\"text\": \"{{\\\"pid\\\": {pid}}}\"}}");
        mask(&text, "127.0.0.1:5")
    };
    assert_eq!(answer(29, 9999), answer(30, 10_000));
    let plain = |length: u8| {
        mask(
            &format!("200\ncontent-length: {length}\n\n{{}}"),
            "127.0.0.1:5",
        )
    };
    assert_ne!(plain(2), plain(3));
}
