//! Runs the MCP conformance suite and counts what it found.
//!
//! The suite and the Node it needs come from `tools/conformance` (see its `install.sh`). Counts come from the files
//! it writes per scenario, and must agree with the total that it prints.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tokio::process::Command;

/// The revisions of the protocol whose requirements are checked.
pub const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// A run against a server that answers takes about 10 s; the suite itself allows 30 s per scenario.
const RUN_WITHIN: Duration = Duration::from_secs(600);

/// The suite, installed.
#[derive(Debug, Clone)]
pub struct Suite {
    node: PathBuf,
    program: PathBuf,
}

impl Suite {
    /// Finds the suite in the workspace.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn installed() -> anyhow::Result<Self> {
        let modules =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/conformance/node_modules");
        let find = |path: &str| {
            let path = modules.join(path);
            path.canonicalize().with_context(|| {
                format!(
                    "`{}` is not there; run `tools/conformance/install.sh`",
                    path.display()
                )
            })
        };
        Ok(Self {
            node: find("node/bin/node")?,
            program: find("@modelcontextprotocol/conformance/dist/index.js")?,
        })
    }

    /// Runs every server scenario of `revision` against `url`, also those it does not score, and keeps the suite's
    /// files in `folder`.
    ///
    /// # Errors
    /// When the suite cannot be run, takes too long, or its files and its total disagree.
    pub async fn run(&self, url: &str, revision: &str, folder: &Path) -> anyhow::Result<Outcome> {
        let run = Command::new(&self.node)
            .arg(&self.program)
            .args(["server", "--url", url, "--requirements", revision])
            .args(["--timeout", "120000", "-o"])
            .arg(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(RUN_WITHIN, run)
            .await
            .context("the suite hangs")??;
        let printed = String::from_utf8_lossy(&output.stdout);
        let outcome = Outcome::read(folder)?;
        let total = format!(
            "Total: {} passed, {} failed",
            outcome.passed(),
            outcome.failed()
        );
        if !printed.lines().any(|line| line == total) {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let end: Vec<&str> = printed.lines().rev().take(10).collect();
            let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
            bail!("the suite's files say `{total}`, its output does not:\n{end}\n{complaint}");
        }
        Ok(outcome)
    }
}

/// What one run found, by scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The checks of each scenario, in the order they were made.
    pub scenarios: BTreeMap<String, Vec<Check>>,
}

impl Outcome {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut scenarios = BTreeMap::new();
        let entries = fs::read_dir(folder).context("the suite wrote nothing")?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let scenario = scenario_of(&name)
                .with_context(|| format!("`{name}` is not a scenario's folder"))?;
            let file = entry.path().join("checks.json");
            let checks = fs::read(&file).with_context(|| format!("`{scenario}` left no checks"))?;
            let earlier = scenarios.insert(scenario.to_owned(), serde_json::from_slice(&checks)?);
            ensure!(earlier.is_none(), "`{scenario}` ran twice");
        }
        Ok(Self { scenarios })
    }

    /// How many checks passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(Status::Success)
    }

    /// How many checks failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(Status::Failure)
    }

    /// Every check that ended otherwise in `other`, or is in one of the two only.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mine = self.by_key();
        let theirs = other.by_key();
        let mut keys: Vec<&Key> = mine.keys().chain(theirs.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let difference = |key: &Key| Difference {
            scenario: key.scenario.to_owned(),
            check: key.check.to_owned(),
            here: mine.get(key).map(|check| (*check).clone()),
            there: theirs.get(key).map(|check| (*check).clone()),
        };
        let status = |check: Option<&&Check>| check.map(|check| check.status);
        keys.into_iter()
            .filter(|key| status(mine.get(*key)) != status(theirs.get(*key)))
            .map(difference)
            .collect()
    }

    fn count(&self, status: Status) -> usize {
        self.scenarios
            .values()
            .flatten()
            .filter(|check| check.status == status)
            .count()
    }

    /// The checks that judge something, which leaves out the suite's diary.
    fn by_key(&self) -> BTreeMap<Key<'_>, &Check> {
        let mut checks = BTreeMap::new();
        for (scenario, made) in &self.scenarios {
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for check in made.iter().filter(|check| check.status != Status::Info) {
                let repeat = seen.entry(&check.id).or_default();
                checks.insert(
                    Key {
                        scenario,
                        check: &check.id,
                        repeat: *repeat,
                    },
                    check,
                );
                *repeat += 1;
            }
        }
        checks
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    scenario: &'a str,
    check: &'a str,
    repeat: usize,
}

/// One thing the suite looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The suite's name for it, such as `sep-2575-server-no-log-without-loglevel`.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// What was wrong.
    pub error_message: Option<String>,
}

/// How a check ended; only success and failure count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The server does it.
    Success,
    /// The server does not do what it must.
    Failure,
    /// The server does not do what it should.
    Warning,
    /// It was not looked at.
    Skipped,
    /// An entry of the suite's diary.
    Info,
}

/// A check that ended differently in two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The scenario's name.
    pub scenario: String,
    /// The check's id.
    pub check: String,
    /// What it was in the first run, if it was made.
    pub here: Option<Check>,
    /// What it was in the second.
    pub there: Option<Check>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |check: &Option<Check>| {
            check
                .as_ref()
                .map_or("absent".to_owned(), |check| format!("{:?}", check.status))
        };
        write!(
            f,
            "{} {}: {} / {}",
            self.scenario,
            self.check,
            word(&self.here),
            word(&self.there)
        )?;
        let complaints = [&self.here, &self.there]
            .into_iter()
            .flatten()
            .filter_map(|check| check.error_message.as_ref());
        complaints
            .into_iter()
            .try_for_each(|complaint| write!(f, "\n    {complaint}"))
    }
}

/// The scenario of a folder `server-<scenario>-<time>`, where the time looks like `2026-07-28T12-34-56-789Z`.
fn scenario_of(folder: &str) -> Option<&str> {
    const TIME_CHARACTERS: usize = "-2026-07-28T12-34-56-789Z".len();
    let end = folder.len().checked_sub(TIME_CHARACTERS)?;
    folder.get(..end)?.strip_prefix("server-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_is_the_folder_without_its_time() {
        assert_eq!(
            scenario_of("server-server-stateless-2026-11-23T21-14-04-106Z"),
            Some("server-stateless")
        );
        assert_eq!(scenario_of("server-"), None);
    }

    #[test]
    fn differences_name_what_changed_and_what_is_missing() {
        let check = |id: &str, status| Check {
            id: id.to_owned(),
            status,
            error_message: None,
        };
        let outcome = |checks: &[Check]| Outcome {
            scenarios: BTreeMap::from([("caching".to_owned(), checks.to_vec())]),
        };
        let here = outcome(&[
            check("a", Status::Success),
            check("b", Status::Success),
            check("diary", Status::Info),
        ]);
        let there = outcome(&[
            check("a", Status::Success),
            check("b", Status::Warning),
            check("c", Status::Failure),
        ]);

        let found: Vec<String> = here
            .differences(&there)
            .iter()
            .map(ToString::to_string)
            .collect();

        assert_eq!(
            found,
            [
                "caching b: Success / Warning",
                "caching c: absent / Failure"
            ]
        );
        assert_eq!(here.differences(&here), []);
    }
}
