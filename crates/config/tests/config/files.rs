//! A folder with a configuration file and what it may refer to.

use std::{fs, path::PathBuf};

use cardea_config::{Config, diagnostic::Diagnostics, load_with};
use tempfile::TempDir;

/// What every file needs; a test's text replaces each of these lines whose key it has.
const BASE: [(&str, &str); 4] = [
    ("tenants", "tenants: { demo: {} }"),
    ("issuers", "issuers: [{ embedded: true }]"),
    (
        "upstreams",
        "upstreams: { files: { tenants: [demo], stdio: { command: node } } }",
    ),
    ("policies", "policies: [policies]"),
];

/// Completes a text that has only the keys that a test is about.
pub(crate) fn completed(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for (key, line) in BASE {
        let has_key = text
            .lines()
            .any(|line| line.starts_with(&format!("{key}:")));
        if !has_key {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("policies/acme")).unwrap();
        fs::write(at("policies/acme/tickets.cedar"), "").unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::write(at("policies/b.cedar"), "").unwrap();
        fs::write(at("policies/a.cedar"), "").unwrap();
        fs::write(at("policies/notes.txt"), "").unwrap();
        fs::write(at("key.txt"), "file-secret-777\n").unwrap();
        fs::write(at("empty.txt"), "\n").unwrap();
        fs::write(at("binary.key"), [0xff, 0xfe]).unwrap();
        fs::write(at("ca.pem"), "").unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn load(&self, text: &str) -> Result<Config, Diagnostics> {
        let file = self.path("cardea.yaml");
        fs::write(&file, text).unwrap();
        load_with(&file, &variable)
    }

    /// What a person is told, with names relative to the folder.
    pub(crate) fn report(&self, text: &str) -> String {
        let report = match self.load(text) {
            Ok(config) => config.warnings.to_string(),
            Err(diagnostics) => diagnostics.to_string(),
        };
        self.relative(&report)
    }

    pub(crate) fn relative(&self, report: &str) -> String {
        let folder = format!("{}/", self.0.path().display());
        report.replace(&folder, "")
    }
}

/// The environment of all tests.
pub(crate) fn variable(name: &str) -> Option<String> {
    match name {
        "API_KEY" => Some("variable-secret-888".to_owned()),
        "EMPTY" => Some(String::new()),
        "MULTILINE" => Some("a\nb".to_owned()),
        _ => None,
    }
}

/// Loads a completed text that must be right.
pub(crate) fn accepted(text: &str) -> Config {
    let folder = Folder::new();
    match folder.load(&completed(text)) {
        Ok(config) => config,
        Err(diagnostics) => panic!("{text}\n{diagnostics}"),
    }
}

/// Loads a completed text that must be wrong.
pub(crate) fn refused(text: &str) -> Diagnostics {
    let folder = Folder::new();
    match folder.load(&completed(text)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(diagnostics) => diagnostics,
    }
}
