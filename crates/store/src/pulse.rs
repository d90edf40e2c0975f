//! Whether the store is there: when something was last written to it, durably, and to the file that has its name.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Store, StoreError};

/// Of one opened file.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Device and number of the file that was opened.
    file: (u64, u64),
    opened: Instant,
    /// When what was written last was begun, in milliseconds since then.
    written_ms: AtomicU64,
}

impl Pulse {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            path: path.to_owned(),
            file: identity(path)?,
            opened: Instant::now(),
            written_ms: AtomicU64::new(0),
        })))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Begins to write, if the file is still there.
    pub(crate) fn begin(&self) -> Result<Began, StoreError> {
        if !identity(&self.0.path).is_ok_and(|file| file == self.0.file) {
            return Err(StoreError::Gone {
                path: self.0.path.display().to_string(),
            });
        }
        Ok(Began {
            pulse: self.clone(),
            at_ms: self.now_ms(),
        })
    }
}

/// Something that is being written.
#[derive(Debug)]
pub(crate) struct Began {
    pulse: Pulse,
    at_ms: u64,
}

impl Began {
    /// It is written: the store was there when that began.
    pub(crate) fn written(&self) {
        let written_ms = &self.pulse.0.written_ms;
        written_ms.fetch_max(self.at_ms, Ordering::AcqRel);
    }
}

impl Store {
    /// Writes something that says nothing, to see whether it can be; only now it is known that the store is there.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written, or would not be found again.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let began = self.pulse.begin()?;
        sqlx::query("UPDATE pulse SET beats = beats + 1")
            .execute(&self.pool)
            .await?;
        began.written();
        Ok(())
    }

    /// For how long it has not been known that the store is there.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let written_ms = self.pulse.0.written_ms.load(Ordering::Acquire);
        Duration::from_millis(self.pulse.now_ms().saturating_sub(written_ms))
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
