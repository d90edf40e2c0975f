//! The one who writes: takes all there is, one write, one fdatasync, and says how it went.
//!
//! The state (`len`, `tip`) always describes what is durable. A commit that fails leaves it as it
//! was, and what may be in the file beyond it is cut off before anything is written again:
//! - after a failed or short write, the file is cut back and used again;
//! - after a failed fdatasync, the file is cut back and left: the kernel may have dropped pages
//!   that it will report as clean from now on. The chain goes on in a new file;
//! - when somebody else changed or removed the file, it is left as it is, for whoever looks into
//!   it, and the chain goes on in a new file.

use std::{
    fs, io, mem,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use cardea_domain::Clock;

use crate::{
    batch::Settled,
    chain::Tip,
    disk::{Disk, LogFile, write_all},
    entry::Entry,
    health::{Failing, Meter},
    json::len_u64,
    queue::{Load, Queue},
    record,
    segment::Segment,
    unavailable::Unavailable,
};

/// Where the log stands, and what it is written with.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) rotate_bytes: u64,
    pub(crate) clock: Clock,
    pub(crate) meter: Arc<Meter>,
    pub(crate) segment: Segment,
    pub(crate) file: Box<dyn LogFile>,
    /// The durable length of the file.
    pub(crate) len: u64,
    /// The last durable record.
    pub(crate) tip: Tip,
    pub(crate) trust: Trust,
    /// The lines of one commit.
    pub(crate) lines: Vec<u8>,
}

/// What is to be done with the file before it may be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing.
    Sound,
    /// Cut it back: a write failed.
    Unclean,
    /// Cut it back and leave it: an fdatasync failed.
    Suspect,
    /// Leave it: somebody else changed it.
    Foreign,
}

impl Writer {
    /// Writes until the queue has ended.
    pub(crate) fn run(mut self, queue: &Queue) {
        let mut spare = Load::default();
        let mut before = None;
        while let Some(taken) = queue.take(mem::take(&mut spare), &mut before) {
            let settled = self.write(taken.load());
            let (load, batch) = taken.settle(settled);
            spare = load;
            if let Some(batch) = before.replace(batch) {
                batch.sweep();
            }
        }
        if let Some(batch) = before {
            batch.sweep();
        }
        if let Err(error) = self.write_event("log_closed", None) {
            tracing::error!(%error, "the end of the audit log could not be recorded");
        }
    }

    /// Writes a record of the log's own.
    pub(crate) fn write_event(&mut self, event: &str, detail: Option<&str>) -> Settled {
        let mut load = Load::default();
        load.push(&self.event(event, detail));
        self.write(&load)
    }

    /// Makes the records durable, or none of them.
    fn write(&mut self, load: &Load) -> Settled {
        let started = Instant::now();
        let failing = self.meter.failing();
        let healed = failing.as_ref().map(|f| self.healed_event(f));
        match self.commit(healed.as_deref(), load) {
            Ok(first) => {
                let records = self.tip.seq.saturating_sub(first).saturating_add(1);
                self.succeeded(records, started.elapsed(), failing.is_some());
                Ok(first)
            }
            Err(error) => Err(self.failed(load.len(), &error)),
        }
    }

    /// Seals and writes the records; tells the seq of the load's first.
    fn commit(&mut self, own: Option<&[u8]>, load: &Load) -> io::Result<u64> {
        self.mend()?;
        self.check_file()?;
        if self.len > 0 && self.len >= self.rotate_bytes {
            self.start_file()?;
        }
        let mut tip = self.tip;
        self.lines.clear();
        if let Some(own) = own {
            tip.seal(own, &mut self.lines);
        }
        let first = tip.seq.saturating_add(1);
        for body in load.bodies() {
            tip.seal(body, &mut self.lines);
        }
        self.put()?;
        self.len += len_u64(self.lines.len());
        self.tip = tip;
        Ok(first)
    }

    fn put(&mut self) -> io::Result<()> {
        write_all(self.file.as_mut(), &self.lines).inspect_err(|_| self.trust = Trust::Unclean)?;
        self.file
            .sync()
            .inspect_err(|_| self.trust = Trust::Suspect)
    }

    /// Sees to it that the file is what was left, so that nothing is written to where nobody
    /// will find it.
    fn check_file(&mut self) -> io::Result<()> {
        if self.file.is_untouched(self.len)? {
            return Ok(());
        }
        self.trust = Trust::Foreign;
        let path = self.segment.path.display();
        Err(io::Error::other(format!(
            "`{path}` was changed, moved or removed by somebody else"
        )))
    }

    /// Brings the file back to what is durable.
    fn mend(&mut self) -> io::Result<()> {
        match self.trust {
            Trust::Sound => {}
            Trust::Unclean => self.file.truncate(self.len)?,
            Trust::Suspect => {
                self.file.truncate(self.len)?;
                self.start_file()?;
            }
            Trust::Foreign => self.start_file()?,
        }
        self.trust = Trust::Sound;
        Ok(())
    }

    /// Lets the chain go on in a new file.
    fn start_file(&mut self) -> io::Result<()> {
        let segment = Segment::new(&self.dir, self.tip.seq.saturating_add(1));
        self.file = create_segment(self.disk.as_ref(), &self.dir, &segment)?;
        self.segment = segment;
        self.len = 0;
        Ok(())
    }

    fn succeeded(&mut self, records: u64, took: Duration, healed: bool) {
        self.meter
            .committed(records, len_u64(self.lines.len()), took);
        if healed {
            self.meter.healed();
            tracing::info!("the audit log can be written again");
        }
    }

    fn failed(&mut self, records: u64, error: &io::Error) -> Unavailable {
        let reason: Arc<str> = error.to_string().into();
        if self.meter.failed(records, &reason, self.clock.unix_ms()) {
            tracing::error!(error = %reason, "the audit log cannot be written: calls are refused");
        }
        // The refused records are not to stay in the file. When this fails, the next commit
        // tries again before it writes.
        if let Err(error) = self.mend() {
            tracing::debug!(%error, "the audit log is not mended yet");
        }
        Unavailable::Disk { reason }
    }

    fn healed_event(&self, failing: &Failing) -> Vec<u8> {
        let mut detail = String::from("since ");
        let mut since = Vec::new();
        crate::json::push_time(&mut since, failing.since_unix_ms.saturating_mul(1000));
        detail.push_str(&String::from_utf8_lossy(&since));
        detail.push_str(&format!(
            " {} records were refused: {}",
            failing.records_refused, failing.error
        ));
        self.event("log_healed", Some(&detail))
    }

    fn event(&self, event: &str, detail: Option<&str>) -> Vec<u8> {
        let entry = Entry {
            event: Some(event),
            detail,
            ..Entry::default()
        };
        let mut body = Vec::new();
        let unix_us = self.clock.unix_us();
        record::push_body(&mut body, &entry, unix_us, 0);
        body
    }
}

/// Makes a new file of the log, and its name durable.
///
/// A file of that name that is there already holds no durable record, since the records before
/// it are the last; it may be emptied by nobody but its writer, so only an empty one is replaced.
pub(crate) fn create_segment(
    disk: &dyn Disk,
    dir: &std::path::Path,
    segment: &Segment,
) -> io::Result<Box<dyn LogFile>> {
    let path = &segment.path;
    let file = match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.len() > 0 {
                return Err(io::Error::new(
                    error.kind(),
                    format!("`{}` is in the way", path.display()),
                ));
            }
            disk.remove(path)?;
            disk.create(path)?
        }
        other => other?,
    };
    if let Err(error) = disk.sync_dir(dir) {
        // Tried again with the next commit; an empty file in the way is replaced.
        let _ = disk.remove(path);
        return Err(error);
    }
    Ok(file)
}
