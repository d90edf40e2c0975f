//! Files and folders that the configuration names.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::Checker;
use crate::{
    PolicyFiles,
    diagnostic::{Diagnostic, printable},
    yaml::At,
};

/// What a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    File,
    Folder,
}

/// `text` below `folder`, unless it is absolute itself; without `.` in between.
pub(super) fn join(folder: &Path, text: &str) -> PathBuf {
    folder.join(text).components().collect()
}

impl Checker<'_> {
    /// The absolute path of a file or folder that must be there.
    pub(super) fn existing(&mut self, at: &At, text: &str, wanted: Wanted) -> Option<PathBuf> {
        let path = self.path(text);
        let diagnostic = match (fs::metadata(&path), wanted) {
            (Ok(found), Wanted::File) if found.is_file() => return Some(path),
            (Ok(found), Wanted::Folder) if found.is_dir() => return Some(path),
            (Ok(_), Wanted::File) => {
                let message = format!("`{}` is not a file", printable(text));
                self.document.error(at, message).expected("a file")
            }
            (Ok(_), Wanted::Folder) => {
                let message = format!("`{}` is not a folder", printable(text));
                self.document.error(at, message).expected("a folder")
            }
            (Err(error), _) => self.unreachable_path(at, text, &error),
        };
        self.report(at, diagnostic);
        None
    }

    /// Why there is nothing at a path.
    pub(super) fn unreachable_path(&self, at: &At, text: &str, error: &io::Error) -> Diagnostic {
        let shown = printable(text);
        let diagnostic = match error.kind() {
            io::ErrorKind::NotFound => {
                let message = format!("there is no `{shown}`");
                let looked = self.path(text);
                let help = format!("looked for `{}`", printable_path(&looked));
                self.document.error(at, message).help(help)
            }
            kind => self
                .document
                .error(at, format!("`{shown}` cannot be read: {kind}")),
        };
        if text.starts_with('~') {
            return diagnostic.help("`~` has no meaning here; write the whole path");
        }
        diagnostic
    }

    pub(super) fn policies(&mut self, at: &At, texts: &[String]) -> Option<PolicyFiles> {
        let mut roots = Vec::new();
        let mut files = BTreeSet::new();
        for (index, text) in texts.iter().enumerate() {
            let at = at.index(index);
            let Some((root, found)) = self.policy_root(&at, text) else {
                continue;
            };
            roots.push(root);
            files.extend(found);
        }
        (roots.len() == texts.len()).then(|| PolicyFiles {
            roots,
            files: files.into_iter().collect(),
        })
    }

    /// A file of rules about requests.
    pub(super) fn rule_file(&mut self, at: &At, text: &str) -> Option<PathBuf> {
        self.cedar_file(at, text, "a file named `*.cedar`")
    }

    fn cedar_file(&mut self, at: &At, text: &str, expected: &'static str) -> Option<PathBuf> {
        let path = self.existing(at, text, Wanted::File)?;
        if is_cedar(&path) {
            return Some(path);
        }
        let message = format!("`{}` is not a policy file", printable(text));
        let diagnostic = self.document.error(at, message);
        self.report(at, diagnostic.expected(expected));
        None
    }

    fn policy_root(&mut self, at: &At, text: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
        let path = self.path(text);
        let is_folder = fs::metadata(&path).is_ok_and(|found| found.is_dir());
        if !is_folder {
            let path = self.cedar_file(at, text, "a folder, or a file named `*.cedar`")?;
            return Some((path.clone(), vec![path]));
        }
        match cedar_files(&path) {
            Ok(files) => {
                if files.is_empty() {
                    let message = "there is no `*.cedar` file in this folder: nothing is permitted";
                    let diagnostic = self.document.error(at, message).warning();
                    self.report(at, diagnostic);
                }
                Some((path, files))
            }
            Err(error) => {
                let diagnostic = self.unreachable_path(at, text, &error);
                self.report(at, diagnostic);
                None
            }
        }
    }
}

fn cedar_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_cedar(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn is_cedar(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "cedar")
}

fn printable_path(path: &Path) -> String {
    path.display()
        .to_string()
        .chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
