//! The runs of one tenant: found by their names, bounded, and never washed clean.
//!
//! A run that has seen untrusted content is remembered as that for a day after its last call, over restarts too. Its index is dropped
//! after half an hour, or when there is no room; from then on it is in doubt.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::digest;
use cardea_domain::Clock;
use cardea_flow::Run;
use parking_lot::Mutex;

use super::kept::Kept;

/// Runs that are remembered, most of them as a name only.
const RUNS_MAX: usize = 1 << 16;
/// Index entries of all runs of a tenant together: some 100 MB.
const ENTRIES_MAX: usize = 4 << 20;
/// The gap after which a silent token begins a new run (`cardea-identity`), too.
const INDEX_IDLE_MS: u64 = 30 * 60 * 1000;
/// A token lives no longer.
const RUN_IDLE_MS: u64 = 24 * 3600 * 1000;
const SWEEP_EVERY_MS: u64 = 60 * 1000;

/// A run's name within its tenant, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RunKey(pub(super) [u8; 16]);

impl RunKey {
    /// The name that these parts make.
    pub(crate) fn of(parts: [&str; 4]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 16];
        for (byte, of) in key.iter_mut().zip(context.finish().as_ref()) {
            *byte = *of;
        }
        Self(key)
    }
}

/// The runs of one tenant.
#[derive(Debug)]
pub struct Runs {
    clock: Clock,
    open: Mutex<Open>,
    entries: AtomicUsize,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Open {
    runs: HashMap<RunKey, Slot>,
    swept_ms: u64,
}

#[derive(Debug)]
struct Slot {
    run: Arc<Mutex<Run>>,
    seen_ms: u64,
}

impl Runs {
    /// Opens what is kept in a file; makes it where there is none.
    ///
    /// # Errors
    /// When the file can be neither read nor written.
    pub fn open_file(file: &Path, clock: Clock) -> io::Result<Self> {
        let kept = Kept::open(file, clock.unix_s())?;
        Ok(Self {
            clock,
            open: Mutex::default(),
            entries: AtomicUsize::new(0),
            kept: Arc::new(kept),
        })
    }

    /// The state of a run. One that another process has begun, or that there is no room for, is lost.
    pub(crate) fn open(&self, key: RunKey, now_ms: u64) -> Arc<Mutex<Run>> {
        let mut open = self.open.lock();
        self.sweep(&mut open, now_ms);
        if let Some(slot) = open.runs.get_mut(&key) {
            slot.seen_ms = now_ms;
            return Arc::clone(&slot.run);
        }
        let is_full = open.runs.len() >= RUNS_MAX;
        let run = match is_full || self.kept.has(key) {
            true => Run::lost(),
            false => Run::default(),
        };
        let run = Arc::new(Mutex::new(run));
        if !is_full {
            let slot = Slot {
                run: Arc::clone(&run),
                seen_ms: now_ms,
            };
            open.runs.insert(key, slot);
        }
        run
    }

    /// Notes that a run goes on while nobody watches: what it has seen is not known from here on.
    pub(crate) fn unwatched(&self, key: RunKey, now_ms: u64) {
        let run = self.open(key, now_ms);
        let mut run = run.lock();
        let before = run.entries();
        run.forget();
        self.account(&mut run, before);
    }

    /// Keeps, also over a restart, that a run has seen untrusted content; returns once that is on disk.
    pub(crate) async fn keep(&self, key: RunKey) -> io::Result<()> {
        let now_s = self.clock.unix_s();
        if self.kept.is_fresh(key, now_s) {
            return Ok(());
        }
        let kept = Arc::clone(&self.kept);
        let written = tokio::task::spawn_blocking(move || kept.write(key, now_s));
        written.await.map_err(io::Error::other)?
    }

    /// Counts what a run has learnt; one that there is no room for forgets it all.
    pub(crate) fn account(&self, run: &mut Run, before: usize) {
        let all = self.change(before, run.entries());
        if all > ENTRIES_MAX {
            let entries = run.entries();
            run.forget();
            self.change(entries, run.entries());
        }
    }

    /// The count of all entries, once one run's has changed.
    fn change(&self, before: usize, now: usize) -> usize {
        let added = now.saturating_sub(before);
        let gone = before.saturating_sub(now);
        let all = self.entries.fetch_add(added, Ordering::Relaxed) + added;
        match gone {
            0 => all,
            _ => self.entries.fetch_sub(gone, Ordering::Relaxed) - gone,
        }
    }

    fn sweep(&self, open: &mut Open, now_ms: u64) {
        if now_ms.saturating_sub(open.swept_ms) < SWEEP_EVERY_MS {
            return;
        }
        open.swept_ms = now_ms;
        open.runs.retain(|_, slot| {
            let idle_ms = now_ms.saturating_sub(slot.seen_ms);
            if idle_ms < INDEX_IDLE_MS {
                return true;
            }
            // A call that is under way holds on to it.
            let Some(mut run) = slot
                .run
                .try_lock()
                .filter(|_| Arc::strong_count(&slot.run) == 1)
            else {
                return true;
            };
            let entries = run.entries();
            if run.is_tainted() && entries > 0 {
                run.forget();
                self.change(entries, run.entries());
            }
            let ends = idle_ms >= RUN_IDLE_MS || !run.is_tainted();
            if ends {
                self.change(run.entries(), 0);
            }
            !ends
        });
    }
}

#[cfg(test)]
mod tests {
    use cardea_flow::{Call, Labels};
    use serde_json::json;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn key(run: &str) -> RunKey {
        RunKey::of(["ada", "bot", "token", run])
    }

    fn runs(folder: &Path) -> Runs {
        Runs::open_file(&folder.join("acme.runs"), Clock::manual(NOW_MS)).unwrap()
    }

    fn read(runs: &Runs, run: &Mutex<Run>) {
        let labels = Labels {
            untrusted: true,
            ..Labels::NONE
        };
        let call = Call {
            tool: "read",
            labels,
            arguments: "{}",
        };
        let mut run = run.lock();
        let before = run.entries();
        run.learn(
            &call,
            None,
            &json!({"content": [{"type": "text", "text": "some words"}]}),
        );
        runs.account(&mut run, before);
    }

    fn is_doubtful(run: &Mutex<Run>) -> bool {
        let call = Call {
            tool: "send",
            labels: Labels::WORST,
            arguments: "{}",
        };
        run.lock().facts(&call, None).doubtful
    }

    #[tokio::test]
    async fn a_run_is_found_again_and_stays_apart_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        read(&runs, &runs.open(key("r1"), NOW_MS));
        assert!(runs.open(key("r1"), NOW_MS + 1).lock().is_tainted());
        assert!(!runs.open(key("r2"), NOW_MS + 1).lock().is_tainted());
        assert_ne!(
            RunKey::of(["a", "bc", "d", "e"]),
            RunKey::of(["ab", "c", "d", "e"])
        );
    }

    #[tokio::test]
    async fn a_silent_run_is_in_doubt_and_not_clean() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        read(&runs, &runs.open(key("r1"), NOW_MS));
        let later = NOW_MS + INDEX_IDLE_MS + SWEEP_EVERY_MS;
        runs.open(key("r2"), later);
        assert_eq!(
            runs.entries.load(Ordering::Relaxed),
            0,
            "its memory is given back"
        );
        let run = runs.open(key("r1"), later);
        assert!(run.lock().is_tainted() && is_doubtful(&run));
    }

    #[tokio::test]
    async fn a_restart_does_not_wash_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let before = runs(folder.path());
        before.keep(key("r1")).await.unwrap();
        drop(before);
        let after = runs(folder.path());
        assert!(is_doubtful(&after.open(key("r1"), NOW_MS)));
        assert!(!is_doubtful(&after.open(key("r2"), NOW_MS)));
    }

    #[tokio::test]
    async fn what_nobody_watched_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        runs.unwatched(key("r1"), NOW_MS);
        assert!(is_doubtful(&runs.open(key("r1"), NOW_MS)));
    }

    #[tokio::test]
    async fn runs_beyond_the_bound_are_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        for n in 0..RUNS_MAX {
            runs.open(key(&n.to_string()), NOW_MS);
        }
        assert!(is_doubtful(&runs.open(key("one more"), NOW_MS)));
        assert!(!is_doubtful(&runs.open(key("1"), NOW_MS)));
    }
}
