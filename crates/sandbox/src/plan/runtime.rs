//! What programs and interpreters need besides themselves. Folders are named one by one: `/usr/lib` as a whole holds programs too.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::{Collected, PlanError, follow::follow};

/// Loaders of dynamically linked programs: the kernel executes them.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Where libraries are, on Debian, Fedora and their descendants. Where the loader is, libraries are too: Alpine and Arch.
const LIBRARIES: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/lib/locale",
];

/// Public facts that runtimes read. None of these folders holds a key.
const FACTS: [&str; 12] = [
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/usr/share/mime",
];

/// Where Debian keeps the parts of Node that are scripts.
const NODE_SHARED: [&str; 2] = ["/usr/share/nodejs", "/usr/share/node_modules"];

/// What is there for every program.
pub(super) fn common(view: &mut Collected) -> Result<(), PlanError> {
    for loader in LOADERS.map(Path::new) {
        if !loader.exists() {
            continue;
        }
        view.exec(loader)?;
        if let Some(folder) = follow(loader).ok().as_ref().and_then(|f| f.path.parent()) {
            view.read(folder)?;
        }
        if loader.to_str().is_some_and(|name| name.contains("musl")) {
            view.read_if_there(Path::new("/usr/lib"))?;
        }
    }
    for path in LIBRARIES.iter().chain(&FACTS) {
        view.read_if_there(Path::new(path))?;
    }
    Ok(())
}

/// Node: what the distribution split off it. Packages come with the script.
pub(super) fn node(view: &mut Collected, program: &Path) -> Result<(), PlanError> {
    if is_of_the_system(&prefix(program)?) {
        for path in NODE_SHARED {
            view.read_if_there(Path::new(path))?;
        }
    }
    Ok(())
}

/// Python: the virtual environment, if it is of one, and the library of the interpreter below it.
pub(super) fn python(view: &mut Collected, program: &Path) -> Result<(), PlanError> {
    if let Some(environment) = environment(program) {
        view.read(&environment)?;
    }
    let prefix = prefix(program)?;
    if !is_of_the_system(&prefix) {
        for part in ["lib", "lib64", "ssl"] {
            view.read_if_there(&prefix.join(part))?;
        }
        return Ok(());
    }
    for folder in ["/usr/lib", "/usr/lib64", "/usr/local/lib"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("python"))
            {
                view.read(&entry.path())?;
            }
        }
    }
    // Where the library has links to.
    view.read_if_there(Path::new("/etc/python3"))?;
    Ok(())
}

/// The virtual environment that an interpreter is of: the folder above its own that has a `pyvenv.cfg`.
///
/// # Source
/// The documentation of Python's `venv`.
fn environment(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    folder
        .join("pyvenv.cfg")
        .is_file()
        .then(|| folder.to_owned())
}

/// The folder that holds `bin` with the real interpreter.
fn prefix(program: &Path) -> Result<PathBuf, PlanError> {
    let real = follow(program).map_err(|error| PlanError::NoPath {
        path: program.to_owned(),
        why: error.to_string(),
    })?;
    let bin = real.path.parent().unwrap_or(Path::new("/"));
    let is_bin = bin.file_name() == Some(OsStr::new("bin"));
    let prefix = if is_bin { bin.parent() } else { Some(bin) };
    Ok(prefix.unwrap_or(Path::new("/")).to_owned())
}

fn is_of_the_system(prefix: &Path) -> bool {
    ["/", "/usr", "/usr/local"].map(Path::new).contains(&prefix)
}
