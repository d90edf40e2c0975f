use std::{
    collections::HashMap, fs, future::poll_fn, pin::pin, task::Poll, thread, time::Duration,
};

use cardea_audit::{COMMIT_BUCKETS_US, Ledger, LedgerOptions, verify};
use tempfile::TempDir;
use tokio::{runtime::Builder, task::JoinSet, time::timeout};

use crate::{append, block_on, calls, files, intent};

/// Long enough for any disk; a lost wake-up takes for ever.
const AT_LAST: Duration = Duration::from_secs(60);

fn open() -> (TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerOptions {
        rotate_bytes: 64 << 10,
        ..LedgerOptions::new(dir.path())
    })
    .unwrap();
    (dir, ledger)
}

/// Several tasks, each of which appends one record after the other.
async fn appenders(
    ledger: Ledger,
    prefix: String,
    tasks: usize,
    records: usize,
) -> HashMap<u64, String> {
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let (ledger, prefix) = (ledger.clone(), prefix.clone());
        set.spawn(async move {
            let mut done = Vec::new();
            for record in 0..records {
                let call = format!("{prefix}-{task}-{record}");
                done.push((append(&ledger, &call).await.unwrap(), call));
            }
            done
        });
    }
    let all = timeout(AT_LAST, set.join_all())
        .await
        .expect("a lost wake-up");
    let records = all.iter().map(Vec::len).sum::<usize>();
    let all: HashMap<_, _> = all.into_iter().flatten().collect();
    assert_eq!(all.len(), records, "two records have one number");
    all
}

#[test]
fn records_of_many_threads_and_tasks_have_numbers_of_their_own_without_gaps() {
    let (dir, ledger) = open();
    let mut threads = Vec::new();
    for worker in 0..2 {
        let ledger = ledger.clone();
        threads.push(thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(appenders(ledger, format!("single{worker}"), 64, 20))
        }));
    }
    let multi = ledger.clone();
    threads.push(thread::spawn(move || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(3)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(appenders(multi, "multi".to_owned(), 64, 20))
    }));
    for worker in 0..4 {
        let ledger = ledger.clone();
        threads.push(thread::spawn(move || {
            let call = |record| format!("bare{worker}-{record}");
            (0..20)
                .map(|record| {
                    (
                        block_on(append(&ledger, &call(record))).unwrap(),
                        call(record),
                    )
                })
                .collect()
        }));
    }
    let mut receipts = HashMap::new();
    for thread in threads {
        receipts.extend(thread.join().unwrap());
    }
    assert_eq!(receipts.len(), 3 * 64 * 20 + 4 * 20);
    let counters = ledger.counters();
    ledger.close();

    assert!(files(dir.path()).len() > 1, "no rotation");
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let calls = calls(dir.path());
    assert_eq!(calls.len(), receipts.len() + 2);
    for (seq, call) in &receipts {
        assert_eq!(&calls[usize::try_from(*seq).unwrap() - 1], call);
    }

    // All but the record of the closing.
    assert_eq!(counters.records, calls.len() as u64 - 1);
    assert!(counters.commits < counters.records, "nothing was grouped");
    assert_eq!(counters.commit_counts.iter().sum::<u64>(), counters.commits);
    assert_eq!(counters.commit_counts.len(), COMMIT_BUCKETS_US.len() + 1);
    assert_eq!((counters.records_refused, counters.queue_bytes), (0, 0));
}

#[test]
fn a_receipt_comes_when_the_record_is_in_the_file() {
    let (dir, ledger) = open();
    for call in ["a", "b", "c"] {
        let seq = block_on(append(&ledger, call)).unwrap();
        let calls = calls(dir.path());
        assert_eq!(
            calls.get(usize::try_from(seq).unwrap() - 1),
            Some(&call.to_owned())
        );
    }
}

#[test]
fn a_task_that_waits_for_its_record_and_something_else_holds_up_no_other() {
    let (_dir, ledger) = open();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut busy = Vec::new();
        let mut others = JoinSet::new();
        for _ in 0..50 {
            // Registered first, and then never polled again: it leads and does not know it.
            let mut pending = Box::pin(ledger.append(&intent("busy")).unwrap().durable());
            poll_fn(|cx| {
                let _ = pending.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
            busy.push(pending);
            let ledger = ledger.clone();
            others.spawn(async move { append(&ledger, "other").await.unwrap() });
            tokio::task::yield_now().await;
        }
        let done = timeout(AT_LAST, others.join_all()).await;
        assert_eq!(done.expect("a lost wake-up").len(), 50);
    });
}

#[test]
fn a_task_that_gives_up_waiting_holds_up_no_other_and_its_record_stays() {
    let (dir, ledger) = open();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut others = JoinSet::new();
        for _ in 0..50 {
            let mut pending = Box::pin(ledger.append(&intent("gone")).unwrap().durable());
            let early = poll_fn(|cx| Poll::Ready(pending.as_mut().poll(cx).is_ready())).await;
            let ledger = ledger.clone();
            others.spawn(async move { append(&ledger, "other").await.unwrap() });
            tokio::task::yield_now().await;
            if !early {
                drop(pending);
            }
        }
        let done = timeout(AT_LAST, others.join_all()).await;
        assert_eq!(done.expect("a lost wake-up").len(), 50);
    });
    ledger.close();
    let calls = calls(dir.path());
    assert_eq!(calls.iter().filter(|call| *call == "gone").count(), 50);
}

#[test]
fn a_future_that_moves_to_another_thread_is_woken_there() {
    let (_dir, ledger) = open();
    for _ in 0..100 {
        let mut pending = Box::pin(ledger.append(&intent("a")).unwrap().durable());
        let done = block_on(poll_fn(|cx| {
            Poll::Ready(pending.as_mut().poll(cx).is_ready())
        }));
        if !done {
            let receipt = thread::spawn(move || block_on(pending)).join().unwrap();
            assert!(receipt.is_ok());
        }
    }
}

#[test]
fn the_last_ledger_to_go_closes_the_log() {
    let (dir, ledger) = open();
    let clone = ledger.clone();
    let pending = ledger.append(&intent("a")).unwrap();
    drop(ledger);
    drop(clone);
    assert_eq!(block_on(pending.durable()).unwrap().seq(), 2);
    let last = fs::read_to_string(&files(dir.path())[0]).unwrap();
    assert!(last.lines().last().unwrap().contains("log_closed"));
    // And the lock is free again.
    let mut again = pin!(async { Ledger::open(LedgerOptions::new(dir.path())) });
    assert!(block_on(again.as_mut()).is_ok());
}
