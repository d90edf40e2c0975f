//! The log as the gateway holds it.

use std::{
    cell::Cell,
    fmt,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
};

use cardea_domain::Clock;
use parking_lot::Mutex;

use crate::{
    batch::Pending,
    disk::{DIR_MODE, Disk, FILE_MODE, RealDisk},
    entry::Entry,
    health::{Counters, Health, Meter},
    queue::{EndsWithWriter, Queue},
    record,
    recover::{Found, OpenError, io_error, recover},
    unavailable::Unavailable,
    writer::{Trust, Writer},
};

#[cfg(test)]
mod tests;

/// The longest arguments that can be kept in full; what reads the log relies on it.
const ARGUMENTS_BYTES_CEILING: usize = 1 << 20;
/// A writer calls nothing that is deep, and each tenant has one.
const WRITER_STACK_BYTES: usize = 256 << 10;
/// A thread keeps memory for its next record up to here.
const SCRATCH_BYTES_MAX: usize = 64 << 10;
/// The file that is locked while a gateway writes the log.
const LOCK_NAME: &str = "lock";

thread_local! {
    /// Memory for the record that is being written, used again for the next.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Where the log is and what bounds it.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// The log's folder, made when it is not there; one gateway each.
    pub dir: PathBuf,
    /// A file that is this long or longer is followed by a new one. 64 MiB: read in a second.
    pub rotate_bytes: u64,
    /// The most bytes of records that may wait for the disk. 8 MiB: a disk that has fallen so far
    /// behind does not catch up before callers give up.
    pub queue_bytes_max: usize,
    /// Longer arguments are recorded by length and digest only; at most 1 MiB.
    pub arguments_bytes_max: usize,
    /// Time.
    pub clock: Clock,
}

/// The audit log, open for writing. Clones share it; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

/// A log that may be closed already.
#[derive(Debug, Clone)]
pub struct WeakLedger(Weak<Inner>);

impl WeakLedger {
    /// The log, as long as somebody has it open.
    #[must_use]
    pub fn upgrade(&self) -> Option<Ledger> {
        self.0.upgrade().map(Ledger)
    }
}

struct Inner {
    queue: Arc<Queue>,
    meter: Arc<Meter>,
    arguments_bytes_max: usize,
    clock: Clock,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the log is open.
    lock: File,
}

impl LedgerOptions {
    /// The defaults, in this folder.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            rotate_bytes: 64 << 20,
            queue_bytes_max: 8 << 20,
            arguments_bytes_max: 4096,
            clock: Clock::system(),
        }
    }
}

impl Ledger {
    /// Opens the log, or begins one, and records that it was opened.
    ///
    /// # Errors
    /// [`OpenError`] when another process has it open, when its newest file is not what was
    /// written, or when it cannot be written.
    pub fn open(options: LedgerOptions) -> Result<Self, OpenError> {
        Self::open_on(Box::new(RealDisk), options)
    }

    pub(crate) fn open_on(disk: Box<dyn Disk>, options: LedgerOptions) -> Result<Self, OpenError> {
        let lock = lock(&options.dir)?;
        let found = recover(&options.dir, disk.as_ref())?;
        let detail = describe(&found);
        let meter = Arc::<Meter>::default();
        let mut writer = Writer {
            dir: options.dir.clone(),
            disk,
            rotate_bytes: options.rotate_bytes,
            clock: options.clock.clone(),
            meter: Arc::clone(&meter),
            segment: found.segment,
            file: found.file,
            len: found.len,
            tip: found.tip,
            trust: Trust::Sound,
            lines: Vec::new(),
        };
        writer
            .write_event("log_opened", Some(&detail))
            .map_err(|unavailable| OpenError::Unwritable {
                dir: options.dir.clone(),
                reason: unavailable.to_string(),
            })?;
        let queue = Arc::new(Queue::new(options.queue_bytes_max));
        let ends = EndsWithWriter(Arc::clone(&queue));
        let writer = thread::Builder::new()
            .name("audit".to_owned())
            .stack_size(WRITER_STACK_BYTES)
            .spawn(move || writer.run(&ends.0))
            .map_err(|source| io_error(&options.dir, source))?;
        Ok(Self(Arc::new(Inner {
            queue,
            meter,
            arguments_bytes_max: options.arguments_bytes_max.min(ARGUMENTS_BYTES_CEILING),
            clock: options.clock,
            writer: Mutex::new(Some(writer)),
            lock,
        })))
    }

    /// Hands a record to the writer; never waits for the disk.
    ///
    /// What is handed over is written whether anybody waits for it or not.
    ///
    /// # Errors
    /// [`Unavailable`] when too much waits for the disk already, or the log was closed. A disk
    /// that refuses shows in [`Pending::durable`].
    pub fn append(&self, entry: &Entry<'_>) -> Result<Pending, Unavailable> {
        let inner = &*self.0;
        let unix_us = inner.clock.unix_us();
        let mut body = SCRATCH.take();
        body.clear();
        record::push_body(&mut body, entry, unix_us, inner.arguments_bytes_max);
        let pushed = inner.queue.push(&body);
        if body.capacity() <= SCRATCH_BYTES_MAX {
            SCRATCH.set(body);
        }
        pushed.inspect_err(|_| inner.meter.refused(1))
    }

    /// A handle that does not keep the log open.
    #[must_use]
    pub fn downgrade(&self) -> WeakLedger {
        WeakLedger(Arc::downgrade(&self.0))
    }

    /// Whether records can be written.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.0.queue.has_ended() {
            return Health::Ended;
        }
        match self.0.meter.failing() {
            None => Health::Ok,
            Some(failing) => Health::Failing {
                since_unix_ms: failing.since_unix_ms,
                error: failing.error,
            },
        }
    }

    /// What happened since the log was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.meter.counters(self.0.queue.bytes())
    }

    /// Takes no more records, from other clones either, and returns once those it has are on
    /// disk. Blocks: for the end of a process.
    pub fn close(self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        self.queue.end(Unavailable::Closed);
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            // A waker may drop a task, and with it the last ledger, on the writer's own thread.
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the audit log's writer ended by a mistake of its own");
        }
        // Closing the file would not do: a child that is being forked has it as well until it becomes its program.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the audit log cannot be left to others yet");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

/// Makes the folder when it is not there, and takes the log for this process alone.
fn lock(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(|source| io_error(dir, source))?;
    let path = dir.join(LOCK_NAME);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path)
        .map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error(&path, source)),
    }
}

fn describe(found: &Found) -> String {
    let after = format!("after record {}", found.tip.seq);
    match &found.torn {
        None => after,
        Some(torn) => {
            let name = torn.kept_in.file_name().unwrap_or_default();
            format!(
                "{after}; {} bytes without an end were moved to `{}`",
                torn.bytes,
                name.display()
            )
        }
    }
}
