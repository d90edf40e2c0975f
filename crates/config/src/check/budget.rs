//! Budgets: what calls may use.

use std::collections::BTreeMap;

use super::Checker;
use crate::{
    Budget,
    diagnostic::{nearest, printable},
    quantity::{Quantity, count},
    raw::{
        BYTES_IN_BUDGET_MAX, BYTES_IN_BUDGET_MIN, CALLS_IN_BUDGET_MAX, CONCURRENT_MAX, RawBudget,
        WITHIN_MAX, WITHIN_MIN,
    },
    yaml::At,
};

impl Checker<'_> {
    /// The budgets below `at`; `known` are the upstreams that there are.
    pub(super) fn budgets(
        &mut self,
        at: &At,
        budgets: &BTreeMap<String, RawBudget>,
        known: &[&str],
    ) -> Option<BTreeMap<String, Budget>> {
        let mut checked = BTreeMap::new();
        for (id, raw) in budgets {
            let at = at.key(id);
            self.budget_bounds(&at, raw);
            for (index, upstream) in raw.upstreams.iter().enumerate() {
                if !upstream.contains('*') && !known.contains(&upstream.as_str()) {
                    let at = at.key("upstreams").index(index);
                    let message = format!("there is no upstream `{}` here", printable(upstream));
                    let names = known.iter().copied();
                    let diagnostic = self.document.error(&at, message);
                    self.report(&at, diagnostic.suggest(nearest(upstream, names)));
                }
            }
            if let Some(budget) = budget(raw) {
                checked.insert(id.clone(), budget);
            }
        }
        (checked.len() == budgets.len()).then_some(checked)
    }

    fn budget_bounds(&mut self, at: &At, raw: &RawBudget) {
        if let Some(calls) = raw.calls {
            self.range(&at.key("calls"), calls, count(1), CALLS_IN_BUDGET_MAX);
        }
        if let Some(bytes) = raw.bytes {
            let at = at.key("bytes");
            self.range(&at, bytes, BYTES_IN_BUDGET_MIN, BYTES_IN_BUDGET_MAX);
        }
        if let Some(calls) = raw.concurrent {
            self.range(&at.key("concurrent"), calls, count(1), CONCURRENT_MAX);
        }
        self.range(&at.key("within"), raw.within, WITHIN_MIN, WITHIN_MAX);
        if raw.calls.is_none() && raw.bytes.is_none() && raw.concurrent.is_none() {
            let diagnostic = self.document.error_at_key(at, "the budget bounds nothing");
            let expected = "`calls`, `bytes` or `concurrent`";
            self.report(at, diagnostic.expected(expected));
        }
        let within = at.key("within");
        if self.has(&within) && raw.calls.is_none() && raw.bytes.is_none() {
            let message = "nothing is counted within a time here";
            let diagnostic = self.document.error_at_key(&within, message);
            self.report(&within, diagnostic.expected("`calls` or `bytes`"));
        }
    }
}

fn budget(raw: &RawBudget) -> Option<Budget> {
    let number = |count: Option<crate::quantity::Count>| match count {
        Some(count) => u64::try_from(count.checked()).ok().map(Some),
        None => Some(None),
    };
    Some(Budget {
        per: raw.per.iter().copied().collect(),
        upstreams: raw.upstreams.clone(),
        tools: raw.tools.clone(),
        actors: raw.actors.clone(),
        calls: number(raw.calls)?,
        bytes: raw.bytes.map(Quantity::checked),
        within: raw.within.checked(),
        concurrent: number(raw.concurrent)?,
    })
}
