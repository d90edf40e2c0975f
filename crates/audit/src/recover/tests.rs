//! What a log is opened after, and what it is not.

use std::fs;

use super::*;
use crate::{
    Ledger, LedgerOptions,
    testing::{append, assert_sound, lines, names},
};

/// A log of three files with the records `log_opened`, `a`, `b` and `log_closed`.
fn three_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(small_files(dir.path())).unwrap();
    append(&ledger, "a").unwrap();
    append(&ledger, "b").unwrap();
    ledger.close();
    assert_eq!(Segment::list(dir.path()).unwrap().len(), 4);
    dir
}

fn small_files(dir: &Path) -> LedgerOptions {
    LedgerOptions {
        rotate_bytes: 1,
        ..LedgerOptions::new(dir)
    }
}

fn newest(dir: &Path) -> Segment {
    Segment::list(dir).unwrap().pop().unwrap()
}

fn reopen(dir: &Path) -> Result<(), OpenError> {
    Ledger::open(LedgerOptions::new(dir)).map(Ledger::close)
}

#[test]
fn a_log_that_was_closed_is_continued() {
    let dir = three_files();
    reopen(dir.path()).unwrap();
    assert_sound(dir.path());
    let names = names(dir.path());
    let all = [
        "log_opened",
        "a",
        "b",
        "log_closed",
        "log_opened",
        "log_closed",
    ];
    assert_eq!(names, all);
    assert!(lines(dir.path())[4].contains("after record 4"));
}

#[test]
fn a_torn_line_is_moved_aside_and_the_record_of_the_opening_says_so() {
    let dir = three_files();
    let path = newest(dir.path()).path;
    let whole = fs::read(&path).unwrap();
    let torn = b"{\"seq\":5,\"prev\":\"00";
    fs::write(&path, [&whole[..], torn].concat()).unwrap();
    reopen(dir.path()).unwrap();
    assert_sound(dir.path());
    let kept = dir.path().join("torn-00000000000000000005-1");
    assert_eq!(fs::read(&kept).unwrap(), torn);
    let opened = &lines(dir.path())[4];
    let detail = "19 bytes without an end were moved to `torn-00000000000000000005-1`";
    assert!(opened.contains(detail), "{opened}");
}

#[test]
fn torn_ends_of_the_same_record_do_not_replace_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let first = Segment::new(dir.path(), 1);
    for (number, torn) in [(1, "one"), (2, "two")] {
        fs::write(&first.path, torn).unwrap();
        drop(recover(dir.path(), &crate::disk::RealDisk).unwrap());
        let kept = dir.path().join(format!("torn-{:020}-{number}", 1));
        assert_eq!(fs::read_to_string(kept).unwrap(), torn);
    }
}

#[test]
fn a_torn_line_is_kept_for_good_before_it_is_cut_off() {
    // The disk dies at each of recovery's operations in turn.
    for operations in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let first = Segment::new(dir.path(), 1);
        fs::write(&first.path, "torn").unwrap();
        let disk = crate::disk::faulty::FaultyDisk::default();
        disk.die_after(operations, 0);
        drop(recover(dir.path(), &disk));
        disk.lose_power(0);
        let kept = fs::read_dir(dir.path()).unwrap().any(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            text == "torn"
        });
        assert!(kept, "{operations}");
    }
}

#[test]
fn a_file_that_was_begun_and_not_written_to_is_used() {
    let dir = three_files();
    let path = Segment::new(dir.path(), 5).path;
    for end in ["", "{\"torn", "\0\0\0"] {
        fs::write(&path, end).unwrap();
        reopen(dir.path()).unwrap();
        assert_eq!(assert_sound(dir.path()).records, 6, "{end:?}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_changed_record_in_the_newest_file_refuses_with_its_place_and_the_next_step() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(dir.path())).unwrap();
    append(&ledger, "a").unwrap();
    ledger.close();
    let path = newest(dir.path()).path;
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"call\":\"a\"", "\"call\":\"b\"")).unwrap();
    let error = reopen(dir.path()).unwrap_err();
    assert!(
        matches!(&error, OpenError::Corrupt { file, line: 2, fault: Fault::Hash { .. } } if *file == path),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("line 2") && text.contains("cardea audit verify"),
        "{text}"
    );
}

#[test]
fn garbage_with_an_end_is_no_torn_line() {
    let dir = three_files();
    let path = newest(dir.path()).path;
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.clone() + "garbage\n").unwrap();
    let error = reopen(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Corrupt { line: 2, .. }),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text + "garbage\n");
}

#[test]
fn a_newest_file_that_does_not_follow_the_one_before_is_refused() {
    let dir = three_files();
    let before = Segment::new(dir.path(), 3).path;
    fs::write(&before, "").unwrap();
    let error = reopen(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Missing { seq: 3, .. }),
        "{error:?}"
    );
}

#[test]
fn older_files_may_be_archived_elsewhere() {
    let dir = three_files();
    for first in 1..=3 {
        fs::remove_file(Segment::new(dir.path(), first).path).unwrap();
    }
    reopen(dir.path()).unwrap();
    assert_eq!(lines(dir.path()).len(), 3);
    // But an empty file cannot be continued without the one before it.
    fs::write(newest(dir.path()).path, "").unwrap();
    let error = reopen(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Missing { seq: 3, .. }),
        "{error:?}"
    );
}

#[test]
fn folder_and_files_are_for_the_gateways_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("deep/log");
    reopen(&log).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&log), 0o700);
    assert_eq!(mode(&newest(&log).path), 0o600);
    assert_eq!(mode(&log.join("lock")), 0o600);
}

#[test]
fn an_error_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = reopen(&file).unwrap_err().to_string();
    assert!(error.contains(&*file.to_string_lossy()), "{error}");
}
