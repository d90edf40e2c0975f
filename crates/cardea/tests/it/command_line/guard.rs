//! `cardea guard args`: values in, verdicts out.

use std::io::Write as _;

use super::*;

/// Types the command with a constraint file and these lines.
fn args(constraint: &str, more: &[&str], lines: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.yaml"), constraint).unwrap();
    let mut child = Command::new(binary())
        .args(["guard", "args", "--constraint", "c.yaml"])
        .args(more)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its file does not read.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

const PATH: &str = "constraints:\n  - at: /path\n    path: { roots: [/srv/files] }\n";

#[test]
fn each_value_passes_or_is_told_why_not() {
    let lines = "\"/srv/files/a\"\n\n\"/etc/passwd\"\n{\"path\":\"/srv/files/b\"}\n{\"path\":7}\n";
    let ended = args(PATH, &[], lines);
    assert_eq!(ended.status, 1);
    assert_eq!(
        ended.out,
        "1: pass\n\
         2: refused: `/path`: a path under /srv/files (`path`)\n\
         3: pass\n\
         4: refused: `/path`: a string (`path`)\n"
    );
    assert_eq!(ended.err, "2 of 4 values are refused\n");
    let ended = args(PATH, &[], "\"/srv/files/a\"\n");
    assert_eq!((ended.status, &*ended.out), (0, "1: pass\n"));
}

#[test]
fn programs_read_one_object_for_each_value() {
    let ended = args(PATH, &["--json"], "\"/srv/files/a\"\n\"/srv/files/../b\"\n");
    let said: Vec<Value> = ended
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        said,
        [
            json!({"line": 1, "pass": true, "to_look_at": []}),
            json!({
                "line": 2, "pass": false, "pointer": "/path", "constraint": "path",
                "expected": "no step that begins with `..`",
            }),
        ]
    );
}

#[test]
fn what_cannot_be_read_is_wrong_use() {
    for (constraint, lines, told) in [
        (
            "constraints:\n  - at: /path\n    path: { rotos: [/srv] }\n",
            "",
            "did you mean `roots`",
        ),
        (
            "constraints:\n  - at: /path\n    path: { roots: [srv] }\n",
            "",
            "c.yaml:3:",
        ),
        ("constraints:\n  - at: /path\n", "", "asks for nothing"),
        (
            "constraints:\n  - at: /p\n    pattern: '(?=a)'\n",
            "",
            "lookaround",
        ),
        ("constraints: []\n", "", "c.yaml:1:"),
        (
            PATH,
            "{\"path\":1,\"path\":2}\n",
            "line 1 cannot be read: duplicate key",
        ),
        (PATH, "nothing\n", "line 1 cannot be read"),
    ] {
        let ended = args(constraint, &[], lines);
        assert_eq!(ended.status, 2, "{constraint}{}", ended.err);
        assert!(ended.err.contains(told), "{}", ended.err);
    }
}

#[test]
fn hosts_are_looked_up_where_that_is_asked_for() {
    let url = "constraints:\n  - at: /url\n    url: { schemes: [http] }\n";
    let ended = args(url, &[], "\"http://localhost/\"\n");
    assert_eq!(ended.out, "1: pass, if so are: addresses of localhost\n");
    let ended = args(url, &["--look"], "\"http://localhost/\"\n");
    assert_eq!(ended.status, 1, "{}", ended.out);
}

#[test]
fn groups_say_whose_constraint_it_is() {
    let text = "constraints:\n  - at: /x\n    groups: [interns]\n    enum: [1]\n";
    assert_eq!(args(text, &[], "2\n").status, 0);
    assert_eq!(args(text, &["--group", "interns"], "2\n").status, 1);
    assert_eq!(args(text, &["--group", "interns"], "1\n").status, 0);
}

#[test]
fn the_examples_are_right() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/constraints");
    for kind in ["command", "path", "sql"] {
        let constraint = fs::read_to_string(examples.join(format!("{kind}.yaml"))).unwrap();
        let benign = fs::read_to_string(examples.join(format!("{kind}.benign.jsonl"))).unwrap();
        let ended = args(&constraint, &[], &benign);
        assert_eq!(ended.status, 0, "{kind}: {}", ended.out);
    }
}

#[test]
fn a_constraint_in_the_configuration_is_checked_with_its_place() {
    let desk = Desk::with(&GOOD.replace("policies: [policies]", "policies: [policies]\n"));
    let config = fs::read_to_string(desk.folder().join("cardea.yaml")).unwrap();
    let constraint =
        "    constraints:\n      - at: /path\n        path: { roots: [/srv/../etc] }\n";
    let config = config.replacen(
        "      url: http://127.0.0.1:9/mcp\n",
        &format!("      url: http://127.0.0.1:9/mcp\n{constraint}"),
        1,
    );
    fs::write(desk.folder().join("cardea.yaml"), config).unwrap();
    desk.run(&["check"]).refused(&[
        "in upstreams.files.constraints",
        "an absolute path without `..`",
    ]);
}
