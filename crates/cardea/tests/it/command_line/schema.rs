//! `cardea schema`, and what is wrong use of any command.

use super::*;

#[test]
fn the_schema_is_json_and_the_one_in_the_documentation() {
    let ended = Desk::good().run(&["schema"]).succeeded();
    let schema: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["additionalProperties"], false);
    let kept = documentation("cardea.schema.json");
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), schema);
}

#[test]
fn the_reference_tells_of_every_key_and_is_the_one_in_the_documentation() {
    let desk = Desk::good();
    let reference = desk.run(&["schema", "--reference"]).succeeded().out;
    let schema: Value = serde_json::from_str(&desk.run(&["schema"]).succeeded().out).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(reference.contains(&format!("`{key}`")), "{key}");
    }
    assert_eq!(documentation("configuration.md"), reference);
}

#[test]
fn wrong_use_ends_with_two_and_a_hint() {
    let desk = Desk::good();
    for args in [
        &[][..],
        &["serv"],
        &["check", "--confg", "cardea.yaml"],
        &["token", "--tenant", "acme"],
        &["audit"],
        &["audit", "tail", "-n", "many"],
        &["schema", "more"],
    ] {
        let ended = desk.run(args);
        assert_eq!(ended.status, 2, "{args:?}: {}", ended.err);
        assert_eq!(ended.out, "", "{args:?}");
        assert!(
            ended.err.contains("Usage:") || ended.err.contains("--help"),
            "{args:?}: {}",
            ended.err
        );
    }
}

#[test]
fn help_names_every_command() {
    let help = Desk::good().run(&["--help"]).succeeded().out;
    for command in ["serve", "check", "token", "audit", "schema"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_mistake_to_talk_about() {
    let mut child = Command::new(binary())
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

fn documentation(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    fs::read_to_string(folder.join(name)).unwrap()
}
