//! A disk that does as it is told: fails, stops, dies and forgets what was not made durable.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
};

use parking_lot::Mutex;

use super::{Disk, LogFile, RealDisk};

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Create,
    Write,
    Sync,
    Truncate,
    SyncDir,
}

/// What happens instead.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Error(io::ErrorKind),
    /// A write writes no more than this.
    Short(usize),
    /// Meets the test, does what was asked, and meets it again.
    Meet(Arc<Barrier>),
    Panic,
}

/// The real disk with a plan; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    faults: HashMap<Op, VecDeque<Fault>>,
    /// How many operations there are until the end, with how much of a write in permille is done
    /// at the end.
    dies_after: Option<(u64, usize)>,
    files: HashMap<PathBuf, Durable>,
}

/// What a crash leaves of a file.
#[derive(Debug, Default)]
struct Durable {
    named: bool,
    len: u64,
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Box<dyn LogFile>,
}

impl FaultyDisk {
    /// Lets the next operation of the kind that has no fault yet go wrong.
    pub(crate) fn next(&self, op: Op, fault: Fault) {
        let mut plan = self.0.lock();
        plan.faults.entry(op).or_default().push_back(fault);
    }

    /// Lets operation number `operations` from now be the last, with a part of it done.
    pub(crate) fn die_after(&self, operations: u64, done_permille: usize) {
        self.0.lock().dies_after = Some((operations, done_permille));
    }

    /// Makes it work again; what is durable and what is not stays as it is.
    pub(crate) fn revive(&self) {
        let mut plan = self.0.lock();
        plan.dies_after = None;
        plan.faults.clear();
    }

    /// Takes from the real files what a loss of power may take: of each end that was not made
    /// durable, all but `kept_permille`. Works again after it.
    pub(crate) fn lose_power(&self, kept_permille: u64) {
        self.revive();
        self.0.lock().files.retain(|path, durable| {
            if !durable.named {
                let _ = fs::remove_file(path);
                return false;
            }
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            let len = file.metadata().unwrap().len();
            let volatile = len.saturating_sub(durable.len);
            durable.len = len - volatile + volatile * kept_permille / 1000;
            file.set_len(durable.len).unwrap();
            true
        });
    }

    /// What becomes of an operation; `Ok(None)` when nothing is in its way.
    fn fault(&self, op: Op) -> io::Result<Option<Fault>> {
        let mut plan = self.0.lock();
        if let Some((left, done_permille)) = &mut plan.dies_after {
            if *left == 0 {
                let done = *done_permille;
                // Of the last operation a part is done, of those after it nothing.
                *done_permille = 0;
                return match (op, done) {
                    (Op::Write, 1..) => Ok(Some(Fault::Short(done))),
                    _ => Err(io::Error::other("dead")),
                };
            }
            *left -= 1;
        }
        Ok(plan.faults.entry(op).or_default().pop_front())
    }

    /// Does an operation, or what is planned in its stead.
    fn perform<T>(&self, op: Op, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.fault(op)? {
            None | Some(Fault::Short(_)) => act(),
            Some(Fault::Error(kind)) => Err(kind.into()),
            Some(Fault::Panic) => panic!("as planned"),
            Some(Fault::Meet(barrier)) => {
                barrier.wait();
                let done = act();
                barrier.wait();
                done
            }
        }
    }

    fn file(&self, path: &Path, file: Box<dyn LogFile>) -> Box<dyn LogFile> {
        Box::new(FaultyFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        })
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = self.perform(Op::Create, || RealDisk.create(path))?;
        let mut plan = self.0.lock();
        plan.files.insert(path.to_owned(), Durable::default());
        Ok(self.file(path, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let file = RealDisk.open(path)?;
        let mut plan = self.0.lock();
        // What an earlier crash left is durable.
        plan.files.entry(path.to_owned()).or_insert(Durable {
            named: true,
            len: fs::metadata(path)?.len(),
        });
        Ok(self.file(path, file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().files.remove(path);
        RealDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.perform(Op::SyncDir, || RealDisk.sync_dir(dir))?;
        for durable in self.0.lock().files.values_mut() {
            durable.named = true;
        }
        Ok(())
    }
}

impl LogFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let dying = self.disk.0.lock().dies_after.is_some_and(|(n, _)| n == 0);
        match self.disk.fault(Op::Write)? {
            Some(Fault::Short(part)) => {
                let most = if dying {
                    bytes.len() * part / 1000
                } else {
                    part
                };
                self.file.write(&bytes[..most.min(bytes.len())])
            }
            None => self.file.write(bytes),
            Some(fault) => {
                let plan = FaultyDisk::default();
                plan.next(Op::Write, fault);
                plan.perform(Op::Write, || self.file.write(bytes))
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { disk, path, file } = self;
        disk.perform(Op::Sync, || file.sync())?;
        let len = fs::metadata(&*path)?.len();
        if let Some(durable) = disk.0.lock().files.get_mut(path) {
            durable.len = len;
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let Self { disk, file, .. } = self;
        disk.perform(Op::Truncate, || file.truncate(len))
    }

    fn is_untouched(&self, len: u64) -> io::Result<bool> {
        self.file.is_untouched(len)
    }
}
