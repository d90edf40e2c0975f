//! Key material in a file that only its owner can read, made once.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A key file could not be read or made.
#[derive(Debug, Error)]
#[error("cannot {action} {path}: {source}")]
pub struct KeyFileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The content of `path`, made by `make` when there is no such file; its folder is made too.
///
/// Of two processes that make it at once, both get what the first one linked.
///
/// # Errors
/// [`KeyFileError`] when the file system refuses or `make` fails.
pub fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, KeyFileError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map_err(failed("read", path)),
    }
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("create", folder))?;
    }
    let content = make().map_err(failed("make a key for", path))?;
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(failed("create", &draft))?;
    file.write_all(&content)
        .and_then(|()| file.sync_all())
        .map_err(failed("write", &draft))?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed("remove", &draft))?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("create", path)(error))
        }
        _ => fs::read(path).map_err(failed("read", path)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError {
        action,
        path,
        source,
    }
}
