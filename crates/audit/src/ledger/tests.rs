//! The ledger on a disk that fails, stops and dies.

mod crash;

use std::{
    fs, io,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tempfile::TempDir;

use super::*;
use crate::{
    Report, What,
    disk::faulty::{Fault, FaultyDisk, Op},
    segment::Segment,
    testing::{append, assert_sound, block_on, event, lines, names, wait},
    verify,
};

struct Bench {
    dir: TempDir,
    disk: FaultyDisk,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            disk: FaultyDisk::default(),
            clock: Clock::manual(1_700_000_000_000),
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn options(&self) -> LedgerOptions {
        LedgerOptions {
            clock: self.clock.clone(),
            ..LedgerOptions::new(self.path())
        }
    }

    fn open(&self) -> Ledger {
        self.open_with(self.options())
    }

    fn open_with(&self, options: LedgerOptions) -> Ledger {
        Ledger::open_on(Box::new(self.disk.clone()), options).unwrap()
    }

    fn fails(&self, op: Op) {
        self.disk.next(op, Fault::Error(io::ErrorKind::StorageFull));
    }

    fn files(&self) -> usize {
        Segment::list(self.path()).unwrap().len()
    }
}

fn refused(result: Result<u64, Unavailable>) -> bool {
    matches!(result, Err(Unavailable::Disk { .. }))
}

#[test]
fn a_failed_write_refuses_the_record_and_the_next_one_heals_the_log() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    bench.fails(Op::Write);
    bench.clock.advance(Duration::from_millis(5));
    assert!(refused(append(&ledger, "b")));
    let Health::Failing { since_unix_ms, .. } = ledger.health() else {
        panic!("{:?}", ledger.health());
    };
    assert_eq!(since_unix_ms, bench.clock.unix_ms());

    assert_eq!(append(&ledger, "c").unwrap(), 4);
    assert!(ledger.health().is_ok());
    let counters = ledger.counters();
    assert_eq!((counters.commits_failed, counters.records_refused), (1, 1));
    ledger.close();
    assert_sound(bench.path());
    assert_eq!(
        names(bench.path()),
        ["log_opened", "a", "log_healed", "c", "log_closed"]
    );
    let healed = &lines(bench.path())[2];
    assert!(
        healed.contains("since 2023-11-14T22:13:20.005000Z 1 records were refused: no storage"),
        "{healed}"
    );
}

#[test]
fn what_a_short_write_left_is_cut_off_at_once() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    let before = lines(bench.path());
    bench.disk.next(Op::Write, Fault::Short(100));
    bench.fails(Op::Write);
    assert!(refused(append(&ledger, "b")));
    // The waiter is told before the file is read here, so the cut came first.
    assert_eq!(lines(bench.path()), before);
    assert_eq!(assert_sound(bench.path()).warning_count, 0);
}

#[test]
fn a_write_in_pieces_or_interrupted_is_finished() {
    let bench = Bench::new();
    let ledger = bench.open();
    bench.disk.next(Op::Write, Fault::Short(7));
    let interrupted = Fault::Error(io::ErrorKind::Interrupted);
    bench.disk.next(Op::Write, interrupted);
    bench.disk.next(Op::Write, Fault::Short(50));
    append(&ledger, "a").unwrap();
    assert_sound(bench.path());
    assert_eq!(names(bench.path()), ["log_opened", "a"]);
}

#[test]
fn after_a_failed_fdatasync_the_chain_goes_on_in_a_new_file() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    bench.fails(Op::Sync);
    assert!(refused(append(&ledger, "b")));
    assert_eq!(append(&ledger, "c").unwrap(), 4);
    ledger.close();
    assert_eq!(bench.files(), 2);
    assert_sound(bench.path());
    assert_eq!(
        names(bench.path()),
        ["log_opened", "a", "log_healed", "c", "log_closed"]
    );
}

#[test]
fn fdatasyncs_that_fail_in_a_row_leave_no_heap_of_files() {
    let bench = Bench::new();
    let ledger = bench.open();
    for _ in 0..5 {
        bench.fails(Op::Sync);
        assert!(refused(append(&ledger, "a")));
    }
    append(&ledger, "b").unwrap();
    ledger.close();
    assert_eq!(bench.files(), 2);
    assert_sound(bench.path());
    assert_eq!(
        names(bench.path()),
        ["log_opened", "log_healed", "b", "log_closed"]
    );
}

#[test]
fn as_long_as_the_file_cannot_be_cut_back_everything_is_refused() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    bench.disk.next(Op::Write, Fault::Short(100));
    bench.fails(Op::Write);
    // Once when the commit fails, then twice for the next record: before it and after it failed.
    for _ in 0..3 {
        bench.fails(Op::Truncate);
    }
    assert!(refused(append(&ledger, "b")));
    assert!(refused(append(&ledger, "c")));
    append(&ledger, "d").unwrap();
    ledger.close();
    assert_eq!(bench.files(), 1);
    assert_sound(bench.path());
    assert_eq!(
        names(bench.path()),
        ["log_opened", "a", "log_healed", "d", "log_closed"]
    );
}

#[test]
fn a_rotation_that_fails_refuses_and_is_tried_again() {
    for op in [Op::Create, Op::SyncDir] {
        let bench = Bench::new();
        let ledger = bench.open_with(LedgerOptions {
            rotate_bytes: 1,
            ..bench.options()
        });
        bench.fails(op);
        assert!(refused(append(&ledger, "a")), "{op:?}");
        append(&ledger, "b").unwrap();
        ledger.close();
        assert_sound(bench.path());
        assert_eq!(bench.files(), 3, "{op:?}");
        assert_eq!(
            names(bench.path()),
            ["log_opened", "log_healed", "b", "log_closed"]
        );
    }
}

#[test]
fn a_log_that_was_taken_away_is_noticed_and_goes_on_elsewhere() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    fs::remove_file(Segment::new(bench.path(), 1).path).unwrap();
    assert!(refused(append(&ledger, "b")));
    append(&ledger, "c").unwrap();
    ledger.close();
    let report = verify(bench.path()).unwrap();
    let what: Vec<_> = report.problems.iter().map(|p| &p.what).collect();
    assert_eq!(what, [&What::Missing { from: 1, to: 2 }]);
    assert_eq!(names(bench.path()), ["log_healed", "c", "log_closed"]);
}

#[test]
fn a_log_that_somebody_wrote_to_is_left_to_be_looked_into() {
    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    let first = Segment::new(bench.path(), 1).path;
    let forged = [fs::read(&first).unwrap(), b"forged\n".to_vec()].concat();
    fs::write(&first, &forged).unwrap();
    assert!(refused(append(&ledger, "b")));
    append(&ledger, "c").unwrap();
    assert_eq!(fs::read(&first).unwrap(), forged);
    assert!(!verify(bench.path()).unwrap().is_sound());
}

#[test]
fn records_of_one_commit_are_refused_together() {
    let bench = Bench::new();
    let ledger = bench.open();
    let barrier = Arc::new(Barrier::new(2));
    bench.disk.next(Op::Sync, Fault::Meet(Arc::clone(&barrier)));
    bench.fails(Op::Sync);
    let first = ledger.append(&event("a")).unwrap();
    barrier.wait();
    let rest = ["b", "c", "d"].map(|call| ledger.append(&event(call)).unwrap());
    barrier.wait();
    assert_eq!(wait(first).unwrap(), 2);
    for pending in rest {
        assert!(refused(wait(pending)));
    }
    assert_eq!(ledger.counters().commits_failed, 1);
}

#[test]
fn a_receipt_waits_for_the_fdatasync() {
    let bench = Bench::new();
    let ledger = bench.open();
    let barrier = Arc::new(Barrier::new(2));
    bench.disk.next(Op::Sync, Fault::Meet(Arc::clone(&barrier)));
    let mut pending = pin!(ledger.append(&event("a")).unwrap().durable());
    barrier.wait();
    // Written, not yet durable.
    assert_eq!(names(bench.path()), ["log_opened", "a"]);
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(pending.as_mut().poll(&mut context), Poll::Pending));
    barrier.wait();
    assert_eq!(block_on(pending).unwrap().seq(), 2);
}

#[test]
fn a_queue_that_is_full_refuses_until_the_disk_has_caught_up() {
    let bench = Bench::new();
    let ledger = bench.open_with(LedgerOptions {
        queue_bytes_max: 1000,
        ..bench.options()
    });
    let barrier = Arc::new(Barrier::new(2));
    bench.disk.next(Op::Sync, Fault::Meet(Arc::clone(&barrier)));
    let first = ledger.append(&event("a")).unwrap();
    barrier.wait();
    let mut taken = Vec::new();
    let full = loop {
        match ledger.append(&event("b")) {
            Ok(pending) => taken.push(pending),
            Err(unavailable) => break unavailable,
        }
    };
    assert!(
        matches!(full, Unavailable::QueueFull { waiting: 500.. }),
        "{full:?}"
    );
    barrier.wait();
    wait(first).unwrap();
    for pending in taken {
        wait(pending).unwrap();
    }
    append(&ledger, "c").unwrap();
    assert_eq!(ledger.counters().queue_bytes, 0);
    assert_eq!(ledger.counters().records_refused, 1);
}

#[test]
fn a_writer_that_dies_refuses_those_who_wait_and_those_who_come() {
    let bench = Bench::new();
    let ledger = bench.open();
    bench.disk.next(Op::Write, Fault::Panic);
    assert_eq!(append(&ledger, "a").unwrap_err(), Unavailable::WriterGone);
    // The queue ends a moment after the batch in hand was refused; until then it takes records,
    // which are refused too.
    assert_eq!(append(&ledger, "b").unwrap_err(), Unavailable::WriterGone);
    ledger.clone().close();
    assert_eq!(ledger.health(), Health::Ended);
}

#[test]
fn a_closed_log_has_written_everything_and_takes_nothing() {
    let bench = Bench::new();
    let ledger = bench.open();
    let other = ledger.clone();
    for _ in 0..100 {
        drop(ledger.append(&event("a")).unwrap());
    }
    ledger.close();
    assert_eq!(append(&other, "b").unwrap_err(), Unavailable::Closed);
    assert_eq!(other.health(), Health::Ended);
    assert_eq!(assert_sound(bench.path()).records, 102);
}

#[test]
fn refused_records_that_a_crash_brings_back_do_not_count() {
    // A twin with the same clock writes the record that is refused here.
    let twin = Bench::new();
    let ledger = twin.open();
    append(&ledger, "a").unwrap();
    append(&ledger, "b").unwrap();
    let refused_line = lines(twin.path()).pop().unwrap();

    let bench = Bench::new();
    let ledger = bench.open();
    append(&ledger, "a").unwrap();
    bench.fails(Op::Sync);
    assert!(refused(append(&ledger, "b")));
    append(&ledger, "c").unwrap();
    ledger.close();
    let first = Segment::new(bench.path(), 1).path;
    let brought_back = fs::read_to_string(&first).unwrap() + &refused_line + "\n{\"se";
    fs::write(&first, brought_back).unwrap();

    let warned = |report: &Report| report.warnings[0].what.clone();
    let report = assert_sound(bench.path());
    assert_eq!(warned(&report), What::Superseded { from: 3 });
    append(&bench.open(), "d").unwrap();
    assert_eq!(assert_sound(bench.path()).records, 8);
}

#[test]
fn records_that_a_killed_gateway_did_not_commit_are_durable_once_the_log_is_open_again() {
    let bench = Bench::new();
    let ledger = bench.open();
    // The write is its last act.
    bench.disk.die_after(1, 0);
    assert!(refused(append(&ledger, "a")));
    drop(ledger);
    bench.disk.revive();
    // What comes next goes to another file.
    let ledger = bench.open_with(LedgerOptions {
        rotate_bytes: 1,
        ..bench.options()
    });
    bench.disk.die_after(0, 0);
    drop(ledger);
    bench.disk.lose_power(0);
    assert_sound(bench.path());
    assert_eq!(names(bench.path()), ["log_opened", "a", "log_opened"]);
}
