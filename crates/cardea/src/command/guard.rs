//! `cardea guard args`: argument values against constraints, one a line.

use std::{
    io::{BufRead as _, Write as _},
    path::Path,
};

use anyhow::{anyhow, bail};
use cardea_guard::constraint::{Constraints, Look, Pending, Refused};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::Failure;
use crate::{
    cli::{GuardArgs, GuardCommand},
    wiring::constraints,
};

/// A line is one call's arguments at most.
const LINE_BYTES_MAX: usize = 16 << 20;

pub(super) fn run(command: &GuardCommand) -> anyhow::Result<()> {
    let GuardCommand::Args(args) = command;
    let constraints = read(&args.constraint).map_err(|error| Failure::wrong_use(&error))?;
    let mut out = std::io::stdout().lock();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut all, mut refused) = (0_u64, 0_u64);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        all += 1;
        let value = value(&line)
            .map_err(|error| Failure::wrong_use(&anyhow!("line {all} cannot be read: {error}")))?;
        let verdict = check(&constraints, &value, args, &runtime);
        refused += u64::from(verdict.is_err());
        writeln!(out, "{}", shown(all, &verdict, args.json))?;
    }
    out.flush()?;
    match refused {
        0 => Ok(()),
        _ => bail!("{refused} of {all} values are refused"),
    }
}

fn read(path: &Path) -> anyhow::Result<Constraints> {
    let raw = cardea_config::load_constraints(path)
        .map_err(|mistakes| anyhow!("{}", mistakes.to_string().trim_end()))?;
    let all = raw.iter().map(constraints::constraint);
    Ok(Constraints::new(all.collect::<anyhow::Result<_>>()?))
}

fn value(line: &str) -> anyhow::Result<Value> {
    if line.len() > LINE_BYTES_MAX {
        bail!("it is over {LINE_BYTES_MAX} bytes");
    }
    Ok(cardea_guard::constraint::value(line)?)
}

/// What is left to look at when it may not be looked at.
fn check(
    constraints: &Constraints,
    value: &Value,
    args: &GuardArgs,
    runtime: &Runtime,
) -> Result<Vec<Pending>, Refused> {
    let groups = args.groups.iter().map(String::as_str);
    let pending = match value {
        Value::Object(_) => constraints.check(value, groups)?,
        value => constraints.check_value(value, groups)?,
    };
    if !args.look {
        return Ok(pending);
    }
    match pending
        .iter()
        .find(|pending| !runtime.block_on(cardea_gateway::look(&pending.look)))
    {
        Some(pending) => Err(pending.refused()),
        None => Ok(Vec::new()),
    }
}

fn shown(line: u64, verdict: &Result<Vec<Pending>, Refused>, as_json: bool) -> String {
    let to_look = |pending: &[Pending]| -> Vec<String> {
        let looks = pending.iter().map(|pending| match &pending.look {
            Look::Host { host, .. } => format!("addresses of {host}"),
            Look::Path { path, .. } => format!("links in {path}"),
        });
        looks.collect()
    };
    match (verdict, as_json) {
        (Ok(pending), true) => {
            json!({"line": line, "pass": true, "to_look_at": to_look(pending)}).to_string()
        }
        (Err(refused), true) => json!({
            "line": line,
            "pass": false,
            "pointer": refused.pointer,
            "constraint": refused.constraint,
            "expected": refused.expected,
        })
        .to_string(),
        (Ok(pending), false) if pending.is_empty() => format!("{line}: pass"),
        (Ok(pending), false) => {
            format!("{line}: pass, if so are: {}", to_look(pending).join(", "))
        }
        (Err(refused), false) => format!("{line}: refused: {refused}"),
    }
}
