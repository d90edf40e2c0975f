//! Which runs have seen untrusted content, in a file: a restart must not wash them clean.
//!
//! A line for each, of its hash and the second. Appended and synchronised once for a run, and again after half a day; rewritten
//! without what is too old when it is opened, and when it has grown.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use super::runs::RunKey;

/// No token lives longer, so no run is older.
const KEPT_S: u64 = 24 * 3600;
const FRESH_S: u64 = KEPT_S / 2;
/// Some 5 MB; what is too old is left out then.
const LINES_MAX: usize = 100_000;
/// A hash, a space, ten digits and a line's end.
const LINE_BYTES_MAX: u64 = 64;
/// What is larger was not written here.
const FILE_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// When each was written last, in seconds since the Unix epoch. Apart from the file: a look never waits for the disk.
    runs: Mutex<HashMap<RunKey, u64>>,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    file: File,
    lines: usize,
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
        let file = write_all(path, &runs)?;
        Ok(Self {
            path: path.to_owned(),
            log: Mutex::new(Log {
                file,
                lines: runs.len(),
            }),
            runs: Mutex::new(runs),
        })
    }

    pub(super) fn has(&self, key: RunKey) -> bool {
        self.runs.lock().contains_key(&key)
    }

    pub(super) fn is_fresh(&self, key: RunKey, now_s: u64) -> bool {
        let written = self.runs.lock().get(&key).copied();
        written.is_some_and(|at| now_s.saturating_sub(at) < FRESH_S)
    }

    /// Writes a run down; blocks until it is on disk.
    pub(super) fn write(&self, key: RunKey, now_s: u64) -> io::Result<()> {
        let mut log = self.log.lock();
        let known = self.runs.lock().len();
        if log.lines >= LINES_MAX.max(2 * known) {
            let runs = {
                let mut runs = self.runs.lock();
                runs.retain(|_, at| now_s.saturating_sub(*at) < KEPT_S);
                runs.clone()
            };
            log.file = write_all(&self.path, &runs)?;
            log.lines = runs.len();
        }
        log.file.write_all(line(key, now_s).as_bytes())?;
        log.file.sync_data()?;
        log.lines += 1;
        self.runs.lock().insert(key, now_s);
        Ok(())
    }
}

fn line(key: RunKey, at_s: u64) -> String {
    let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex} {at_s}\n")
}

/// The runs of a file that are not too old. A line that is torn was not told to anybody as written.
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
        if let Some((key, at_s)) = parse(line.trim_end()).filter(|_| line.ends_with('\n'))
            && now_s.saturating_sub(at_s) < KEPT_S
        {
            runs.insert(key, at_s);
        }
        text.clear();
    }
    Ok(runs)
}

fn parse(line: &str) -> Option<(RunKey, u64)> {
    let (hex, at_s) = line.split_once(' ')?;
    let mut key = [0; 16];
    if hex.len() != 2 * key.len() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some((RunKey(key), at_s.parse().ok()?))
}

/// A new file in the place of the old one, open for what comes.
fn write_all(path: &Path, runs: &HashMap<RunKey, u64>) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    let text: String = runs.iter().map(|(key, at_s)| line(*key, *at_s)).collect();
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

    #[test]
    fn torn_foreign_and_old_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.runs");
        let (old, new) = (RunKey([1; 16]), RunKey([2; 16]));
        let now_s = 1_800_000_000;
        let torn = line(RunKey([3; 16]), now_s);
        let text =
            line(old, now_s - KEPT_S) + "nonsense\n" + &line(new, now_s - 5) + torn.trim_end();
        std::fs::write(&path, text).unwrap();
        let kept = Kept::open(&path, now_s).unwrap();
        assert!(kept.has(new) && !kept.has(old) && !kept.has(RunKey([3; 16])));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            line(new, now_s - 5)
        );
        kept.write(old, now_s).unwrap();
        assert!(Kept::open(&path, now_s).unwrap().has(old));
    }
}
