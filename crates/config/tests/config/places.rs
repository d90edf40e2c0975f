//! That diagnostics point where they should, whatever stands before.

use std::ops::Range;

use cardea_config::diagnostic::{Diagnostic, Position, Source};

use crate::files::{Folder, completed};

/// The position of `needle` in `text`, counted independently.
fn position_of(text: &str, needle: &str) -> Position {
    let before = &text[..text.find(needle).unwrap()];
    Position {
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap().chars().count() + 1,
    }
}

#[test]
fn positions_are_right_beside_comments_tabs_wide_characters_and_any_line_break() {
    let lines = [
        "# Größe — 日本語 🎉",
        "listen: 127.0.0.1:8808\t# ü\tü",
        "telemetry: { service_name: \"日本語 🎉\", log_level: HERE1 }",
        "allowed_hosts:",
        "- 'ünï.example.com' # 🎉",
        "- 'HERE2 HERE2'",
        "",
        "limits:",
        "    call_timeout:    HERE3 # 日本語",
        "    HERE4: 🎉",
        "state_dir: |-",
        "  ünï",
        "audit: { 日本語: 1, arguments: \"HERE5\" }",
    ];
    let folder = Folder::new();
    for line_break in ["\n", "\r\n"] {
        let text = completed(&lines.join("\n")).replace('\n', line_break);
        let diagnostics = folder.load(&text).unwrap_err();
        let found: Vec<_> = diagnostics.iter().map(|d| d.position.unwrap()).collect();
        let mut expected: Vec<_> = ["HERE1", "'HERE2", "HERE3", "HERE4", "日本語: 1", "\"HERE5"]
            .iter()
            .map(|needle| position_of(&text, needle))
            .collect();
        expected.sort();
        assert_eq!(found, expected, "{diagnostics}");
    }
}

#[test]
fn carets_stand_below_what_they_mean() {
    let folder = Folder::new();
    let text = completed("telemetry: { service_name: 日本語,\tlog_level: HERE }\n");
    let report = folder.report(&text);
    insta::assert_snapshot!(report);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let folder = Folder::new();
    let items = "x, ".repeat(200);
    let text = completed(&format!(
        "telemetry: {{ service_name: \"{items}\", log_level: HERE, log_format: json }} # {items}\n"
    ));
    let report = folder.report(&text);
    assert!(report.contains("log_level: HERE"), "{report}");
    let longest = report.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(140), "{report}");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let folder = Folder::new();
    let text =
        completed("telemetry: { log_level: \"a\u{202e}b\u{7f}\", log_format: \"\\e[31mred\" }\n");
    let report = folder.report(&text);
    assert!(report.contains("log_level"), "{report}");
    assert!(
        !report.contains(['\u{1b}', '\u{202e}', '\u{7f}']),
        "{report:?}"
    );
}

#[test]
fn other_files_use_the_same_diagnostics() {
    let text = "permit (principal, action, resource)\nwhen { principl.tenant == \"demo\" };\n";
    let source = Source::new("policies/files.cedar", text);
    let at = text.find("principl").unwrap();
    let diagnostic = source
        .error(at..at + "principl".len(), "unknown variable `principl`")
        .expected("one of: action, context, principal, resource")
        .suggest(Some("principal"));
    assert_eq!(diagnostic.position, Some(Position { line: 2, column: 8 }));
    let report = diagnostic.to_string();
    insta::assert_snapshot!(report);
}

#[test]
fn a_place_outside_of_the_text_is_moved_into_it() {
    let source = Source::new("a", "ü\n");
    for span in [0..0, 1..1, 1..9, 99..100, Range { start: 3, end: 2 }] {
        let diagnostic: Diagnostic = source.error(span, "wrong");
        assert!(diagnostic.to_string().contains("wrong"));
    }
}
