//! Budgets: what the calls of a tenant may use, in a stretch of time or at once.
//!
//! What it is: counts in memory, of the tenant as a whole or of each person, agent and tool apart, by which a call that
//! is permitted is begun or refused.
//! What it is not: no grant, whose budgets are exact over restarts too. These begin anew with the process.

mod window;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use cardea_access::Pattern;
use cardea_domain::{Action, ActorId, Code, Denial, Principal, SubjectId, Target, UpstreamId};
use parking_lot::Mutex;

use self::window::Window;

/// What calls may use at most.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Its name; unique within the tenant.
    pub id: Arc<str>,
    /// What is counted apart; nothing: the tenant as a whole.
    pub per: BTreeSet<Per>,
    /// The upstreams whose calls count; one has to match.
    pub upstreams: Vec<Pattern>,
    /// The tools whose calls count; none: everything that is asked of a server.
    pub tools: Vec<Pattern>,
    /// The agents whose calls count; none: all.
    pub actors: Vec<Pattern>,
    /// How many calls may begin in every stretch of `within`.
    pub calls: Option<u64>,
    /// How many bytes answers may have together in every stretch of `within`.
    pub bytes: Option<u64>,
    /// The stretch.
    pub within: Duration,
    /// How many calls may be under way at once.
    pub concurrent: Option<u64>,
}

/// What a budget is counted apart for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// Each person.
    Subject,
    /// Each agent.
    Actor,
    /// Each tool, resource or prompt of each upstream.
    Tool,
}

/// What the calls of one tenant have used; the same in every world.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<HashMap<Key, Arc<Mutex<Count>>>>);

/// Counts of one tenant. What is counted apart comes from callers, so there is an end to it; one that has nothing in
/// it makes room.
const COUNTS_MAX: usize = 50_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    budget: Arc<str>,
    /// A budget that is counted over another stretch is another one.
    within: Duration,
    subject: Option<SubjectId>,
    actor: Option<ActorId>,
    tool: Option<(UpstreamId, Target)>,
}

#[derive(Debug)]
struct Count {
    calls: Window,
    bytes: Window,
    open: u64,
}

/// A call, as far as budgets look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spender<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) action: Action,
    pub(crate) upstream: &'a UpstreamId,
    pub(crate) target: &'a Target,
}

/// What a call has taken of its budgets. Dropped before it has begun, it gives all of it back.
#[derive(Debug, Default)]
#[must_use = "what is dropped is given back"]
pub(crate) struct Spending {
    of: Vec<Spent>,
    has_begun: bool,
}

#[derive(Debug)]
struct Spent {
    budget: Arc<str>,
    bytes_max: Option<u64>,
    count: Arc<Mutex<Count>>,
    /// When it was counted.
    at_ms: u64,
}

impl Used {
    /// Takes the place of a call in every budget that it counts in.
    ///
    /// # Errors
    /// [`Code::BudgetSpent`] when one has no room; then none has counted it.
    pub(crate) fn take(
        &self,
        budgets: &[Budget],
        spender: Spender<'_>,
        now_ms: u64,
    ) -> Result<Spending, Denial> {
        let mut spending = Spending::default();
        for budget in budgets.iter().filter(|budget| budget.counts(spender)) {
            let count = self.count(budget, spender, now_ms)?;
            count.lock().begin(budget, now_ms)?;
            spending.of.push(Spent {
                budget: Arc::clone(&budget.id),
                bytes_max: budget.bytes,
                count,
                at_ms: now_ms,
            });
        }
        Ok(spending)
    }

    fn count(
        &self,
        budget: &Budget,
        spender: Spender<'_>,
        now_ms: u64,
    ) -> Result<Arc<Mutex<Count>>, Denial> {
        let key = budget.key(spender);
        let mut counts = self.0.lock();
        if let Some(count) = counts.get(&key) {
            return Ok(Arc::clone(count));
        }
        if counts.len() >= COUNTS_MAX {
            counts.retain(|_, count| Arc::strong_count(count) > 1 || count.lock().is_used(now_ms));
        }
        if counts.len() >= COUNTS_MAX {
            let message = "too many different callers and tools are counted now";
            return Err(Denial::new(Code::Overloaded, message).help("try again later"));
        }
        let count = Arc::new(Mutex::new(Count {
            calls: Window::over(budget.within),
            bytes: Window::over(budget.within),
            open: 0,
        }));
        counts.insert(key, Arc::clone(&count));
        Ok(count)
    }
}

impl Budget {
    fn counts(&self, call: Spender<'_>) -> bool {
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|p| p.matches(name));
        let is_tool = match call.target {
            Target::Tool(name) => any(&self.tools, name.as_str()),
            _ => false,
        };
        call.action != Action::Connect
            && any(&self.upstreams, call.upstream.as_str())
            && (self.tools.is_empty() || is_tool)
            && (self.actors.is_empty() || any(&self.actors, call.principal.actor.as_str()))
    }

    fn key(&self, call: Spender<'_>) -> Key {
        let per = |what| self.per.contains(&what);
        Key {
            budget: Arc::clone(&self.id),
            within: self.within,
            subject: per(Per::Subject).then(|| call.principal.subject.clone()),
            actor: per(Per::Actor).then(|| call.principal.actor.clone()),
            tool: per(Per::Tool).then(|| (call.upstream.clone(), call.target.clone())),
        }
    }
}

impl Count {
    fn begin(&mut self, budget: &Budget, now_ms: u64) -> Result<(), Denial> {
        if let Some(max) = budget.concurrent
            && self.open >= max
        {
            let message = format!("{max} calls are under way already, as many as may be at once");
            let denial = Denial::new(Code::BudgetSpent, message);
            return Err(denial
                .help("try again when one of them has ended")
                .detail(format!("budget {}: concurrent", budget.id)));
        }
        if let Some(max) = budget.calls {
            let free_in = self.calls.free_in(max, now_ms);
            within_budget(free_in, "calls", max, budget)?;
        }
        if let Some(max) = budget.bytes {
            let free_in = self.bytes.free_in(max, now_ms);
            within_budget(free_in, "bytes of answers", max, budget)?;
        }
        if budget.calls.is_some() {
            self.calls.add(1, now_ms);
        }
        self.open += 1;
        Ok(())
    }

    fn is_used(&mut self, now_ms: u64) -> bool {
        self.open > 0 || self.calls.sum(now_ms) > 0 || self.bytes.sum(now_ms) > 0
    }
}

/// Refuses what has no room for so long.
fn within_budget(
    free_in: Option<Duration>,
    what: &str,
    max: u64,
    budget: &Budget,
) -> Result<(), Denial> {
    let Some(free_in) = free_in else {
        return Ok(());
    };
    let within_s = budget.within.as_secs();
    let message = format!("{max} {what} within {within_s} s are used up");
    let wait_s = free_in.as_millis().div_ceil(1000).max(1);
    Err(Denial::new(Code::BudgetSpent, message)
        .help(format!("try again in {wait_s} s"))
        .detail(format!("budget {}: {what}", budget.id)))
}

impl Spending {
    /// The call begins: what it has taken counts, whatever becomes of it.
    pub(crate) fn begun(&mut self) {
        self.has_begun = true;
    }

    /// Whether bytes of the answer count.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.of.iter().any(|spent| spent.bytes_max.is_some())
    }

    /// Counts bytes of the answer, before they leave.
    ///
    /// # Errors
    /// [`Code::BudgetSpent`] when that is more than a budget has left; then they must not leave.
    pub(crate) fn spend_bytes(&self, bytes: u64, now_ms: u64) -> Result<(), Denial> {
        for spent in &self.of {
            let Some(max) = spent.bytes_max else {
                continue;
            };
            let mut count = spent.count.lock();
            if count.bytes.sum(now_ms).saturating_add(bytes) > max {
                let message = "the answer is larger than what is left of a budget";
                return Err(Denial::new(Code::BudgetSpent, message)
                    .help("ask for less, or try again later; whether the call had an effect is not known")
                    .detail(format!("budget {}: bytes of answers", spent.budget)));
            }
            count.bytes.add(bytes, now_ms);
        }
        Ok(())
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        for spent in &self.of {
            let mut count = spent.count.lock();
            count.open = count.open.saturating_sub(1);
            if !self.has_begun {
                count.calls.take_back(1, spent.at_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use cardea_domain::ToolName;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn principal(subject: &str, actor: &str) -> Principal {
        crate::owner::tests::principal("acme", subject, actor)
    }

    fn budget(per: &[Per]) -> Budget {
        Budget {
            id: "b".into(),
            per: per.iter().copied().collect(),
            upstreams: vec![Pattern::parse("*").unwrap()],
            tools: Vec::new(),
            actors: Vec::new(),
            calls: None,
            bytes: None,
            within: MINUTE,
            concurrent: None,
        }
    }

    struct Call {
        principal: Principal,
        upstream: UpstreamId,
        target: Target,
        action: Action,
    }

    impl Call {
        fn of(subject: &str, actor: &str, tool: &str) -> Self {
            Self {
                principal: principal(subject, actor),
                upstream: UpstreamId::parse("files").unwrap(),
                target: Target::Tool(ToolName::parse(tool).unwrap()),
                action: Action::CallTool,
            }
        }

        fn spender(&self) -> Spender<'_> {
            Spender {
                principal: &self.principal,
                action: self.action,
                upstream: &self.upstream,
                target: &self.target,
            }
        }
    }

    fn begun(used: &Used, budgets: &[Budget], call: &Call, now_ms: u64) -> bool {
        match used.take(budgets, call.spender(), now_ms) {
            Ok(mut spending) => {
                spending.begun();
                true
            }
            Err(denial) => {
                assert_eq!(denial.code, Code::BudgetSpent);
                false
            }
        }
    }

    #[test]
    fn what_is_counted_apart_does_not_use_up_what_others_have() {
        let a = Call::of("ada", "bot", "read");
        for (per, others, shared) in [
            (
                &[][..],
                &[][..],
                &[("eve", "bot", "read"), ("ada", "cli", "write")][..],
            ),
            (
                &[Per::Subject],
                &[("eve", "bot", "read")],
                &[("ada", "cli", "write")],
            ),
            (
                &[Per::Actor],
                &[("ada", "cli", "read")],
                &[("eve", "bot", "write")],
            ),
            (
                &[Per::Tool],
                &[("ada", "bot", "write")],
                &[("eve", "cli", "read")],
            ),
            (
                &[Per::Subject, Per::Tool],
                &[("eve", "bot", "read"), ("ada", "bot", "write")],
                &[("ada", "cli", "read")],
            ),
        ] {
            let used = Used::default();
            let budgets = [Budget {
                calls: Some(1),
                ..budget(per)
            }];
            assert!(begun(&used, &budgets, &a, 0));
            assert!(!begun(&used, &budgets, &a, 59_999), "{per:?}");
            for (s, c, t) in shared {
                assert!(!begun(&used, &budgets, &Call::of(s, c, t), 1), "{per:?}");
            }
            for (s, c, t) in others {
                assert!(begun(&used, &budgets, &Call::of(s, c, t), 1), "{per:?}");
            }
        }
    }

    #[test]
    fn only_what_a_budget_is_for_counts_in_it() {
        let used = Used::default();
        let budgets = [Budget {
            calls: Some(1),
            tools: vec![Pattern::parse("del*").unwrap()],
            actors: vec![Pattern::parse("bot").unwrap()],
            upstreams: vec![Pattern::parse("files").unwrap()],
            ..budget(&[])
        }];
        let mut connect = Call::of("ada", "bot", "delete");
        connect.action = Action::Connect;
        let mut elsewhere = Call::of("ada", "bot", "delete");
        elsewhere.upstream = UpstreamId::parse("mail").unwrap();
        let mut resource = Call::of("ada", "bot", "delete");
        resource.target = Target::Upstream;
        let free = [
            connect,
            elsewhere,
            resource,
            Call::of("ada", "cli", "delete"),
            Call::of("ada", "bot", "read"),
        ];
        for call in &free {
            assert!(begun(&used, &budgets, call, 0));
            assert!(begun(&used, &budgets, call, 0));
        }
        let counted = Call::of("ada", "bot", "delete");
        assert!(begun(&used, &budgets, &counted, 0));
        assert!(!begun(&used, &budgets, &counted, 0));
    }

    #[test]
    fn a_call_that_does_not_begin_and_one_that_another_budget_refuses_count_in_none() {
        let used = Used::default();
        let call = Call::of("ada", "bot", "read");
        let budgets = [
            Budget {
                calls: Some(2),
                ..budget(&[])
            },
            Budget {
                id: "one".into(),
                concurrent: Some(1),
                ..budget(&[])
            },
        ];
        drop(used.take(&budgets, call.spender(), 0).unwrap());
        let mut first = used.take(&budgets, call.spender(), 0).unwrap();
        first.begun();
        for _ in 0..3 {
            let refused = used.take(&budgets, call.spender(), 0).unwrap_err();
            assert!(refused.message.contains("under way"), "{refused:?}");
        }
        drop(first);
        assert!(begun(&used, &budgets, &call, 0));
        assert!(!begun(&used, &budgets, &call, 0), "two have begun");
    }

    #[test]
    fn bytes_that_are_over_do_not_leave() {
        let used = Used::default();
        let call = Call::of("ada", "bot", "read");
        let budgets = [Budget {
            bytes: Some(2048),
            ..budget(&[Per::Subject])
        }];
        let mut spending = used.take(&budgets, call.spender(), 0).unwrap();
        spending.begun();
        spending.spend_bytes(2000, 0).unwrap();
        let denial = spending.spend_bytes(49, 0).unwrap_err();
        assert_eq!(denial.code, Code::BudgetSpent);
        spending.spend_bytes(48, 0).unwrap();
        assert!(!begun(&used, &budgets, &call, 1));
        let after = MINUTE.as_millis() as u64 * 2;
        assert!(begun(&used, &budgets, &call, after));
    }

    #[test]
    fn calls_at_once_are_never_more_and_each_is_given_back() {
        let used = Used::default();
        let budgets = [Budget {
            concurrent: Some(3),
            calls: Some(1_000_000),
            ..budget(&[Per::Actor])
        }];
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let call = Call::of("ada", "bot", "read");
                    for _ in 0..500 {
                        let Ok(mut spending) = used.take(&budgets, call.spender(), 0) else {
                            continue;
                        };
                        spending.begun();
                        let open = used.0.lock().values().next().unwrap().lock().open;
                        assert!(open <= 3);
                    }
                });
            }
        });
        let counts = used.0.lock();
        assert_eq!(counts.values().next().unwrap().lock().open, 0);
    }

    #[test]
    fn a_refusal_says_when_to_try_again_and_the_record_which_budget() {
        let used = Used::default();
        let call = Call::of("ada", "bot", "read");
        let budgets = [Budget {
            calls: Some(1),
            ..budget(&[])
        }];
        assert!(begun(&used, &budgets, &call, 10_000));
        let denial = used.take(&budgets, call.spender(), 40_000).unwrap_err();
        let help = denial.help.unwrap();
        let wait: u64 = help.split(' ').nth(3).unwrap().parse().unwrap();
        assert!((30..=32).contains(&wait), "{help}");
        assert!(begun(&used, &budgets, &call, 40_000 + wait * 1000));
        assert!(denial.detail.unwrap().contains("budget b"));
        assert!(!denial.message.contains('b') || !denial.message.contains("budget b"));
    }
}
