//! Random lives against a simple model: what the model does not allow, the room does not.
//!
//! `make eval-model` makes many more of them, and longer ones.

#![allow(
    clippy::print_stdout,
    reason = "how much was tried is for whoever asked for it"
)]

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use cardea_domain::{GrantId, RequestId};
use proptest::{prelude::*, test_runner::TestRunner};

use super::house::{House, Wish, no, principal, subject, yes};
use crate::{Granted, Holder, Kind, NewLock, RequestState, Scope};

/// What may happen.
#[derive(Debug, Clone)]
enum Step {
    /// An agent of run `who` asks.
    Ask {
        who: u8,
        kind: Kind,
    },
    /// Of those that wait, the n-th is approved or refused.
    Decide {
        nth: usize,
        is_yes: bool,
    },
    /// An approval whose record fails.
    DecideWithoutRecord {
        nth: usize,
    },
    /// An approval whose caller goes away after so many looks.
    DecideAndLeave {
        nth: usize,
        looks: u8,
    },
    /// Uses of one run, at once.
    Use {
        who: u8,
        at_once: u8,
        is_short: bool,
    },
    /// A use whose caller goes away after so many looks.
    UseAndLeave {
        who: u8,
        looks: u8,
    },
    Cancel {
        nth: usize,
    },
    Revoke {
        nth: usize,
    },
    Release {
        nth: usize,
    },
    Lock,
    Unlock,
    Pass {
        seconds: u16,
    },
    /// The clock is set, forwards or back.
    Jump {
        seconds: i32,
    },
    Sweep,
    /// The process ends; calls under way are lost.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(Kind::Time), Just(Kind::Calls), Just(Kind::Once)];
    prop_oneof![
        4 => (0..3_u8, kind).prop_map(|(who, kind)| Step::Ask { who, kind }),
        4 => (0..4_usize, prop::bool::weighted(0.9))
            .prop_map(|(nth, is_yes)| Step::Decide { nth, is_yes }),
        1 => (0..4_usize).prop_map(|nth| Step::DecideWithoutRecord { nth }),
        1 => (0..4_usize, 1..6_u8).prop_map(|(nth, looks)| Step::DecideAndLeave { nth, looks }),
        8 => (0..3_u8, 1..5_u8, any::<bool>())
            .prop_map(|(who, at_once, is_short)| Step::Use { who, at_once, is_short }),
        1 => (0..3_u8, 1..4_u8).prop_map(|(who, looks)| Step::UseAndLeave { who, looks }),
        1 => (0..4_usize).prop_map(|nth| Step::Cancel { nth }),
        1 => (0..4_usize).prop_map(|nth| Step::Revoke { nth }),
        1 => (0..4_usize).prop_map(|nth| Step::Release { nth }),
        1 => Just(Step::Lock),
        2 => Just(Step::Unlock),
        2 => (1..400_u16).prop_map(|seconds| Step::Pass { seconds }),
        1 => (-4000..4000_i32).prop_map(|seconds| Step::Jump { seconds }),
        2 => Just(Step::Sweep),
        2 => Just(Step::Crash),
    ]
}

/// A grant, as simple as can be.
#[derive(Debug, Clone)]
struct Simple {
    who: u8,
    since_ms: u64,
    until_ms: u64,
    /// Its time was over once: set back, the clock may bring it back as long as nobody has looked, or not.
    was_over: bool,
    /// At most so many calls from here on; `None`: any number.
    most: Option<u64>,
    /// Calls of those that the caller left in doubt: they may have been counted, or not.
    doubt: u64,
}

impl Simple {
    fn is_in_time(&self, now_ms: u64) -> bool {
        (self.since_ms..self.until_ms).contains(&now_ms)
    }
}

/// What the model knows.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<RequestId, (u8, Kind)>,
    grants: BTreeMap<GrantId, Simple>,
    /// How many there ever were.
    granted: usize,
    is_locked: bool,
}

impl Model {
    /// Whether this run may call, by a grant of this name.
    fn allows(&self, who: u8, grant: &GrantId, now_ms: u64) -> bool {
        !self.is_locked
            && self
                .grants
                .get(grant)
                .is_some_and(|g| g.who == who && g.is_in_time(now_ms) && g.most != Some(0))
    }

    /// The most calls that this run may make now, and the fewest that it must be able to.
    fn bounds(&self, who: u8, now_ms: u64) -> (u64, u64) {
        if self.is_locked {
            return (0, 0);
        }
        let own = self.grants.values();
        let own = own.filter(|g| g.who == who && g.is_in_time(now_ms));
        own.fold((0_u64, 0_u64), |(most, least), g| {
            let n = g.most.unwrap_or(u64::MAX);
            let sure = if g.was_over {
                0
            } else {
                n.saturating_sub(g.doubt)
            };
            (most.saturating_add(n), least.saturating_add(sure))
        })
    }

    fn count(&mut self, grant: &GrantId) {
        if let Some(Simple { most: Some(n), .. }) = self.grants.get_mut(grant) {
            *n -= 1;
        }
    }
}

fn wish(who: u8, kind: Kind) -> Wish {
    Wish {
        principal: principal("ada", "bot", &format!("run-{who}")),
        duration: Some(Duration::from_secs(300)),
        ..Wish::of(kind)
    }
}

/// The room and the model, side by side.
struct Pair {
    house: House,
    model: Model,
    under_way: Vec<Granted>,
    locks: Vec<cardea_domain::LockId>,
    was_locked: bool,
    /// Calls that began.
    used: u64,
}

impl Pair {
    async fn step(&mut self, step: &Step) {
        let access = std::sync::Arc::clone(&self.house.access);
        let now_ms = self.house.clock.unix_ms();
        let grace = subject("grace");
        match step {
            Step::Ask { who, kind } => self.ask(*who, *kind).await,
            Step::Decide { nth, is_yes } => self.decide(*nth, *is_yes).await,
            Step::DecideWithoutRecord { nth } => {
                self.house.log.fail(true);
                if let Some(id) = self.nth_waiting(*nth) {
                    assert!(self.house.approve(&id).await.is_err());
                }
                self.house.log.fail(false);
            }
            Step::DecideAndLeave { nth, looks } => self.decide_and_leave(*nth, *looks).await,
            Step::Use {
                who,
                at_once,
                is_short,
            } => self.use_at_once(*who, *at_once, *is_short).await,
            Step::UseAndLeave { who, looks } => self.use_and_leave(*who, *looks).await,
            Step::Cancel { nth } => {
                if let Some(id) = self.nth_waiting(*nth) {
                    let (who, kind) = self.model.waiting[&id];
                    let principal = wish(who, kind).principal;
                    let holder = Holder::Agent(&principal);
                    if access.cancel(&id, holder).await.is_err() {
                        let request = access.request(&id).await.unwrap().unwrap();
                        assert_eq!(request.state, RequestState::Expired);
                    }
                    self.model.waiting.remove(&id);
                }
            }
            Step::Revoke { nth } => {
                if let Some(id) = self.nth_grant(*nth) {
                    // One that has ended by itself is unknown.
                    let _ = access.revoke_grant(&id, &grace, "no more").await;
                    self.model.grants.remove(&id);
                }
            }
            Step::Release { nth } => {
                if let Some(id) = self.nth_grant(*nth) {
                    let principal = wish(self.model.grants[&id].who, Kind::Time).principal;
                    let _ = access.release(&id, Holder::Agent(&principal)).await;
                    self.model.grants.remove(&id);
                }
            }
            Step::Lock => {
                let lock = NewLock {
                    scope: Scope::Actor(cardea_domain::ActorId::parse("bot").unwrap()),
                    reason: "",
                    by: (&grace).into(),
                    expires_ms: None,
                };
                self.locks.push(access.lock(lock).await.unwrap().id);
                self.model.is_locked = true;
                self.was_locked = true;
            }
            Step::Unlock => {
                if let Some(id) = self.locks.pop() {
                    access.unlock(&id, &grace).await.unwrap();
                }
                self.model.is_locked = !self.locks.is_empty();
            }
            Step::Pass { seconds } => {
                self.under_way.clear();
                self.house.turn(u64::from(*seconds));
            }
            Step::Jump { seconds } => {
                self.under_way.clear();
                let by = Duration::from_secs(u64::from(seconds.unsigned_abs()));
                match seconds.is_negative() {
                    true => self.house.clock.turn_back(by),
                    false => self.house.clock.advance(by),
                }
            }
            Step::Sweep => access.sweep().await.unwrap(),
            Step::Crash => {
                for granted in self.under_way.drain(..) {
                    std::mem::forget(granted);
                }
                self.house.crash().await;
            }
        }
        let now_ms = now_ms.max(self.house.clock.unix_ms());
        for simple in self.model.grants.values_mut() {
            simple.was_over |= now_ms >= simple.until_ms;
        }
    }

    fn nth_waiting(&self, nth: usize) -> Option<RequestId> {
        let n = nth % self.model.waiting.len().max(1);
        self.model.waiting.keys().nth(n).cloned()
    }

    fn nth_grant(&self, nth: usize) -> Option<GrantId> {
        let n = nth % self.model.grants.len().max(1);
        self.model.grants.keys().nth(n).cloned()
    }

    async fn ask(&mut self, who: u8, kind: Kind) {
        // Refused while locked, or when it asks too often: then nothing waits.
        if let Ok(request) = self.house.ask(&wish(who, kind)).await {
            assert!(!self.model.is_locked);
            self.model.waiting.insert(request.id.clone(), (who, kind));
        }
    }

    async fn decide(&mut self, nth: usize, is_yes: bool) {
        let Some(id) = self.nth_waiting(nth) else {
            return;
        };
        let decision = if is_yes { yes() } else { no() };
        let decided = self.house.decide(&id, "grace", decision).await;
        let (who, kind) = self.model.waiting.remove(&id).unwrap();
        match decided {
            Ok(request) => self.learn(who, kind, &request.state),
            Err(error) => {
                let request = self.house.access.request(&id).await.unwrap().unwrap();
                // What an agent asks for that is locked ends by it, too.
                let is_over = match request.state {
                    RequestState::Void => self.was_locked,
                    state => state == RequestState::Expired,
                };
                assert!(is_over, "{error}");
            }
        }
    }

    fn learn(&mut self, who: u8, kind: Kind, state: &RequestState) {
        if let RequestState::Approved(grant) = state {
            let most = match kind {
                Kind::Time => None,
                Kind::Calls => Some(3),
                Kind::Once => Some(1),
            };
            let simple = Simple {
                who,
                since_ms: self.house.clock.unix_ms(),
                until_ms: self.house.clock.unix_ms() + 300_000,
                was_over: false,
                most,
                doubt: 0,
            };
            self.model.grants.insert(grant.clone(), simple);
            self.model.granted += 1;
        }
    }

    /// Then the process ends too: what is in the store is what happened.
    async fn decide_and_leave(&mut self, nth: usize, looks: u8) {
        let Some(id) = self.nth_waiting(nth) else {
            return;
        };
        look_and_leave(self.house.approve(&id), looks).await;
        for granted in self.under_way.drain(..) {
            std::mem::forget(granted);
        }
        self.house.crash().await;
        let request = self.house.access.request(&id).await.unwrap().unwrap();
        if request.state != RequestState::Pending {
            let (who, kind) = self.model.waiting.remove(&id).unwrap();
            self.learn(who, kind, &request.state);
        }
        let recorded = self.house.log.names();
        let recorded = recorded.iter().filter(|name| *name == "access_granted");
        assert!(
            recorded.count() >= self.model.granted,
            "a grant without a record"
        );
    }

    async fn use_at_once(&mut self, who: u8, at_once: u8, is_short: bool) {
        let now_ms = self.house.clock.unix_ms();
        let (most, least) = self.model.bounds(who, now_ms);
        let access = &self.house.access;
        let mut tasks = Vec::new();
        for _ in 0..at_once {
            let access = std::sync::Arc::clone(access);
            tasks.push(tokio::spawn(async move {
                let admission = access.admit(&wish(who, Kind::Time).wanted()).ok()?;
                let granted = access.consume(admission).await.ok()?;
                // A short call is over before the next one is counted.
                Some((granted.grant().clone(), (!is_short).then_some(granted)))
            }));
        }
        let mut used = 0;
        for task in tasks {
            let Some((grant, granted)) = task.await.unwrap() else {
                continue;
            };
            assert!(self.model.allows(who, &grant, now_ms), "a use outside");
            self.model.count(&grant);
            self.under_way.extend(granted);
            used += 1;
        }
        self.used += used;
        assert!(used <= most, "a budget was doubled");
        assert!(used >= least.min(u64::from(at_once)), "a budget was lost");
    }

    async fn use_and_leave(&mut self, who: u8, looks: u8) {
        let Ok(admission) = self.house.access.admit(&wish(who, Kind::Time).wanted()) else {
            return;
        };
        let grant = admission.grant().clone();
        let access = std::sync::Arc::clone(&self.house.access);
        let used = look_and_leave(async move { access.consume(admission).await }, looks).await;
        match used {
            Some(Ok(granted)) => {
                self.model.count(&grant);
                self.under_way.push(granted);
            }
            Some(Err(error)) => panic!("{error}"),
            None => {
                if let Some(simple) = self.model.grants.get_mut(&grant) {
                    simple.doubt += 1;
                }
            }
        }
    }
}

/// What a future comes to within so many looks; after them, its caller goes away.
async fn look_and_leave<T>(future: impl Future<Output = T>, looks: u8) -> Option<T> {
    let mut future = Box::pin(future);
    for _ in 0..looks {
        let look = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        });
        if let Some(value) = look.await {
            return Some(value);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// A number from the environment.
fn number(name: &str, default: u32) -> u32 {
    let given = std::env::var(name).ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(default)
}

#[test]
fn no_use_outside_of_a_grant_and_no_budget_lost_or_doubled() {
    let cases = number("CARDEA_MODEL_CASES", 48);
    let longest = number("CARDEA_MODEL_STEPS", 40) as usize;
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    });
    let done = Done::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lives = prop::collection::vec(step(), 1..longest);
    let lived = runner.run(&lives, |steps| {
        runtime.block_on(async {
            let mut pair = Pair {
                house: House::new().await,
                model: Model::default(),
                under_way: Vec::new(),
                locks: Vec::new(),
                was_locked: false,
                used: 0,
            };
            for step in &steps {
                pair.step(step).await;
            }
            done.add(steps.len(), &pair);
        });
        Ok(())
    });
    println!("{}", done.told(cases));
    lived.unwrap_or_else(|error| panic!("{error}"));
}

/// What was tried in all lives together.
#[derive(Default)]
struct Done {
    steps: Cell<usize>,
    grants: Cell<usize>,
    uses: Cell<u64>,
}

impl Done {
    fn add(&self, steps: usize, pair: &Pair) {
        self.steps.set(self.steps.get() + steps);
        self.grants.set(self.grants.get() + pair.model.granted);
        self.uses.set(self.uses.get() + pair.used);
    }

    fn told(&self, lives: u32) -> serde_json::Value {
        serde_json::json!({ "lives": lives, "steps": self.steps.get(), "grants": self.grants.get(), "uses": self.uses.get() })
    }
}
