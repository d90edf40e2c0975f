//! Which runs have seen untrusted content, in a file: a restart must not wash them clean.
//!
//! A line for each, of its hash, the second, and until when that counts. Appended and synchronised once for a run, and again
//! when it goes on for long enough; rewritten without what is too old when it is opened, and when it has grown.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use super::runs::RunKey;

/// How long a line counts that does not say: from versions that wrote none.
const UNSAID_S: u64 = 24 * 3600;
/// Some 6 MB; what is too old is left out then.
const LINES_MAX: usize = 100_000;
/// A hash, and twice a space and ten digits, and a line's end.
const LINE_BYTES_MAX: u64 = 80;
/// What is larger was not written here.
const FILE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// Until when each counts, in seconds since the Unix epoch. Apart from the file: a look never waits for the disk.
    runs: Mutex<HashMap<RunKey, u64>>,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    file: File,
    lines: usize,
    /// Whether the last line may be there in part: another one behind it would be lost with it.
    is_torn: bool,
}

impl Kept {
    pub(super) fn open(path: &Path, now_s: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let runs = match File::open(path) {
            Ok(file) => read(file, now_s)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(error),
        };
        let file = write_all(path, &runs, now_s)?;
        Ok(Self {
            path: path.to_owned(),
            log: Mutex::new(Log {
                file,
                lines: runs.len(),
                is_torn: false,
            }),
            runs: Mutex::new(runs),
        })
    }

    /// Until when a run counts as one that has seen untrusted content, in seconds since the Unix epoch.
    pub(super) fn until(&self, key: RunKey) -> Option<u64> {
        self.runs.lock().get(&key).copied()
    }

    /// Writes a run down; blocks until it is on disk.
    pub(super) fn write(&self, key: RunKey, now_s: u64, until_s: u64) -> io::Result<()> {
        let mut log = self.log.lock();
        let known = self.runs.lock().len();
        if log.is_torn || log.lines >= LINES_MAX.max(2 * known) {
            let runs = {
                let mut runs = self.runs.lock();
                runs.retain(|_, until| *until > now_s);
                runs.clone()
            };
            log.file = write_all(&self.path, &runs, now_s)?;
            log.lines = runs.len();
        }
        log.is_torn = true;
        log.file.write_all(line(key, now_s, until_s).as_bytes())?;
        log.file.sync_data()?;
        log.is_torn = false;
        log.lines += 1;
        self.runs.lock().insert(key, until_s);
        Ok(())
    }
}

fn line(key: RunKey, at_s: u64, until_s: u64) -> String {
    let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex} {at_s} {until_s}\n")
}

/// The runs of a file that still count. A line that is torn was not told to anybody as written.
fn read(file: File, now_s: u64) -> io::Result<HashMap<RunKey, u64>> {
    if file.metadata()?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other(
            "the file is too large to have been written by the gateway",
        ));
    }
    let mut runs = HashMap::new();
    let mut lines = BufReader::new(file);
    let mut text = Vec::new();
    while io::Read::take(&mut lines, LINE_BYTES_MAX).read_until(b'\n', &mut text)? > 0 {
        let line = std::str::from_utf8(&text).unwrap_or_default();
        if let Some((key, until_s)) = parse(line.trim_end()).filter(|_| line.ends_with('\n'))
            && until_s > now_s
        {
            let known = runs.entry(key).or_insert(until_s);
            *known = until_s.max(*known);
        }
        text.clear();
    }
    Ok(runs)
}

fn parse(line: &str) -> Option<(RunKey, u64)> {
    let mut words = line.split(' ');
    let (hex, at_s) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    let until_s = match words.next() {
        Some(until_s) => until_s.parse().ok()?,
        None => at_s.saturating_add(UNSAID_S),
    };
    let mut key = [0; 16];
    if hex.len() != 2 * key.len() || words.next().is_some() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some((RunKey(key), until_s))
}

/// A new file in the place of the old one, open for what comes.
fn write_all(path: &Path, runs: &HashMap<RunKey, u64>, now_s: u64) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    let lines = runs.iter();
    let text: String = lines
        .map(|(key, until_s)| line(*key, now_s, *until_s))
        .collect();
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    #[test]
    fn torn_foreign_and_old_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.runs");
        let (old, new) = (RunKey([1; 16]), RunKey([2; 16]));
        let torn = line(RunKey([3; 16]), NOW_S, NOW_S + 9);
        // As versions wrote it that did not say until when.
        let unsaid = "04".repeat(16) + &format!(" {}\n", NOW_S - 5);
        let text = line(old, NOW_S - 9, NOW_S)
            + "nonsense\n"
            + &line(new, NOW_S - 5, NOW_S + 5)
            + &unsaid
            + torn.trim_end();
        std::fs::write(&path, text).unwrap();
        let kept = Kept::open(&path, NOW_S).unwrap();
        let until = |run| kept.until(RunKey([run; 16]));
        assert_eq!(until(2), Some(NOW_S + 5));
        assert_eq!(until(4), Some(NOW_S - 5 + UNSAID_S));
        assert_eq!((until(1), until(3)), (None, None));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        kept.write(old, NOW_S, NOW_S + 7).unwrap();
        let again = Kept::open(&path, NOW_S).unwrap();
        assert_eq!(again.until(old), Some(NOW_S + 7));
    }

    #[test]
    fn a_line_that_was_torn_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.runs");
        let runs = [1, 2, 3].map(|run| RunKey([run; 16]));
        let kept = Kept::open(&path, NOW_S).unwrap();
        kept.write(runs[0], NOW_S, NOW_S + 9).unwrap();
        // The disk takes half a line, then nothing.
        let half = &line(runs[1], NOW_S, NOW_S + 9)[..20];
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(half.as_bytes()).unwrap();
        kept.log.lock().file = File::open(&path).unwrap();
        assert!(kept.write(runs[1], NOW_S, NOW_S + 9).is_err());
        assert_eq!(kept.until(runs[1]), None);
        kept.write(runs[2], NOW_S, NOW_S + 9).unwrap();
        let again = Kept::open(&path, NOW_S).unwrap();
        assert!(again.until(runs[0]).is_some() && again.until(runs[2]).is_some());
        assert_eq!(again.until(runs[1]), None);
    }
}
