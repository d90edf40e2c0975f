use proptest::prelude::*;

use super::*;
use cardea_domain::ToolName;

fn live(budget: Budget) -> Live {
    let place = Place {
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        run: None,
        action: Action::CallTool,
        upstream: UpstreamId::parse("files").unwrap(),
        target: Target::Tool(ToolName::parse("read").unwrap()),
    };
    let bound = Bound {
        run_source: None,
        binding: None,
        tool_digest: None,
        once: None,
        constraints: Box::default(),
    };
    let origin = Origin {
        entitlement: EntitlementId::parse("e").unwrap(),
        groups: Arc::from([]),
        kind: Kind::Time,
    };
    let id = GrantId::parse("g").unwrap();
    Live::new((id, origin), place, bound, budget, (1000, 100_000))
}

fn rate(calls: u32, per_ms: u64) -> Budget {
    Budget {
        calls_max: None,
        bytes_max: None,
        rate: Some(Rate {
            calls,
            per: Duration::from_millis(per_ms),
        }),
    }
}

#[test]
fn a_grant_is_good_from_its_first_to_before_its_last_millisecond() {
    let calls = |calls_max| Budget {
        calls_max,
        bytes_max: None,
        rate: None,
    };
    let grant = live(calls(None));
    assert_eq!(grant.reserve(999).unwrap_err(), NotGranted::TooEarly);
    grant.reserve(1000).unwrap();
    grant.reserve(99_999).unwrap();
    let expired = NotGranted::Ended(EndReason::Expired);
    assert_eq!(grant.reserve(100_000).unwrap_err(), expired);
    assert_eq!(grant.reserve(50_000).unwrap_err(), expired, "set back");
    let counted = live(calls(Some(1)));
    let reserved = counted.reserve(1000).unwrap();
    assert_eq!(counted.reserve(1000).unwrap_err(), NotGranted::Exhausted);
    counted.give_back(reserved);
    counted.reserve(1000).unwrap();
    counted.count();
    counted.open().unwrap();
    assert_eq!(counted.reserve(1000).unwrap_err(), NotGranted::Exhausted);
    assert_eq!(counted.ended(), None, "its last call is under way");
    assert_eq!(counted.close(), Some(EndReason::Exhausted));
}

#[test]
fn a_grant_is_not_used_up_while_the_store_is_asked_about_a_call() {
    let grant = live(Budget {
        calls_max: Some(2),
        bytes_max: None,
        rate: None,
    });
    for _ in 0..2 {
        grant.reserve(1000).unwrap();
        grant.count();
    }
    grant.open().unwrap();
    assert_eq!(grant.close(), None, "the other may begin yet");
    grant.doubt();
    assert_eq!(
        grant.settle_doubt(1, 1),
        Doubt::Stays,
        "others came between"
    );
    assert_eq!(grant.settle_doubt(2, 1), Doubt::Settled);
    grant.reserve(1000).unwrap();
    grant.count();
    grant.doubt();
    assert_eq!(grant.settle_doubt(2, 2), Doubt::Spent);
}

proptest! {
    /// Whatever comes when: no stretch of that length has more.
    #[test]
    fn a_rate_holds_in_every_stretch(gaps in prop::collection::vec(0..40_u64, 1..60), calls in 1..5_u32) {
        let grant = live(rate(calls, 50));
        let mut now_ms = 1000;
        let mut admitted = Vec::new();
        for gap in gaps {
            now_ms += gap;
            match grant.reserve(now_ms) {
                Ok(_) => admitted.push(now_ms),
                Err(NotGranted::TooFast { retry_after }) => {
                    let wait_ms = u64::try_from(retry_after.as_millis()).unwrap();
                    let recent = admitted.iter().filter(|t| **t + 50 > now_ms + wait_ms - 1);
                    prop_assert!(recent.count() >= calls as usize, "refused for no reason");
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
        for window in admitted.windows(calls as usize + 1) {
            prop_assert!(window[calls as usize] - window[0] >= 50, "{:?}", admitted);
        }
    }
}
