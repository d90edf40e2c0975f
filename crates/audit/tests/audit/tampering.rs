use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cardea_audit::{Fault, Ledger, LedgerOptions, Report, What, verify};
use tempfile::TempDir;

use crate::{append, block_on, files};

/// A log of three files, each of three records: 1 and 9 open and close it, between them are the
/// intents `2` to `8`.
fn log() -> TempDir {
    let whole = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(whole.path())).unwrap();
    for call in 2..=8 {
        block_on(append(&ledger, &call.to_string())).unwrap();
    }
    ledger.close();
    let lines = read(&files(whole.path())[0]);
    let dir = tempfile::tempdir().unwrap();
    for (part, first) in lines.chunks(3).zip([1, 4, 7]) {
        let path = dir.path().join(format!("audit-{first:020}.jsonl"));
        fs::write(path, part.concat()).unwrap();
    }
    assert_eq!(findings(dir.path()), []);
    dir
}

/// Lines with their ends.
fn read(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines = read(path);
    change(&mut lines);
    fs::write(path, lines.concat()).unwrap();
}

/// File, line and what is wrong there.
fn findings(dir: &Path) -> Vec<(usize, Option<u64>, What)> {
    let report = verify(dir).unwrap();
    assert_eq!(report.is_sound(), report.problems.is_empty());
    let files = files(dir);
    let place = |file: &PathBuf| files.iter().position(|f| f == file).unwrap();
    report
        .problems
        .into_iter()
        .map(|finding| (place(&finding.file), finding.line, finding.what))
        .collect()
}

/// The places of the problems alone.
fn places(dir: &Path) -> Vec<(usize, Option<u64>)> {
    findings(dir).into_iter().map(|(f, l, _)| (f, l)).collect()
}

fn seq(expected: u64, found: u64) -> What {
    What::Fault(Fault::Seq { expected, found })
}

#[test]
fn an_untouched_log_is_sound_and_counted() {
    let dir = log();
    let report = verify(dir.path()).unwrap();
    let Report { files, records, .. } = report;
    assert_eq!((files, records, report.warning_count), (3, 9, 0));
    assert_eq!(report.first.unwrap().seq, 1);
    let last = report.last.unwrap();
    assert_eq!(last.seq, 9);
    let text = read(&crate::files(dir.path())[2]).pop().unwrap();
    assert!(text.contains(&last.time) && text.contains(&last.hash));
    assert_eq!(report.open_intents, 7);
}

#[test]
fn an_empty_folder_is_a_sound_log_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound());
    assert_eq!((report.files, report.records, report.first), (0, 0, None));
}

#[test]
fn any_changed_byte_is_found_in_its_line() {
    let dir = log();
    let path = &files(dir.path())[1];
    let good = fs::read(path).unwrap();
    // The last byte is a newline whose loss leaves a torn line, found by the next file's start.
    for at in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad[at] = if bad[at] == b'7' { b'8' } else { b'7' };
        fs::write(path, &bad).unwrap();
        let line = 1 + good[..at].iter().filter(|b| **b == b'\n').count() as u64;
        let found = places(dir.path());
        assert!(found.contains(&(1, Some(line))), "byte {at}: {found:?}");
    }
}

#[test]
fn a_changed_record_is_one_finding_that_says_both_hashes() {
    let dir = log();
    let path = &files(dir.path())[1];
    change(path, |lines| lines[1] = lines[1].replace("\"5\"", "\"x\""));
    let found = findings(dir.path());
    let [(1, Some(2), What::Fault(Fault::Hash { expected, found }))] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(expected != found && expected.len() == 64);
}

#[test]
fn a_changed_record_whose_hash_was_made_anew_is_found_by_the_next() {
    let dir = log();
    let path = &files(dir.path())[1];
    // A record that is whole in itself, from another log.
    let other = log();
    let forged = read(&files(other.path())[1]);
    change(path, |lines| lines[1].clone_from(&forged[1]));
    let prev = |line| (1, Some(line));
    assert_eq!(places(dir.path()), [prev(2), prev(3)]);
}

#[test]
fn a_removed_line_is_found() {
    let dir = log();
    change(&files(dir.path())[1], |lines| drop(lines.remove(1)));
    let found = findings(dir.path());
    assert_eq!(found[0], (1, Some(2), seq(5, 6)));
    assert!(matches!(
        found[1],
        (1, Some(2), What::Fault(Fault::Prev { .. }))
    ));
    assert_eq!(found.len(), 2);
}

#[test]
fn the_last_line_of_an_older_file_is_missed() {
    let dir = log();
    change(&files(dir.path())[1], |lines| drop(lines.pop()));
    let missing = What::Missing { from: 6, to: 6 };
    assert_eq!(findings(dir.path()), [(2, None, missing)]);
}

#[test]
fn swapped_lines_are_found() {
    let dir = log();
    change(&files(dir.path())[1], |lines| lines.swap(0, 1));
    let found = findings(dir.path());
    assert!(found.contains(&(1, Some(1), seq(4, 5))), "{found:?}");
    assert!(found.contains(&(1, Some(2), seq(6, 4))), "{found:?}");
}

#[test]
fn a_line_written_twice_is_found() {
    let dir = log();
    change(&files(dir.path())[1], |lines| {
        let copy = lines[1].clone();
        lines.insert(2, copy);
    });
    assert!(findings(dir.path()).contains(&(1, Some(3), seq(6, 5))));
}

#[test]
fn an_added_line_is_found() {
    for added in ["\n", "{}\n", "garbage\n", "[1,\"\",\"\",\"\",\"\",\"\"]\n"] {
        let dir = log();
        change(&files(dir.path())[1], |lines| {
            lines.insert(1, added.to_owned());
        });
        assert!(places(dir.path()).contains(&(1, Some(2))), "{added:?}");
    }
}

#[test]
fn lines_at_the_end_of_an_older_file_are_found() {
    let dir = log();
    let [_, second, third] = &files(dir.path())[..] else {
        panic!("three files");
    };
    let first_of_third = read(third)[0].clone();
    change(second, |lines| lines.push("{}\n".to_owned()));
    assert_eq!(places(dir.path()), [(1, Some(4))]);
    // A record that does follow, and that the next file has too, may be the disk's doing.
    change(second, |lines| lines[3] = first_of_third);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.warnings[0].what, What::Superseded { from: 7 });
    assert_eq!(report.records, 9);
}

#[test]
fn a_removed_file_is_found_by_the_one_after_it() {
    for (removed, from, to) in [(0, 1, 3), (1, 4, 6)] {
        let dir = log();
        fs::remove_file(&files(dir.path())[removed]).unwrap();
        let missing = What::Missing { from, to };
        assert_eq!(findings(dir.path()), [(removed, None, missing)]);
    }
}

#[test]
fn a_line_that_is_too_long_is_found_and_passed_over() {
    let dir = log();
    change(&files(dir.path())[2], |lines| {
        lines[1] = "x".repeat(9 << 20) + "\n";
    });
    let bytes = (9 << 20) + 1;
    let too_long = What::Fault(Fault::TooLong { bytes });
    assert_eq!(findings(dir.path()), [(2, Some(2), too_long)]);
}

#[test]
fn a_torn_end_is_a_warning() {
    let dir = log();
    change(&files(dir.path())[2], |lines| {
        lines.push("{\"se".to_owned())
    });
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound());
    let [warning] = &report.warnings[..] else {
        panic!("{:?}", report.warnings);
    };
    assert_eq!(
        (warning.line, &warning.what),
        (Some(4), &What::Torn { bytes: 4 })
    );
}

#[test]
fn an_outcome_closes_its_intent() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerOptions::new(dir.path())).unwrap();
    for (kind, call) in [
        (cardea_audit::Kind::Intent, "a"),
        (cardea_audit::Kind::Intent, "b"),
        (cardea_audit::Kind::Intent, "c"),
        (cardea_audit::Kind::Outcome, "b"),
        (cardea_audit::Kind::Denial, "c"),
        (cardea_audit::Kind::Outcome, "never opened"),
    ] {
        let entry = cardea_audit::Entry {
            kind,
            ..crate::intent(call)
        };
        drop(ledger.append(&entry).unwrap());
    }
    ledger.close();
    assert_eq!(verify(dir.path()).unwrap().open_intents, 1);
}

#[test]
fn a_finding_says_file_line_and_what_was_expected() {
    let dir = log();
    change(&files(dir.path())[1], |lines| drop(lines.remove(1)));
    let text = verify(dir.path()).unwrap().problems[0].to_string();
    assert!(
        text.ends_with("audit-00000000000000000004.jsonl line 2: expected seq 5, found 6"),
        "{text}"
    );
}

/// Runs the program from the crate's documentation; `None` where there is no Python.
fn python(dir: &Path) -> Option<(bool, String)> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify.py");
    let output = Command::new("python3")
        .arg(program)
        .arg(dir)
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

#[test]
fn twenty_lines_of_python_agree() {
    let dir = log();
    let last = verify(dir.path()).unwrap().last.unwrap();
    let Some((sound, text)) = python(dir.path()) else {
        return;
    };
    assert!(sound, "{text}");
    assert_eq!(
        text,
        format!("9 records, the last has hash {}\n", last.hash)
    );

    change(&files(dir.path())[1], |lines| {
        lines[1] = lines[1].replace("\"5\"", "\"x\"");
    });
    let (sound, text) = python(dir.path()).unwrap();
    assert!(!sound && text.contains("line 2: changed"), "{text}");
}
