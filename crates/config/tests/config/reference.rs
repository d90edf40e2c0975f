//! That the checked-in reference is that of the code, and that examples work.
//!
//! To write it anew: `CARDEA_WRITE_REFERENCE=1 cargo test -p cardea-config`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cardea_config::{json_schema, load_with, reference};

use crate::files::Folder;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file of the documentation with what the code says now.
fn assert_checked_in(name: &str, now: &str) {
    let path = root().join("docs/reference").join(name);
    if env::var_os("CARDEA_WRITE_REFERENCE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == now,
        "docs/reference/{name} is not that of the code; write it anew by \
         `CARDEA_WRITE_REFERENCE=1 cargo test -p cardea-config`"
    );
}

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_code() {
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap();
    assert_checked_in("cardea.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_reference_that_is_checked_in_is_that_of_the_code() {
    assert_checked_in("configuration.md", &reference());
}

#[test]
fn every_key_has_a_description() {
    fn look(schema: &serde_json::Value, place: &str, missing: &mut Vec<String>) {
        let properties = schema.get("properties").and_then(|p| p.as_object());
        for (key, property) in properties.into_iter().flatten() {
            if property.get("description").is_none() {
                missing.push(format!("{place}/{key}"));
            }
            look(property, &format!("{place}/{key}"), missing);
        }
        let defs = schema.get("$defs").and_then(|d| d.as_object());
        for (name, def) in defs.into_iter().flatten() {
            look(def, name, missing);
        }
    }
    let mut missing = Vec::new();
    look(&json_schema(), "", &mut missing);
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_whole_configuration_in_the_documentation_is_right() {
    let mut count = 0;
    for file in files_below(&root().join("docs"), "md") {
        let text = fs::read_to_string(&file).unwrap();
        for example in yaml_blocks(&text) {
            let is_whole = ["tenants:", "issuers:", "policies:"]
                .iter()
                .all(|key| example.lines().any(|line| line.starts_with(key)));
            if !is_whole {
                continue;
            }
            let folder = Folder::new();
            let path = folder.path("cardea.yaml");
            fs::write(&path, example).unwrap();
            if let Err(diagnostics) = load_with(&path, &any_variable) {
                panic!("{}: {diagnostics}", file.display());
            }
            count += 1;
        }
    }
    assert!(count > 0, "the reference itself has an example");
}

#[test]
fn every_example_is_right() {
    for file in files_below(&root().join("examples"), "yaml") {
        if file.file_name().is_some_and(|name| name == "cardea.yaml")
            && let Err(diagnostics) = load_with(&file, &any_variable)
        {
            panic!("{diagnostics}");
        }
    }
}

/// Examples refer to secrets that this machine does not have.
fn any_variable(name: &str) -> Option<String> {
    (name != "PATH").then(|| "some-value".to_owned())
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                if path.file_name().is_some_and(|name| name != "node_modules") {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found
}

fn yaml_blocks(markdown: &str) -> impl Iterator<Item = &str> {
    let blocks = markdown.split("```yaml\n").skip(1);
    blocks.filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
}
