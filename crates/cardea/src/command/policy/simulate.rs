//! `cardea policy simulate`: recorded calls, decided by a proposed set of policies.
//!
//! A record holds who called what with which arguments, when and bound to which key. It does not hold what the run had
//! seen; where policies look at that, both extremes are tried, and what comes out differently is not counted as either.

use std::{
    collections::{BTreeMap, HashSet},
    io::Write as _,
};

use anyhow::Context as _;
use cardea_audit::{Filter, Owner, Partition, tail};
use cardea_config::Config;
use cardea_domain::TenantId;
use cardea_policy::{Explanation, Flow, Policies, Said};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, House, asking::Described, table};
use crate::{
    cli::{BoundBy, SimulateArgs},
    command::failure::Status,
};

/// What came of a call, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    Permitted,
    /// No policy permitted it, but a grant did, or the right to ask for one.
    Granted,
    NeedsApproval,
    NotPermitted,
    Forbidden,
    Failed,
}

/// What there is to tell of calls that are alike: who, what, what came of it, what would, by what.
type Change = (String, String, String, Came, Came, String);

#[derive(Default)]
struct Replay {
    same: usize,
    changes: BTreeMap<Change, usize>,
    /// Calls that cannot be replayed, by the reason.
    left_out: BTreeMap<&'static str, usize>,
}

#[derive(Deserialize)]
struct Record {
    kind: String,
    #[serde(default)]
    call: String,
    time: String,
    subject: Option<String>,
    actor: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    groups_left_off: Option<u64>,
    roles_left_off: Option<u64>,
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    auth_time: Option<i64>,
    binding: Option<Value>,
    upstream: Option<String>,
    method: Option<String>,
    action: Option<String>,
    target: Option<Target>,
    arguments: Option<Value>,
    decision: Option<Decision>,
    access: Option<Value>,
    denial: Option<Value>,
}

#[derive(Deserialize)]
struct Target {
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Decision {
    effect: String,
    policies: Vec<String>,
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    let house = House::open(&args.config.config)?;
    let wrong = |error: anyhow::Error| Failure::wrong_use(&error);
    if let Some(name) = &args.tenant {
        house.tenant(Some(name)).map_err(wrong)?;
    }
    let dir = args.audit.as_ref().unwrap_or(&house.config.audit.dir);
    let unreadable = || format!("the audit log in {} cannot be read", dir.display());
    let logs = Partition::all(dir)
        .with_context(unreadable)
        .map_err(wrong)?;
    // A name that is mistyped must not look like a set that changes nothing.
    if !dir.is_dir() || logs.is_empty() {
        return Err(wrong(anyhow::anyhow!(
            "there is no audit log in {}",
            dir.display()
        ))
        .into());
    }
    let mut replay = Replay::default();
    for log in logs {
        let Owner::Tenant(tenant) = &log.owner else {
            continue;
        };
        let is_wanted = args
            .tenant
            .as_deref()
            .is_none_or(|name| name == tenant.as_str());
        let set = house.tenants.get(tenant).filter(|_| is_wanted);
        let Some(set) = set else { continue };
        let last = usize::try_from(args.last).unwrap_or(usize::MAX);
        let lines = tail(&log.dir, last, Filter::default()).with_context(unreadable)?;
        let mut seen = HashSet::new();
        for line in lines {
            let line = line.with_context(unreadable)?;
            // What is no record of a call has other members.
            let Ok(record) = serde_json::from_str::<Record>(&line) else {
                continue;
            };
            // An outcome repeats what its intent says, without the arguments.
            let is_new = match record.kind.as_str() {
                "intent" => seen.insert(record.call.clone()),
                "outcome" => !seen.remove(&record.call),
                "denial" => true,
                _ => false,
            };
            if is_new {
                replay.call(&house.config, tenant, &set.policies, &record);
            }
        }
    }
    replay.print(args.json)?;
    match replay.changes.is_empty() {
        true => Ok(()),
        false => {
            let calls: usize = replay.changes.values().sum();
            Err(Failure::new(
                Status::Failed,
                format!("{calls} calls would come out differently"),
            )
            .into())
        }
    }
}

impl Replay {
    fn call(&mut self, config: &Config, tenant: &TenantId, policies: &Policies, record: &Record) {
        match decided(config, tenant, policies, record) {
            Ok(None) => {}
            Ok(Some((was, would, _))) if is_same(was, would) => self.same += 1,
            Ok(Some((was, would, by))) => {
                let target = record.target.as_ref().map_or("", |target| &target.name);
                let upstream = record.upstream.as_deref().unwrap_or_default();
                let what = match target {
                    "" => upstream.to_owned(),
                    target => format!("{upstream}/{target}"),
                };
                let part = |part: &Option<String>| part.clone().unwrap_or_default();
                let change = (
                    part(&record.subject),
                    part(&record.actor),
                    what,
                    was,
                    would,
                    by,
                );
                *self.changes.entry(change).or_default() += 1;
            }
            Err(why) => *self.left_out.entry(why).or_default() += 1,
        }
    }

    fn print(&self, as_json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let changed: usize = self.changes.values().sum();
        let left_out: usize = self.left_out.values().sum();
        let all = self.same + changed + left_out;
        if as_json {
            let changes = self.changes.iter().map(|(change, calls)| {
                let (subject, actor, what, was, would, by) = change;
                json!({"calls": calls, "subject": subject, "actor": actor, "what": what,
                    "was": was.word(), "would_be": would.word(), "by": by})
            });
            let document = json!({
                "calls": all, "same": self.same, "changed": changed,
                "left_out": self.left_out, "changes": changes.collect::<Vec<_>>(),
            });
            writeln!(out, "{document:#}")?;
            return Ok(out.flush()?);
        }
        writeln!(
            out,
            "{all} calls: {} as they were, {changed} different, {left_out} not to be told",
            self.same
        )?;
        for (why, calls) in &self.left_out {
            writeln!(out, "  {calls}: {why}")?;
        }
        if !self.changes.is_empty() {
            let rows = self.changes.iter().map(|(change, calls)| {
                let (subject, actor, what, was, would, by) = change.clone();
                let (was, would) = (was.word().to_owned(), would.word().to_owned());
                vec![calls.to_string(), subject, actor, what, was, would, by]
            });
            let head = ["CALLS", "PERSON", "AGENT", "WHAT", "WAS", "WOULD BE", "BY"];
            writeln!(out, "\n{}", table::lines(&head, &rows.collect::<Vec<_>>()))?;
        }
        Ok(out.flush()?)
    }
}

/// A grant goes on where policies still leave it to grants; an approval may have been what it was.
fn is_same(was: Came, would: Came) -> bool {
    was == would
        || was == Came::Granted && matches!(would, Came::NotPermitted | Came::NeedsApproval)
}

/// What came of a call, what would, and by which policies; `None` for what policies did not decide.
fn decided(
    config: &Config,
    tenant: &TenantId,
    policies: &Policies,
    record: &Record,
) -> Result<Option<(Came, Came, String)>, &'static str> {
    let Some(decision) = &record.decision else {
        return Ok(None);
    };
    let (Some(action), Some(target)) = (&record.action, &record.target) else {
        return Ok(None);
    };
    let mut call = described(tenant, record);
    let name = Some(target.name.clone());
    match (action.as_str(), target.kind.as_str()) {
        ("tools/call", "Tool") => call.tool = name,
        ("resources/read", "Resource") => call.resource = name,
        ("prompts/get", "Prompt") => call.prompt = name,
        ("connect", "Upstream") => {}
        _ => return Err("of an action that is not replayed"),
    }
    if record.groups_left_off.is_some() || record.roles_left_off.is_some() {
        return Err("the record does not have all groups and roles");
    }
    if call.tool.is_some() && policies.reads_arguments() {
        let arguments = record.arguments.as_ref();
        let arguments = arguments.and_then(|arguments| arguments.get("json"));
        match (arguments, &record.arguments) {
            (Some(arguments), _) if arguments.is_object() => {
                call.arguments = Some(arguments.clone())
            }
            (_, None) => call.arguments = Some(json!({})),
            _ => return Err("the record does not have the arguments"),
        }
    }
    let asked = call.ask(config, tenant);
    let asked = asked.map_err(|_| "the server or the name does not exist in the configuration")?;
    let explanation = policies.explain(&asked.question);
    let would = came(&explanation);
    if policies.reads_flow() {
        let worst = policies.explain(&asked.question.with_flow(Flow::WORST));
        if came(&worst) != would {
            return Err("it depends on what the run had seen, which is not in the record");
        }
    }
    let by = match would {
        Came::NeedsApproval => explanation.approval.join(", "),
        _ => explanation.by.join(", "),
    };
    Ok(Some((was(decision, record), would, by)))
}

fn described(tenant: &TenantId, record: &Record) -> Described {
    let bound = |kind: &str| {
        record
            .binding
            .as_ref()
            .is_some_and(|by| by.get(kind).is_some())
    };
    let kinds = [
        ("dpop", BoundBy::Dpop),
        ("certificate", BoundBy::Certificate),
    ];
    let kinds = kinds.into_iter().filter(|(name, _)| bound(name));
    Described {
        tenant: Some(tenant.to_string()),
        subject: record.subject.clone().unwrap_or_default(),
        actor: record.actor.clone().unwrap_or_default(),
        groups: record.groups.clone(),
        roles: record.roles.clone(),
        acr: record.acr.clone(),
        amr: record.amr.clone(),
        auth_time: record
            .auth_time
            .and_then(|at_s| jiff::Timestamp::from_second(at_s).ok())
            .map(|at| at.to_string()),
        bound_by: kinds.map(|(_, by)| by).collect(),
        upstream: record.upstream.clone().unwrap_or_default(),
        method: record.method.clone(),
        at: Some(record.time.clone()),
        ..Described::default()
    }
}

fn was(decision: &Decision, record: &Record) -> Came {
    let has = |member: &str| {
        let access = record.access.as_ref();
        access.and_then(|access| access.get(member)).is_some()
    };
    let denied = |member: &str| {
        let denial = record.denial.as_ref();
        denial
            .and_then(|denial| denial.get(member)?.as_str())
            .unwrap_or_default()
    };
    match decision.effect.as_str() {
        "permit" if has("grant") || has("entitlement") => Came::Granted,
        "permit" => Came::Permitted,
        _ if denied("code") == "E_POLICY_ERROR" => Came::Failed,
        _ if denied("detail").starts_with("needs an approval") => Came::NeedsApproval,
        _ if decision.policies.is_empty() => Came::NotPermitted,
        _ => Came::Forbidden,
    }
}

fn came(explanation: &Explanation) -> Came {
    match (&explanation.said, explanation.approval.is_empty()) {
        (Said::Permitted, true) => Came::Permitted,
        (Said::Permitted, false) => Came::NeedsApproval,
        (Said::NotPermitted, _) => Came::NotPermitted,
        (Said::Forbidden, _) => Came::Forbidden,
        (Said::Failed(_) | Said::Depends, _) => Came::Failed,
    }
}

impl Came {
    fn word(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Granted => "by a grant",
            Self::NeedsApproval => "needs-approval",
            Self::NotPermitted => "not-permitted",
            Self::Forbidden => "forbidden",
            Self::Failed => "failed",
        }
    }
}
