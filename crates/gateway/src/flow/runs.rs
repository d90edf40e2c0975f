//! The runs of one tenant: found by their names, bounded, and never washed clean.
//!
//! A run that a token names is remembered as long as the token is good and a day more, over restarts too. One that nothing ends
//! forgets what is older than a day, but only after a pause: work that goes on without one still rests on it. Indexes of
//! runs that pause are dropped when room is needed; from then on those runs are in doubt.

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

use super::{kept::Kept, name::RunName};

/// Runs that are remembered, most of them as a name only.
const RUNS_MAX: usize = 1 << 16;
/// Index entries of all runs of a tenant together: some 100 MB.
const ENTRIES_MAX: usize = 4 << 20;
/// A run that is silent this long has come to a pause; a silent token begins a new run after it (`cardea-identity`), too.
const PAUSE_MS: u64 = 30 * 60 * 1000;
const DAY_S: u64 = 24 * 3600;
/// How long what somebody has read may be with them, though their token has ended.
const REMEMBERED_S: u64 = DAY_S;
/// A run is written down for so much longer, and again once that is used up.
const MARGIN_S: u64 = DAY_S / 2;
/// No token is believed to be good for longer.
const TOKEN_S_MAX: u64 = 30 * DAY_S;
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
    /// Until when the token that names it is good; the time of the last call where nothing ends it.
    goes_on_until_s: u64,
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

    /// The time that runs go by.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    /// The state of a run. One that another process has begun, or that there is no room for, is lost.
    pub(crate) fn open(&self, name: RunName, now_ms: u64) -> Arc<Mutex<Run>> {
        let (run, idle_ms) = self.find(name, now_ms);
        if name.ages() && idle_ms >= PAUSE_MS {
            let mut open = run.lock();
            let before = open.entries();
            open.forget_before(now_ms.saturating_sub(REMEMBERED_S * 1000));
            self.account(&mut open, before);
        }
        run
    }

    /// The run, and for how long it was silent.
    fn find(&self, name: RunName, now_ms: u64) -> (Arc<Mutex<Run>>, u64) {
        let goes_on_until_s = goes_on_until_s(name, now_ms / 1000);
        let mut open = self.open.lock();
        self.sweep(&mut open, now_ms);
        if let Some(slot) = open.runs.get_mut(&name.key) {
            let idle_ms = now_ms.saturating_sub(slot.seen_ms);
            slot.seen_ms = now_ms;
            slot.goes_on_until_s = slot.goes_on_until_s.max(goes_on_until_s);
            return (Arc::clone(&slot.run), idle_ms);
        }
        let is_full = open.runs.len() >= RUNS_MAX;
        let kept_until_s = self.kept.until(name.key).filter(|at| *at > now_ms / 1000);
        let run = match kept_until_s {
            _ if is_full => Run::lost(now_ms),
            // What it has seen last, it saw before.
            Some(until_s) => Run::lost(until_s.saturating_sub(REMEMBERED_S) * 1000),
            None => Run::default(),
        };
        let run = Arc::new(Mutex::new(run));
        if !is_full {
            let slot = Slot {
                run: Arc::clone(&run),
                seen_ms: now_ms,
                goes_on_until_s,
            };
            open.runs.insert(name.key, slot);
        }
        (run, 0)
    }

    /// Notes that a run goes on while nobody watches: what it has seen is not known from here on.
    pub(crate) fn unwatched(&self, name: RunName, now_ms: u64) {
        let run = self.open(name, now_ms);
        let mut run = run.lock();
        let before = run.entries();
        run.turn(now_ms);
        run.forget();
        self.account(&mut run, before);
    }

    /// Keeps, also over a restart, that a run has seen untrusted content; returns once that is on disk.
    pub(crate) async fn keep(&self, name: RunName) -> io::Result<()> {
        let now_s = self.clock.unix_s();
        let remembered_s = goes_on_until_s(name, now_s) + REMEMBERED_S;
        let kept = self.kept.until(name.key);
        if kept.is_some_and(|until_s| until_s >= remembered_s) {
            return Ok(());
        }
        let kept = Arc::clone(&self.kept);
        let written = tokio::task::spawn_blocking(move || {
            kept.write(name.key, now_s, remembered_s + MARGIN_S)
        });
        written.await.map_err(io::Error::other)?
    }

    /// Counts what a run has learnt. Where there is no room, runs that pause forget theirs, and then this one.
    pub(crate) fn account(&self, run: &mut Run, before: usize) {
        let all = self.change(before, run.entries());
        if all > ENTRIES_MAX && self.make_room() > ENTRIES_MAX {
            let entries = run.entries();
            run.forget();
            self.change(entries, run.entries());
        }
    }

    /// Has runs that pause forget what they have seen, the longest silent first; gives what is left in all.
    fn make_room(&self) -> usize {
        let now_ms = self.clock.unix_ms();
        let open = self.open.lock();
        let mut idle: Vec<_> = (open.runs.values())
            .filter(|slot| now_ms.saturating_sub(slot.seen_ms) >= PAUSE_MS)
            .collect();
        idle.sort_by_key(|slot| slot.seen_ms);
        for slot in idle {
            if self.entries.load(Ordering::Relaxed) <= ENTRIES_MAX {
                break;
            }
            // Whoever has it locked is the one that needs room, or a call under way.
            if let Some(mut run) = slot.run.try_lock() {
                let entries = run.entries();
                run.forget();
                self.change(entries, run.entries());
            }
        }
        self.entries.load(Ordering::Relaxed)
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
            if idle_ms < PAUSE_MS {
                return true;
            }
            // A call that is under way holds on to it.
            let Some(run) = slot
                .run
                .try_lock()
                .filter(|_| Arc::strong_count(&slot.run) == 1)
            else {
                return true;
            };
            let remembered_s = slot.goes_on_until_s + REMEMBERED_S + MARGIN_S;
            let ends = run.is_blank() || now_ms / 1000 >= remembered_s;
            if ends {
                self.change(run.entries(), 0);
            }
            !ends
        });
    }
}

/// Until when something can go on with a run, as far as its name tells.
fn goes_on_until_s(name: RunName, now_s: u64) -> u64 {
    let ends_s = name.ends_s.unwrap_or(now_s);
    ends_s.clamp(now_s, now_s + TOKEN_S_MAX)
}

#[cfg(test)]
mod tests {
    use cardea_flow::{Call, Labels};
    use serde_json::json;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    const HOUR_MS: u64 = 3600 * 1000;

    /// One that a token names that is good for an hour.
    fn name(run: &str) -> RunName {
        RunName {
            key: RunKey::of(["ada", "bot", "token", run]),
            ends_s: Some(NOW_MS / 1000 + 3600),
        }
    }

    /// One that nothing ends.
    fn agent() -> RunName {
        RunName {
            key: RunKey::of(["ada", "bot", "agent", ""]),
            ends_s: None,
        }
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
        read(&runs, &runs.open(name("r1"), NOW_MS));
        assert!(runs.open(name("r1"), NOW_MS + 1).lock().is_tainted());
        assert!(!runs.open(name("r2"), NOW_MS + 1).lock().is_tainted());
        assert_ne!(
            RunKey::of(["a", "bc", "d", "e"]),
            RunKey::of(["ab", "c", "d", "e"])
        );
    }

    #[tokio::test]
    async fn a_silent_run_is_what_it_was_until_its_token_has_long_ended() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        read(&runs, &runs.open(name("r1"), NOW_MS));
        for (hours, is_tainted) in [(1, true), (24, true), (36, true), (38, false)] {
            let later = NOW_MS + hours * HOUR_MS;
            runs.open(name("r2"), later);
            let known = runs.open.lock().runs.contains_key(&name("r1").key);
            assert_eq!(known, is_tainted, "after {hours} h");
        }
        assert_eq!(
            runs.entries.load(Ordering::Relaxed),
            0,
            "its memory is given back"
        );
        assert!(!is_doubtful(&runs.open(name("r1"), NOW_MS + 38 * HOUR_MS)));
    }

    #[tokio::test]
    async fn a_run_without_an_end_forgets_what_is_old_after_a_pause_only() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        let tainted = |now_ms| runs.open(agent(), now_ms).lock().is_tainted();
        let run = runs.open(agent(), NOW_MS);
        run.lock().turn(NOW_MS);
        read(&runs, &run);
        drop(run);
        // Work goes on, call after call, and rests on what was read two days ago.
        for quarter in 0..200 {
            let now_ms = NOW_MS + quarter * HOUR_MS / 4;
            assert!(tainted(now_ms));
            runs.open(agent(), now_ms).lock().turn(now_ms);
        }
        assert!(
            !tainted(NOW_MS + 51 * HOUR_MS),
            "a pause of more than an hour"
        );
        assert_eq!(runs.entries.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn runs_that_pause_make_room_for_those_that_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let runs = Runs::open_file(&folder.path().join("acme.runs"), clock.clone()).unwrap();
        let (silent, busy) = (runs.open(name("r1"), NOW_MS), runs.open(name("r2"), NOW_MS));
        read(&runs, &silent);
        drop(silent);
        let entries = runs.entries.load(Ordering::Relaxed);
        runs.entries
            .fetch_add(ENTRIES_MAX - entries, Ordering::Relaxed);
        clock.advance(std::time::Duration::from_millis(PAUSE_MS));
        runs.open(name("r2"), NOW_MS + PAUSE_MS);
        read(&runs, &busy);
        assert!(!is_doubtful(&busy));
        assert!(is_doubtful(&runs.open(name("r1"), NOW_MS + PAUSE_MS)));
    }

    #[tokio::test]
    async fn a_restart_does_not_wash_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let before = runs(folder.path());
        before.keep(name("r1")).await.unwrap();
        drop(before);
        let after = runs(folder.path());
        assert!(is_doubtful(&after.open(name("r1"), NOW_MS)));
        assert!(!is_doubtful(&after.open(name("r2"), NOW_MS)));
    }

    #[tokio::test]
    async fn what_nobody_watched_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        runs.unwatched(name("r1"), NOW_MS);
        assert!(is_doubtful(&runs.open(name("r1"), NOW_MS)));
    }

    #[tokio::test]
    async fn runs_beyond_the_bound_are_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let runs = runs(folder.path());
        for n in 0..RUNS_MAX {
            runs.open(name(&n.to_string()), NOW_MS);
        }
        assert!(is_doubtful(&runs.open(name("one more"), NOW_MS)));
        assert!(!is_doubtful(&runs.open(name("1"), NOW_MS)));
    }
}
