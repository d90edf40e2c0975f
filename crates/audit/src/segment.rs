//! The files of a log: their names, and reading them line by line with bounded memory.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use crate::json::len_u64;

/// Longer than any record: the longest arguments that may be kept, each byte escaped to six, and
/// the rest.
pub(crate) const LINE_BYTES_MAX: u64 = 8 << 20;

/// How much is read at once.
const READ_BYTES: usize = 128 << 10;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// One file of a log, named after its first record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// Lines of a file, one at a time.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    offset: u64,
    number: u64,
}

/// What stands between two ends of lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line, without its newline.
    Whole(&'a [u8]),
    /// A line that is too long to be held.
    TooLong {
        /// Its length.
        bytes: u64,
    },
    /// The end of the file, without a newline after it.
    Torn {
        /// Its length.
        bytes: u64,
    },
}

impl Segment {
    /// The file that begins with this record.
    pub(crate) fn new(dir: &Path, first: u64) -> Self {
        Self {
            first,
            path: dir.join(format!("{PREFIX}{first:020}{SUFFIX}")),
        }
    }

    /// All files of the log, oldest first.
    pub(crate) fn list(dir: &Path) -> io::Result<Vec<Self>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let Some(first) = entry.file_name().to_str().and_then(first_of) else {
                continue;
            };
            segments.push(Self {
                first,
                path: entry.path(),
            });
        }
        segments.sort();
        Ok(segments)
    }

    /// The file's lines, from the start.
    pub(crate) fn lines(&self) -> io::Result<Lines<BufReader<File>>> {
        let file = File::open(&self.path)?;
        Ok(Lines::new(BufReader::with_capacity(READ_BYTES, file)))
    }
}

fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            offset: 0,
            number: 0,
        }
    }

    /// The next line, or `None` at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut chunk = (&mut self.reader).take(LINE_BYTES_MAX);
        chunk.read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let mut bytes = len_u64(self.line.len());
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            self.offset += bytes;
            return Ok(Some(Line::Whole(&self.line)));
        }
        let (skipped, ended) = self.skip_line()?;
        bytes += skipped;
        if !ended {
            return Ok(Some(Line::Torn { bytes }));
        }
        self.offset += bytes;
        Ok(Some(Line::TooLong { bytes }))
    }

    /// Skips what is left of a line; tells how much that was and whether it ended.
    fn skip_line(&mut self) -> io::Result<(u64, bool)> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let newline = buffer.iter().position(|b| *b == b'\n');
            let bytes = newline.map_or(buffer.len(), |at| at + 1);
            if bytes == 0 {
                return Ok((skipped, false));
            }
            self.reader.consume(bytes);
            skipped += len_u64(bytes);
            if newline.is_some() {
                return Ok((skipped, true));
            }
        }
    }

    /// The bytes of all lines so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the last line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_logs_own_form_are_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let ten = Segment::new(dir.path(), 10);
        let two = Segment::new(dir.path(), 2);
        for name in ["audit-3.jsonl", "audit-+0000000000000000003.jsonl", "lock"] {
            File::create(dir.path().join(name)).unwrap();
        }
        File::create(&ten.path).unwrap();
        File::create(&two.path).unwrap();
        assert_eq!(Segment::list(dir.path()).unwrap(), [two, ten]);
    }

    #[test]
    fn lines_are_told_from_a_torn_end() {
        let mut lines = Lines::new(&b"a\n\nbc\nd"[..]);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"a")));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"")));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"bc")));
        assert_eq!((lines.number(), lines.offset()), (3, 6));
        assert_eq!(lines.next().unwrap(), Some(Line::Torn { bytes: 1 }));
        assert_eq!((lines.number(), lines.offset()), (4, 6));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_too_long_to_hold_is_passed_over() {
        let long = LINE_BYTES_MAX + 5;
        let text = io::repeat(b'x').take(long).chain(&b"\na\n"[..]);
        let mut lines = Lines::new(BufReader::new(text));
        let bytes = long + 1;
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong { bytes }));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"a")));
        let endless = io::repeat(0).take(long);
        let mut lines = Lines::new(BufReader::new(endless));
        assert_eq!(lines.next().unwrap(), Some(Line::Torn { bytes: long }));
    }
}
