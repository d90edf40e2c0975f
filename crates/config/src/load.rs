//! From a path to a configuration.

use std::{
    env, fs,
    io::{self, Read},
    path::{self, Path},
};

use crate::{
    Config, Constraint,
    check::{self, Surroundings},
    diagnostic::{Diagnostic, Diagnostics, Source},
    structure, yaml,
};

/// Thousands of upstreams fit; a larger file is not a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads and checks a configuration file; secrets come from the environment and from files.
///
/// # Errors
/// Every mistake of the file, warnings among them. On success the warnings are in
/// [`Config::warnings`].
pub fn load(path: &Path) -> Result<Config, Diagnostics> {
    load_with(path, &|name| env::var(name).ok())
}

/// Like [`load`], with environment variables from elsewhere.
///
/// # Errors
/// As for [`load`].
pub fn load_with(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Diagnostics> {
    let name = path.display().to_string();
    let of_file = |message: String| Diagnostics::from(Diagnostic::of_file(&*name, message));
    let text = read(path).map_err(of_file)?;
    let file = path::absolute(path).map_err(|e| of_file(format!("no absolute path: {e}")))?;
    let folder = file.parent().unwrap_or(&file);
    let around = Surroundings {
        file: &file,
        folder,
        env,
    };
    from_source(Source::new(&*name, text), &around)
}

/// Reads a file of constraints, as they stand in `upstreams.<id>.constraints`.
///
/// # Errors
/// Every mistake of the file.
pub fn load_constraints(path: &Path) -> Result<Vec<Constraint>, Diagnostics> {
    let name = path.display().to_string();
    let of_file = |message: String| Diagnostics::from(Diagnostic::of_file(&*name, message));
    let text = read(path).map_err(of_file)?;
    let (document, mut diagnostics) = yaml::read(Source::new(&*name, text));
    let Some(mut document) = document else {
        return Err(diagnostics);
    };
    let (raw, found) = structure::read_constraints(&mut document);
    diagnostics.extend(found);
    let Some(raw) = raw else {
        return Err(diagnostics);
    };
    let around = Surroundings {
        file: path,
        folder: path,
        env: &|_| None,
    };
    let (constraints, found) = check::constraints(&document, &raw.constraints, &around);
    diagnostics.extend(found);
    match constraints {
        Some(constraints) if !diagnostics.has_errors() => Ok(constraints),
        _ => Err(diagnostics),
    }
}

/// Reads a YAML file of another kind, as the values in it.
///
/// # Errors
/// Every mistake of the file.
pub fn load_yaml(path: &Path) -> Result<serde_json::Value, Diagnostics> {
    let name = path.display().to_string();
    let of_file = |message: String| Diagnostics::from(Diagnostic::of_file(&*name, message));
    let text = read(path).map_err(of_file)?;
    match yaml::read(Source::new(&*name, text)) {
        (Some(document), found) if !found.has_errors() => Ok(document.value),
        (_, found) => Err(found),
    }
}

/// The policy files and names of a configuration that may be wrong in other places, so that the
/// mistakes in its policies can be told together with its own. `None` when not even that is known.
#[must_use]
pub fn inspect(path: &Path) -> Option<Inspected> {
    let text = read(path).ok()?;
    let file = path::absolute(path).ok()?;
    let around = Surroundings {
        file: &file,
        folder: file.parent().unwrap_or(&file),
        env: &|_| None,
    };
    let (document, _) = yaml::read(Source::new(&*path.display().to_string(), text));
    let mut document = document?;
    let (raw, _) = structure::read(&mut document);
    Some(check::inspect(&document, &raw?, &around))
}

/// What is known of a configuration that cannot be used.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The configuration file.
    pub file: path::PathBuf,
    /// The policy files that hold for every tenant.
    pub policies: Vec<path::PathBuf>,
    /// The files of rules about requests that all tenants share.
    pub rules: Vec<path::PathBuf>,
    /// Its tenants.
    pub tenants: Vec<InspectedTenant>,
}

/// What is known of a tenant in a configuration that cannot be used.
#[derive(Debug, Clone)]
pub struct InspectedTenant {
    /// Its id, right or wrong.
    pub id: String,
    /// The policy files that hold for it alone.
    pub policies: Vec<path::PathBuf>,
    /// The files of its rules about requests.
    pub rules: Vec<path::PathBuf>,
    /// The ids of the upstreams that exist for it, right or wrong.
    pub upstreams: Vec<String>,
}

fn from_source(source: Source, around: &Surroundings<'_>) -> Result<Config, Diagnostics> {
    let name = source.name().to_owned();
    let (document, mut diagnostics) = yaml::read(source);
    let Some(mut document) = document else {
        return Err(diagnostics);
    };
    let (raw, found) = structure::read(&mut document);
    diagnostics.extend(found);
    let Some(raw) = raw else {
        return Err(diagnostics);
    };
    let (config, found) = check::check(&document, &raw, around);
    diagnostics.extend(found);
    match config {
        _ if diagnostics.has_errors() => Err(diagnostics),
        Some(config) => Ok(Config {
            warnings: diagnostics,
            ..config
        }),
        None => {
            let message = "this file is refused without a reason";
            let diagnostic = Diagnostic::of_file(name, message);
            diagnostics.push(diagnostic.help("this is a mistake in Cardea; please report it"));
            Err(diagnostics)
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// The text of a file of at most so many bytes.
pub(crate) fn read_up_to(path: &Path, bytes_max: u64) -> Result<String, String> {
    let reason = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => format!("the file cannot be read: {kind}"),
    };
    let found = fs::metadata(path).map_err(reason)?;
    if !found.is_file() {
        return Err("this is not a file".to_owned());
    }
    if found.len() > bytes_max {
        return Err(format!("the file is larger than {bytes_max} bytes"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(reason)?;
    file.take(bytes_max)
        .read_to_end(&mut bytes)
        .map_err(reason)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the file is not text in UTF-8: byte {at} is wrong")
    })?;
    // Editors of some systems begin a file with a mark that is no part of the text.
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or(text.clone(), str::to_owned))
}
