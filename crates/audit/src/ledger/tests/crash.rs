//! Any order of records, failures, crashes and new beginnings.

use proptest::prelude::*;

use super::{Bench, Ledger, LedgerOptions};
use crate::{
    disk::faulty::Op,
    testing::{event, names, wait},
    verify,
};

#[derive(Debug, Clone)]
enum Step {
    /// So many records, together.
    Append(u8),
    /// The disk dies after so many operations, in the middle of one perhaps.
    DieAfter(u64, usize),
    /// So much of what was not durable survives, and the log is opened again.
    LosePower(u64),
    Reopen,
    Fail(Op),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u8..6).prop_map(Step::Append),
        2 => (0_u64..12, 0_usize..1000).prop_map(|(n, part)| Step::DieAfter(n, part)),
        2 => (0_u64..=1000).prop_map(Step::LosePower),
        1 => Just(Step::Reopen),
        1 => prop::sample::select(&[Op::Write, Op::Sync, Op::Truncate, Op::Create, Op::SyncDir])
            .prop_map(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_acknowledged_survives_every_crash(
        steps in prop::collection::vec(step(), 1..30),
        rotate_bytes in 1_u64..3000,
    ) {
        let bench = Bench::new();
        let options = LedgerOptions { rotate_bytes, ..bench.options() };
        let mut ledger = Some(bench.open_with(options.clone()));
        let mut acknowledged = Vec::new();
        let mut calls = 0_u32;
        for step in steps {
            match step {
                Step::Append(records) => {
                    let Some(ledger) = &ledger else { continue };
                    let pending: Vec<_> = (0..records)
                        .map(|_| {
                            calls += 1;
                            let call = calls.to_string();
                            (ledger.append(&event(&call)).unwrap(), call)
                        })
                        .collect();
                    for (pending, call) in pending {
                        if let Ok(seq) = wait(pending) {
                            acknowledged.push((seq, call));
                        }
                    }
                }
                Step::DieAfter(operations, part) => bench.disk.die_after(operations, part),
                Step::Fail(op) => bench.fails(op),
                Step::LosePower(kept) => {
                    bench.disk.die_after(0, 0);
                    drop(ledger.take());
                    bench.disk.lose_power(kept);
                    // Opening is a chance to crash, too.
                    bench.disk.die_after(kept % 8, 500);
                    let opened = Ledger::open_on(Box::new(bench.disk.clone()), options.clone());
                    drop(opened);
                    bench.disk.lose_power(kept);
                    ledger = Some(bench.open_with(options.clone()));
                }
                Step::Reopen => {
                    drop(ledger.take());
                    bench.disk.revive();
                    ledger = Some(bench.open_with(options.clone()));
                }
            }
        }
        drop(ledger);
        bench.disk.revive();
        drop(bench.open_with(options));
        bench.disk.lose_power(0);
        let report = verify(bench.path()).unwrap();
        prop_assert!(report.is_sound(), "{:?}", report.problems);
        let names = names(bench.path());
        for (seq, call) in acknowledged {
            let place = usize::try_from(seq).unwrap() - 1;
            prop_assert_eq!(names.get(place), Some(&call), "record {}", seq);
        }
    }
}
