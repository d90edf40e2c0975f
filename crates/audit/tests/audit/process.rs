//! Tests with a process to kill: this binary again, asked for one of the `child` tests.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use cardea_audit::{Health, Ledger, LedgerOptions, OpenError, Unavailable, verify};

use crate::{append, block_on, calls};

/// Names the folder of a child's log.
const DIR: &str = "CARDEA_AUDIT_TEST_DIR";
/// What a child says before each thing that it tells its parent.
const MARK: &str = "child says ";

struct Running {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a child, by a shell with this before it.
    fn start(test: &str, dir: &Path, shell: &str) -> Self {
        let script = format!("{shell} exec \"$0\" \"$@\"");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Self { child, says }
    }

    /// What it says next; `None` when it is gone.
    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.says.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.split_once(MARK) {
                return said.strip_suffix('\n').map(str::to_owned);
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{what}").unwrap();
    out.flush().unwrap();
}

fn child_dir() -> Option<PathBuf> {
    env::var_os(DIR).map(PathBuf::from)
}

#[test]
#[ignore = "started by another test"]
fn child_that_appends_for_ever() {
    let Some(dir) = child_dir() else { return };
    let ledger = Ledger::open(LedgerOptions {
        rotate_bytes: 16 << 10,
        ..LedgerOptions::new(dir)
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..16 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for record in 0_u64.. {
                    let call = format!("{task}-{record}");
                    let seq = append(&ledger, &call).await.unwrap();
                    say(format!("{seq} {call}"));
                }
            });
        }
        tasks.join_all().await;
    });
}

#[test]
fn whatever_was_acknowledged_before_a_kill_is_there_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let mut child = Running::start("process::child_that_appends_for_ever", dir.path(), "");
        for _ in 0..(100 + 37 * round) {
            acknowledged.push(child.next().expect("the child lives until it is killed"));
        }
        child.kill();
        while let Some(said) = child.next() {
            acknowledged.push(said);
        }
    }
    Ledger::open(LedgerOptions::new(dir.path()))
        .unwrap()
        .close();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let calls = calls(dir.path());
    for said in acknowledged {
        let (seq, call) = said.split_once(' ').unwrap();
        assert_eq!(calls[seq.parse::<usize>().unwrap() - 1], call);
    }
}

#[test]
fn a_second_gateway_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Running::start("process::child_that_appends_for_ever", dir.path(), "");
    child.next().expect("it writes");
    let error = Ledger::open(LedgerOptions::new(dir.path())).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { dir: locked } if locked == dir.path()));
    child.kill();
    let ledger = Ledger::open(LedgerOptions::new(dir.path())).unwrap();
    assert!(matches!(
        Ledger::open(LedgerOptions::new(dir.path())),
        Err(OpenError::Locked { .. })
    ));
    drop(ledger);
}

#[test]
#[ignore = "started by another test"]
fn child_that_fills_its_file() {
    let Some(dir) = child_dir() else { return };
    let ledger = Ledger::open(LedgerOptions::new(&dir)).unwrap();
    let long = "x".repeat(200);
    let mut good = 0;
    while let Ok(seq) = block_on(append(&ledger, &long)) {
        good = seq;
    }
    // The limit stands, so the next one is refused as well, and a shorter one is not.
    assert!(matches!(
        block_on(append(&ledger, &long)),
        Err(Unavailable::Disk { .. })
    ));
    assert!(matches!(ledger.health(), Health::Failing { .. }));
    say(good);
}

#[test]
fn a_disk_that_takes_no_more_refuses_and_what_it_took_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    // 8 blocks of 512 or 1024 bytes; a write beyond is an error instead of a signal's death.
    let limit = "trap '' XFSZ; ulimit -f 8;";
    let mut child = Running::start("process::child_that_fills_its_file", dir.path(), limit);
    let good: u64 = child.next().expect("it was refused").parse().unwrap();
    assert!(child.child.wait().unwrap().success());
    assert!(good > 2);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    assert_eq!((report.records, report.warning_count), (good, 0));
    assert!(fs::metadata(&crate::files(dir.path())[0]).unwrap().len() <= 8 * 1024);
}
