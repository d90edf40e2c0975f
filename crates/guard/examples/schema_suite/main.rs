//! The official JSON Schema Test Suite and the tools of real servers through the schema firewall; see `make eval-schema`.
//!
//! `schema_suite suite FOLDER DRAFT REMOTES METASCHEMAS` runs the required cases of a draft, with the members that the
//! standard lets pass let pass. `schema_suite tools FILE…` compiles every tool of some `tools/list` results and checks
//! calls that are made from their schemas.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "it measures, and a failure ends it"
)]

mod made;

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use cardea_guard::schema::{Documents, Schema, UnknownMembers};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match *args {
        ["suite", folder, draft, remotes, metaschemas] => {
            let documents = documents(Path::new(remotes), draft, Path::new(metaschemas));
            suite(Path::new(folder), draft, &documents)
        }
        ["tools", ref files @ ..] => tools(files),
        _ => panic!("`suite FOLDER DRAFT REMOTES METASCHEMAS` or `tools FILE…`"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What the suite's schemas refer to by a URI.
fn documents(remotes: &Path, draft: &str, metaschemas: &Path) -> Documents {
    let mut documents = Documents::new();
    for file in files(remotes) {
        let path = file.strip_prefix(remotes).unwrap().to_str().unwrap();
        documents.insert(
            format!("http://localhost:1234/{path}"),
            with_draft(read(&file), draft),
        );
    }
    for file in files(metaschemas) {
        let document = read(&file);
        if let Some(id) = document["$id"].as_str() {
            documents.insert(id.trim_end_matches('#').to_owned(), document);
        }
    }
    documents
}

/// A schema of the suite is of the draft that its folder is for.
fn with_draft(mut schema: Value, draft: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.entry("$schema").or_insert(draft.into());
    }
    schema
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn suite(folder: &Path, draft: &str, documents: &Documents) -> ExitCode {
    let (mut all, mut right) = (0, 0);
    // Optional cases stand in a folder below.
    let required = files(folder)
        .into_iter()
        .filter(|file| file.parent() == Some(folder));
    for file in required {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let (mut of_file, mut right_of_file) = (0, 0);
        for group in read(&file).as_array().unwrap() {
            let schema = with_draft(group["schema"].clone(), draft);
            let compiled =
                Schema::compile_with(&schema.to_string(), UnknownMembers::Allow, documents);
            for case in group["tests"].as_array().unwrap() {
                of_file += 1;
                let said = compiled
                    .as_ref()
                    .map(|schema| schema.check(&case["data"]).is_ok());
                if said.as_ref().ok() == case["valid"].as_bool().as_ref() {
                    right_of_file += 1;
                    continue;
                }
                let why =
                    said.map_or_else(|error| error.to_string(), |said| format!("valid: {said}"));
                say(&format!(
                    "{name}: {}: {}: {why}",
                    group["description"], case["description"]
                ));
            }
        }
        say(&format!("{name:<28} {right_of_file:>4} of {of_file:>4}"));
        all += of_file;
        right += right_of_file;
    }
    say(&json!({"draft": draft, "cases": all, "right": right}).to_string());
    ExitCode::from(u8::from(all == 0 || right != all))
}

fn tools(files: &[&str]) -> ExitCode {
    let (mut all, mut compiled, mut outputs, mut passed, mut refused) = (0, 0, 0, 0, 0);
    for file in files {
        let list = read(Path::new(file));
        let list = list.get("tools").cloned().unwrap_or(list);
        for tool in list.as_array().unwrap() {
            all += 1;
            let name = format!("{file}: {}", tool["name"]);
            let input = &tool["inputSchema"];
            let schema = match Schema::compile(&input.to_string(), UnknownMembers::Refuse) {
                Ok(schema) => schema,
                Err(error) => {
                    say(&format!("{name}: {error}"));
                    continue;
                }
            };
            compiled += 1;
            if let Some(output) = tool.get("outputSchema") {
                match Schema::compile(&output.to_string(), UnknownMembers::Allow) {
                    Ok(_) => outputs += 1,
                    Err(error) => say(&format!("{name}: output: {error}")),
                }
            }
            for value in [made::least(input), made::most(input)] {
                // A value that the standard itself refuses is a mistake of what made it.
                assert!(jsonschema::is_valid(input, &value), "{name}: made {value}");
                match schema.check(&value) {
                    Ok(()) => passed += 1,
                    Err(violation) => {
                        refused += 1;
                        say(&format!("{name}: {violation}"));
                    }
                }
            }
        }
    }
    say(&json!({
        "tools": all, "compiled": compiled, "output_schemas_compiled": outputs,
        "valid_calls_passed": passed, "valid_calls_refused": refused,
    })
    .to_string());
    ExitCode::from(u8::from(all == 0 || compiled != all || refused > 0))
}
