//! What the log asks of the file system, so that tests can make it fail.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

#[cfg(test)]
pub(crate) mod faulty;

/// Readable and writable by the gateway's user alone: records hold what was asked and by whom.
pub(crate) const FILE_MODE: u32 = 0o600;
/// The folder's mode, likewise.
pub(crate) const DIR_MODE: u32 = 0o700;

/// A file system.
pub(crate) trait Disk: fmt::Debug + Send {
    /// Makes a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file to append to it.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the folder's entries durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A file that grows at its end.
pub(crate) trait LogFile: fmt::Debug + Send {
    /// Appends some of the bytes, and tells how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes everything that was written durable (fdatasync).
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file off.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Whether the file is still at its path and as long as it was left.
    fn is_untouched(&self, len: u64) -> io::Result<bool>;
}

/// The machine's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealDisk;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

/// Appends all of the bytes.
pub(crate) fn write_all(file: &mut dyn LogFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        real(path, OpenOptions::new().create_new(true))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        real(path, &mut OpenOptions::new())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

fn real(path: &Path, options: &mut OpenOptions) -> io::Result<Box<dyn LogFile>> {
    let file = options.append(true).mode(FILE_MODE).open(path)?;
    Ok(Box::new(RealFile {
        file,
        path: path.to_owned(),
    }))
}

impl LogFile for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn is_untouched(&self, len: u64) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        let there = match fs::metadata(&self.path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()) && there.len() == len)
    }
}
