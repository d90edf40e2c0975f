//! `cardea policy test`: expected decisions, from a file.

use std::io::Write as _;

use anyhow::{Context as _, anyhow, bail};
use cardea_policy::{Explanation, Said};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, House, asking::Described, table};
use crate::cli::TestArgs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tests: Vec<Value>,
}

/// One test; what is not named here describes the call.
#[derive(Deserialize)]
struct Test {
    name: String,
    expect: Expected,
    /// The policies that decide, where that matters.
    by: Option<Vec<String>>,
    #[serde(flatten)]
    call: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Expected {
    Permitted,
    NeedsApproval,
    NotPermitted,
    Forbidden,
    Failed,
}

impl Expected {
    fn of(explanation: &Explanation) -> Option<Self> {
        Some(match (&explanation.said, explanation.approval.is_empty()) {
            (Said::Permitted, true) => Self::Permitted,
            (Said::Permitted, false) => Self::NeedsApproval,
            (Said::NotPermitted, _) => Self::NotPermitted,
            (Said::Forbidden, _) => Self::Forbidden,
            (Said::Failed(_), _) => Self::Failed,
            (Said::Depends, _) => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::NeedsApproval => "needs-approval",
            Self::NotPermitted => "not-permitted",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
        }
    }
}

/// A test with what came of it.
struct Done {
    name: String,
    is_good: bool,
    told: String,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let house = House::open(&args.config.config)?;
    let tests = read(args).map_err(|error| Failure::wrong_use(&error))?;
    let mut all = Vec::new();
    for test in tests {
        let name = test.name.clone();
        let done = try_out(&house, test).with_context(|| format!("test `{name}`"));
        all.push(done.map_err(|error| Failure::wrong_use(&error))?);
    }
    let failed = all.iter().filter(|done| !done.is_good).count();
    let mut out = std::io::stdout().lock();
    if args.json {
        let tests = all.iter();
        let tests = tests.map(|d| json!({"name": d.name, "ok": d.is_good, "told": d.told}));
        let tests: Vec<_> = tests.collect();
        writeln!(out, "{:#}", json!({"tests": tests, "failed": failed}))?;
    } else {
        let rows = all.iter().map(|done| {
            let word = if done.is_good { "ok" } else { "FAILED" };
            vec![word.to_owned(), done.name.clone(), done.told.clone()]
        });
        let rows: Vec<_> = rows.collect();
        writeln!(out, "{}", table::lines(&["", "TEST", "DECISION"], &rows))?;
    }
    out.flush()?;
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} of {} tests failed", all.len()),
    }
}

fn read(args: &TestArgs) -> anyhow::Result<Vec<Test>> {
    let value = cardea_config::load_yaml(&args.file)
        .map_err(|mistakes| anyhow!("{}", mistakes.to_string().trim_end()))?;
    let shown = args.file.display();
    if !value.is_object() {
        bail!("`{shown}` has no `tests:`, below which each test is an item");
    }
    let file: File = serde_json::from_value(value).with_context(|| format!("`{shown}`"))?;
    let tests = file.tests.into_iter().enumerate();
    let tests = tests.map(|(n, value)| {
        serde_json::from_value(value).with_context(|| format!("test {} of `{shown}`", n + 1))
    });
    let tests: Vec<Test> = tests.collect::<anyhow::Result<_>>()?;
    if tests.is_empty() {
        bail!("`{shown}` has no tests");
    }
    Ok(tests)
}

fn try_out(house: &House, test: Test) -> anyhow::Result<Done> {
    let described: Described = serde_json::from_value(test.call)?;
    let (tenant, set) = house.tenant(described.tenant.as_deref())?;
    let asked = described.ask(&house.config, tenant)?;
    let explanation = set.policies.explain(&asked.question);
    let found = Expected::of(&explanation);
    let found = found.context("it depends on arguments; give it some")?;
    let by = match found {
        Expected::NeedsApproval => &explanation.approval,
        _ => &explanation.by,
    };
    let mut told = found.word().to_owned();
    if !by.is_empty() {
        told.push_str(&format!(" by {}", by.join(", ")));
    }
    if let Said::Failed(error) = &explanation.said {
        told.push_str(&format!(": {error}"));
    }
    let mut wanted = test.by.clone();
    if let Some(wanted) = &mut wanted {
        wanted.sort();
    }
    let is_by_those = wanted.is_none_or(|wanted| wanted == *by);
    let is_good = found == test.expect && is_by_those;
    if !is_good {
        let by = test.by.map(|by| format!(" by {}", by.join(", ")));
        let expected = test.expect.word();
        told.push_str(&format!("; expected {expected}{}", by.unwrap_or_default()));
    }
    Ok(Done {
        name: test.name,
        is_good,
        told,
    })
}
