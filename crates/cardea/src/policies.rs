//! Policy files from disk, and their mistakes as diagnostics.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cardea_config::{
    Config, Inspected,
    diagnostic::{Diagnostic, Diagnostics, Source},
};
use cardea_policy::{KnownNames, Policies, PolicyFile};

/// Policies are written by people; a file of megabytes is not one.
const POLICY_BYTES_MAX: u64 = 4 << 20;

/// Reads and compiles the policies of a configuration.
///
/// # Errors
/// Every mistake of every file.
pub(crate) fn compile(config: &Config, epoch: u64) -> Result<Policies, Diagnostics> {
    let known = KnownNames {
        tenants: config.tenants.iter().map(ToString::to_string).collect(),
        upstreams: config.upstreams.keys().map(ToString::to_string).collect(),
    };
    compile_files(config.file.parent(), &config.policies.files, &known, epoch)
}

/// The mistakes in the policies of a configuration that has mistakes of its own.
pub(crate) fn mistakes(inspected: &Inspected) -> Diagnostics {
    let known = KnownNames {
        tenants: inspected.tenants.clone(),
        upstreams: inspected.upstreams.clone(),
    };
    compile_files(inspected.file.parent(), &inspected.policies, &known, 0)
        .err()
        .unwrap_or_default()
}

fn compile_files(
    folder: Option<&Path>,
    paths: &[PathBuf],
    known: &KnownNames,
    epoch: u64,
) -> Result<Policies, Diagnostics> {
    let mut mistakes = Diagnostics::new();
    let mut files = Vec::new();
    for path in paths {
        let name = folder
            .and_then(|folder| path.strip_prefix(folder).ok())
            .unwrap_or(path)
            .display()
            .to_string();
        let large = fs::metadata(path).is_ok_and(|m| m.len() > POLICY_BYTES_MAX);
        match fs::read_to_string(path) {
            Ok(_) if large => mistakes.push(Diagnostic::of_file(
                name,
                format!("the file is larger than {POLICY_BYTES_MAX} bytes"),
            )),
            Ok(text) => files.push(PolicyFile { name, text }),
            Err(error) => mistakes.push(Diagnostic::of_file(
                name,
                format!("the file cannot be read: {error}"),
            )),
        }
    }
    match Policies::compile(&files, known, epoch) {
        Ok(policies) if mistakes.is_empty() => Ok(policies),
        Ok(_) => Err(mistakes),
        Err(findings) => {
            for finding in findings {
                mistakes.push(diagnostic(&files, finding));
            }
            Err(mistakes)
        }
    }
}

fn diagnostic(files: &[PolicyFile], finding: cardea_policy::Finding) -> Diagnostic {
    let Some(file) = files.get(finding.file) else {
        return Diagnostic::of_file("policies", finding.message);
    };
    let diagnostic = match finding.span {
        Some(span) => {
            Source::new(file.name.as_str(), file.text.as_str()).error(span, finding.message)
        }
        None => Diagnostic::of_file(file.name.as_str(), finding.message),
    };
    match finding.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
