//! That no text makes the room panic, hang or contradict itself.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::files::{Folder, completed};

/// A file that uses most keys, to be broken.
const VALID: &str = r#"listen: 127.0.0.1:8808
public_url: "https://mcp.example.com"
allowed_hosts: [a.example.com, 'b.example.com:1']
workers: 2
tenants: &tenants
  demo: {}
  acme: {}
issuers:
  - embedded: true
    tenants: [demo]
  - issuer: https://login.example.com
    algorithms: [ES256]
    tenant_claim: /org_id
    tenant_values: { "org_123": acme }
upstreams:
  files:
    tenants: [demo]
    stdio: { command: node, args: [], env: {NAME: value, API_KEY: {env: API_KEY}} }
    limits: { call_timeout: 60s }
  everything:
    tenants: [demo]
    http:
      url: http://127.0.0.1:3901/mcp
      headers: { x-api-key: {file: key.txt} }
policies: [policies]
limits:
  body_bytes_max: 4MiB
  connections_max: 0x10
audit: { arguments: digest }
"#;

/// What YAML treats specially, and some that count in bytes or columns.
const PIECES: [&str; 34] = [
    "\n", "\r\n", "\r", "\t", " ", "  ", ":", ": ", "- ", "-", "[", "]", "{", "}", ",", "&a ",
    "*a", "*tenants", "!t ", "!!int ", "|", ">", "'", "\"", "\\", "#", "---\n", "...\n", "? ", "%",
    "ü", "🎉", "\u{feff}", "~",
];

#[derive(Debug, Clone)]
enum Change {
    Insert(usize, usize),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..VALID.len();
    prop_oneof![
        (at.clone(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (at.clone(), 1..20usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (at, 1..60usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

fn changed(changes: &[Change]) -> String {
    let mut text: Vec<char> = VALID.chars().collect();
    for change in changes {
        let (Change::Insert(at, _) | Change::Remove(at, _) | Change::Repeat(at, _)) = change;
        let at = (*at).min(text.len());
        match change {
            Change::Insert(_, piece) => {
                text.splice(at..at, PIECES[*piece].chars());
            }
            Change::Remove(_, length) => {
                text.drain(at..(at + length).min(text.len()));
            }
            Change::Repeat(_, length) => {
                let part = text[at..(at + length).min(text.len())].to_vec();
                text.splice(at..at, part);
            }
        }
    }
    text.into_iter().collect()
}

/// Whatever it says, it must say it, and not that it is confused.
fn check(folder: &Folder, text: &str) -> Result<(), TestCaseError> {
    if let Err(diagnostics) = folder.load(text) {
        prop_assert!(diagnostics.has_errors());
        let report = diagnostics.to_string();
        prop_assert!(
            !report.contains("a mistake in Cardea"),
            "{text:?}\n{report}"
        );
        let lines = text.lines().count().max(1);
        for diagnostic in &diagnostics {
            let line = diagnostic.position.map_or(1, |position| position.line);
            prop_assert!(
                line <= lines + text.matches('\r').count() + 1,
                "{text:?}\n{report}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_file_that_is_broken_here_is_right() {
    let config = Folder::new().load(VALID).unwrap();
    assert_eq!(config.upstreams.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn broken_files_are_refused_without_panic(changes in prop::collection::vec(change(), 1..6)) {
        check(&Folder::new(), &changed(&changes))?;
    }

    #[test]
    fn pieces_of_yaml_are_refused_without_panic(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.iter().map(|piece| PIECES[*piece]).collect();
        check(&Folder::new(), &text)?;
    }

    #[test]
    fn any_value_under_any_key_is_refused_without_panic(
        key in prop::sample::select(vec![
            "listen", "public_url", "workers", "tenants", "issuers", "upstreams", "policies", "limits", "audit",
        ]),
        value in "[ -~]{0,20}|\\[[a-z0-9,: ]{0,12}\\]|\\{[a-z]{1,8}: [ -~]{0,12}\\}",
    ) {
        check(&Folder::new(), &completed(&format!("{key}: {value}")))?;
    }
}

#[test]
fn a_bomb_of_aliases_is_refused_at_once() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let started = Instant::now();
    let diagnostics = Folder::new().load(&text).unwrap_err();
    assert!(
        diagnostics.to_string().contains("aliases included"),
        "{diagnostics}"
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn aliases_cannot_nest_deeper_than_brackets() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..1000 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let diagnostics = Folder::new().load(&text).unwrap_err();
    assert!(
        diagnostics.to_string().contains("nested deeper"),
        "{diagnostics}"
    );
}

#[test]
fn a_large_file_on_one_line_is_read_in_time() {
    let upstreams: Vec<_> = (0..2000)
        .map(|n| format!("\"u{n}\":{{\"tenants\":[\"demo\"],\"http\":{{\"url\":\"https://a.example.com/{n}\"}}}}"))
        .collect();
    let text = format!(
        "{{\"tenants\":{{\"demo\":{{}}}},\"issuers\":[{{\"embedded\":true}}],\"policies\":[\"policies\"],\"upstreams\":{{{}}}}}",
        upstreams.join(",")
    );
    let started = Instant::now();
    let config = Folder::new().load(&text).unwrap();
    assert_eq!(config.upstreams.len(), 2000);
    assert!(started.elapsed() < Duration::from_secs(60));
}
