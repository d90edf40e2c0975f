//! Finding the end of the chain in what a crash, or a clean end, has left.
//!
//! What was written and not acknowledged may be there or not; what is there whole is kept. A line
//! without its newline was torn by the crash: it is moved to a file of its own and cut off. Any
//! other fault is no crash's doing, and the log is not continued after it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    chain::{Expected, Fault, Tip},
    disk::{Disk, LogFile, write_all},
    segment::{Line, Segment},
    writer::create_segment,
};

#[cfg(test)]
mod tests;

/// The most torn ends that are kept for one record number: a gateway that crashes again and again
/// without writing one record needs a person.
const TORN_MAX: u32 = 1000;
/// How much is copied at once.
const COPY_BYTES: usize = 64 << 10;

/// Why a log cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused.
    #[error("`{path}`: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process writes this log.
    #[error("the audit log in `{dir}` is in use: each gateway needs a folder of its own", dir = dir.display())]
    Locked {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The log is not what was written.
    #[error(
        "`{file}` line {line}: {fault}; this is no crash's doing, so the log is not continued: \
         see all of it with `cardea audit verify`, then move the log to a safe place",
        file = file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The newest file has no record, and the one before it does not lead up to it.
    #[error(
        "record {seq}, which `{file}` follows, is missing; the log is not continued: \
         see all of it with `cardea audit verify`, then move the log to a safe place",
        file = file.display()
    )]
    Missing {
        /// The file that continues nothing.
        file: PathBuf,
        /// The record that should be before it.
        seq: u64,
    },
    /// The first record could not be written.
    #[error("the audit log in `{dir}` cannot be written: {reason}", dir = dir.display())]
    Unwritable {
        /// The log's folder.
        dir: PathBuf,
        /// What the operating system said.
        reason: String,
    },
}

/// Where a log goes on.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) segment: Segment,
    pub(crate) file: Box<dyn LogFile>,
    pub(crate) len: u64,
    pub(crate) tip: Tip,
    pub(crate) torn: Option<Torn>,
}

/// What was cut off.
#[derive(Debug)]
pub(crate) struct Torn {
    pub(crate) bytes: u64,
    pub(crate) kept_in: PathBuf,
}

/// What is good of a file.
#[derive(Debug)]
struct Walked {
    /// The last record, or what the file follows when it has none.
    tip: Option<Tip>,
    len: u64,
    torn_bytes: u64,
}

/// Finds the end of the chain, or begins one.
pub(crate) fn recover(dir: &Path, disk: &dyn Disk) -> Result<Found, OpenError> {
    let segments = Segment::list(dir).map_err(|source| io_error(dir, source))?;
    let Some((newest, older)) = segments.split_last() else {
        return begin(dir, disk);
    };
    let before = tip_before(newest, older.last())?;
    let walked = walk(newest, before, None)?;
    let Some(tip) = walked.tip else {
        return Err(OpenError::Missing {
            file: newest.path.clone(),
            seq: newest.first.saturating_sub(1),
        });
    };
    let in_newest = |source| io_error(&newest.path, source);
    let mut file = disk.open(&newest.path).map_err(in_newest)?;
    let torn = match walked.torn_bytes {
        0 => None,
        bytes => {
            let next = tip.seq.saturating_add(1);
            let kept_in = keep_torn(dir, disk, newest, walked.len, next)?;
            file.truncate(walked.len).map_err(in_newest)?;
            Some(Torn { bytes, kept_in })
        }
    };
    // Records that the crashed process wrote but did not commit are durable from here on.
    file.sync().map_err(in_newest)?;
    disk.sync_dir(dir).map_err(|source| io_error(dir, source))?;
    Ok(Found {
        segment: newest.clone(),
        file,
        len: walked.len,
        tip,
        torn,
    })
}

fn begin(dir: &Path, disk: &dyn Disk) -> Result<Found, OpenError> {
    let segment = Segment::new(dir, 1);
    let file =
        create_segment(disk, dir, &segment).map_err(|source| io_error(&segment.path, source))?;
    Ok(Found {
        segment,
        file,
        len: 0,
        tip: Tip::GENESIS,
        torn: None,
    })
}

/// The record that the newest file follows; `None` when the files before it are elsewhere.
fn tip_before(newest: &Segment, previous: Option<&Segment>) -> Result<Option<Tip>, OpenError> {
    if newest.first == 1 {
        return Ok(Some(Tip::GENESIS));
    }
    let Some(previous) = previous else {
        return Ok(None);
    };
    let walked = walk(previous, None, Some(newest.first))?;
    match walked.tip {
        Some(tip) if tip.seq.checked_add(1) == Some(newest.first) => Ok(Some(tip)),
        _ => Err(OpenError::Missing {
            file: newest.path.clone(),
            seq: newest.first.saturating_sub(1),
        }),
    }
}

/// Checks a file's records, up to but not with the record `until`. Records from there on were
/// refused and the next file has others: their fdatasync failed, and a crash undid their cutting
/// off.
fn walk(segment: &Segment, before: Option<Tip>, until: Option<u64>) -> Result<Walked, OpenError> {
    let read_error = |source| io_error(&segment.path, source);
    let mut lines = segment.lines().map_err(read_error)?;
    let mut expected = Expected {
        seq: segment.first,
        prev: before.map(|tip| tip.hash),
    };
    let mut walked = Walked {
        tip: before,
        len: 0,
        torn_bytes: 0,
    };
    while until != Some(expected.seq) {
        let fault = match lines.next().map_err(read_error)? {
            None => break,
            Some(Line::Torn { bytes }) => {
                walked.torn_bytes = bytes;
                break;
            }
            Some(Line::TooLong { bytes }) => Some(Fault::TooLong { bytes }),
            Some(Line::Whole(line)) => {
                let (head, faults) = expected.check(line);
                if let Some(tip) = head.and_then(|head| head.stated_tip()) {
                    walked.tip = Some(tip);
                    expected = Expected::after(tip);
                }
                faults.into_iter().next()
            }
        };
        if let Some(fault) = fault {
            return Err(OpenError::Corrupt {
                file: segment.path.clone(),
                line: lines.number(),
                fault,
            });
        }
        walked.len = lines.offset();
    }
    Ok(walked)
}

/// Copies the file's end from `offset` on to a file of its own.
fn keep_torn(
    dir: &Path,
    disk: &dyn Disk,
    segment: &Segment,
    offset: u64,
    seq: u64,
) -> Result<PathBuf, OpenError> {
    let in_segment = |source| io_error(&segment.path, source);
    let mut from = File::open(&segment.path).map_err(in_segment)?;
    from.seek(SeekFrom::Start(offset)).map_err(in_segment)?;
    let (path, mut to) = create_torn(dir, disk, seq)?;
    let in_torn = |source| io_error(&path, source);
    let mut chunk = vec![0; COPY_BYTES];
    loop {
        let read = from.read(&mut chunk).map_err(in_segment)?;
        if read == 0 {
            break;
        }
        let bytes = chunk.get(..read).unwrap_or_default();
        write_all(to.as_mut(), bytes).map_err(in_torn)?;
    }
    to.sync().map_err(in_torn)?;
    disk.sync_dir(dir).map_err(|source| io_error(dir, source))?;
    Ok(path)
}

fn create_torn(
    dir: &Path,
    disk: &dyn Disk,
    seq: u64,
) -> Result<(PathBuf, Box<dyn LogFile>), OpenError> {
    for number in 1..TORN_MAX {
        let path = dir.join(format!("torn-{seq:020}-{number}"));
        match disk.create(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(io_error(&path, source)),
        }
    }
    let source = io::Error::other(format!(
        "{TORN_MAX} torn ends of record {seq} are kept here"
    ));
    Err(io_error(dir, source))
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}
