//! The end of a log as it grows.

use std::{fs, io::Write};

use super::*;
use crate::{
    Entry, Kind, Ledger, LedgerOptions,
    testing::{append, event, wait},
};

fn ledger(dir: &Path, rotate_bytes: u64) -> Ledger {
    Ledger::open(LedgerOptions {
        rotate_bytes,
        ..LedgerOptions::new(dir)
    })
    .unwrap()
}

fn calls(tail: &mut Tail) -> Vec<String> {
    tail.map(|line| {
        let line = line.unwrap();
        View::parse(&line).unwrap().call.into_owned()
    })
    .collect()
}

fn no_events() -> Filter {
    Filter {
        kind: Some("intent".to_owned()),
        ..Filter::default()
    }
}

fn intent(ledger: &Ledger, call: &str) {
    let entry = Entry {
        kind: Kind::Intent,
        ..event(call)
    };
    wait(ledger.append(&entry).unwrap()).unwrap();
}

#[test]
fn the_last_lines_are_found_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path(), 1);
    for call in ["a", "b", "c", "d"] {
        intent(&ledger, call);
        append(&ledger, "between").unwrap();
    }
    let last = |n| calls(&mut tail(dir.path(), n, no_events()).unwrap());
    assert_eq!(last(0), Vec::<String>::new());
    assert_eq!(last(3), ["b", "c", "d"]);
    assert_eq!(last(9), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_added_comes_once_and_in_order_across_files() {
    for rotate_bytes in [1, 500, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let ledger = ledger(dir.path(), rotate_bytes);
        intent(&ledger, "a");
        let mut tail = tail(dir.path(), 1, no_events()).unwrap();
        assert_eq!(calls(&mut tail), ["a"]);
        for call in ["b", "c", "d"] {
            intent(&ledger, call);
        }
        assert_eq!(calls(&mut tail), ["b", "c", "d"]);
        intent(&ledger, "e");
        assert_eq!(calls(&mut tail), ["e"]);
        assert_eq!(calls(&mut tail), Vec::<String>::new());
    }
}

#[test]
fn what_is_added_to_a_file_just_before_the_next_one_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let line = |call: &str| format!("{{\"kind\":\"intent\",\"call\":\"{call}\"}}\n");
    let first = Segment::new(dir.path(), 1).path;
    fs::write(&first, line("a")).unwrap();
    let mut tail = tail(dir.path(), 1, no_events()).unwrap();
    assert_eq!(calls(&mut tail), ["a"]);
    // Its end has been seen, the next file not yet.
    fs::write(&first, line("a") + &line("b")).unwrap();
    fs::write(Segment::new(dir.path(), 3).path, line("c")).unwrap();
    tail.next_file().unwrap();
    assert_eq!(calls(&mut tail), ["b", "c"]);
}

#[test]
fn a_log_that_begins_later_is_followed_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut tail = tail(dir.path(), 10, no_events()).unwrap();
    assert_eq!(calls(&mut tail), Vec::<String>::new());
    intent(&ledger(dir.path(), 1), "a");
    assert_eq!(calls(&mut tail), ["a"]);
}

#[test]
fn a_line_is_shown_once_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = Segment::new(dir.path(), 1).path;
    fs::write(
        &path,
        "{\"kind\":\"intent\",\"call\":\"a\"}\n{\"kind\":\"int",
    )
    .unwrap();
    let mut tail = tail(dir.path(), 10, no_events()).unwrap();
    assert_eq!(calls(&mut tail), ["a"]);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"ent\",\"call\":\"b\"").unwrap();
    assert_eq!(calls(&mut tail), Vec::<String>::new());
    file.write_all(b"}\n").unwrap();
    assert_eq!(calls(&mut tail), ["b"]);
}

#[test]
fn after_lines_were_cut_off_it_goes_on_with_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = Segment::new(dir.path(), 1).path;
    let line = |call: &str| format!("{{\"kind\":\"intent\",\"call\":\"{call}\"}}\n");
    fs::write(&path, line("a") + &line("b")).unwrap();
    let mut tail = tail(dir.path(), 10, no_events()).unwrap();
    assert_eq!(calls(&mut tail), ["a", "b"]);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(line("a").len() as u64).unwrap();
    assert_eq!(calls(&mut tail), Vec::<String>::new());
    fs::write(&path, line("a") + &line("c")).unwrap();
    assert_eq!(calls(&mut tail), ["c"]);
}

#[test]
fn every_member_of_a_filter_must_match() {
    let line = r#"{"kind":"intent","tenant":"t","subject":"s","actor":"a","run":"r","call":"c",
        "upstream":"u","method":"m","target":{"kind":"Tool","name":"n"}}"#;
    type Member = fn(&mut Filter) -> &mut Option<String>;
    let members: [(&str, Member); 9] = [
        ("intent", |f| &mut f.kind),
        ("t", |f| &mut f.tenant),
        ("s", |f| &mut f.subject),
        ("a", |f| &mut f.actor),
        ("r", |f| &mut f.run),
        ("c", |f| &mut f.call),
        ("u", |f| &mut f.upstream),
        ("m", |f| &mut f.method),
        ("n", |f| &mut f.target),
    ];
    let mut all = Filter::default();
    for (value, member) in members {
        *member(&mut all) = Some(value.to_owned());
        assert!(all.wants(line), "{value}");
    }
    for (value, member) in members {
        let mut other = all.clone();
        *member(&mut other) = Some("other".to_owned());
        assert!(!other.wants(line), "{value}");
    }
    assert!(!Filter::default().wants("no record"));
}

#[tokio::test]
async fn following_waits_for_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path(), 1);
    let mut tail = tail(dir.path(), 0, no_events()).unwrap();
    {
        let mut next = std::pin::pin!(tail.follow());
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx)));
        assert!(waits.await.is_pending());
    }
    let appended = ledger
        .append(&Entry {
            kind: Kind::Intent,
            ..event("a")
        })
        .unwrap();
    assert_eq!(appended.durable().await.unwrap().seq(), 2);
    assert!(tail.follow().await.unwrap().contains("\"call\":\"a\""));
}
