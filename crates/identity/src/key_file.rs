//! Key material in a file that only its owner can read, made once.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
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
    match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known.map_err(failed("use", path)),
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
        _ => read(path).map_err(failed("use", path)),
    }
}

/// The content of a file that is its owner's alone: a key that anybody else could read, or put
/// there, is no secret.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mode = file.metadata()?.mode();
    if mode & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "others than its owner may use it (mode {:o}): make a new key, or `chmod go=` if it is still secret",
                mode & 0o777
            ),
        ));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    let path = path.to_owned();
    move |source| KeyFileError {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_other_users_may_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("a.key");
        let make = || read_or_make(&path, || Ok(vec![7; 32]));
        assert_eq!(make().unwrap(), [7; 32]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for (mode, is_good) in [
            (0o640, false),
            (0o620, false),
            (0o604, false),
            (0o602, false),
            (0o600, true),
            (0o400, true),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(make().is_ok(), is_good, "{mode:o}");
        }
    }
}
