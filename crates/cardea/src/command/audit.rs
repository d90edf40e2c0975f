//! `cardea audit`: what happened, and whether the records of it are whole.

use std::{collections::VecDeque, io::Write as _, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use cardea_audit::{Filter, Finding, Owner, Partition, Report, Tail, render, tail, verify};
use cardea_domain::TenantId;
use serde_json::Value;

use crate::cli::{AuditCommand, LogArgs, TailArgs};

/// How often followed logs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) fn run(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(args) => check(&logs(args)?),
        AuditCommand::Tail(args) => print(args, &logs(&args.logs)?),
    }
}

/// The logs that are asked for, each one there.
fn logs(args: &LogArgs) -> anyhow::Result<Vec<Partition>> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => super::load(&args.config.config)?.audit.dir,
    };
    let all = Partition::all(&dir).with_context(|| unreadable(&dir))?;
    let Some(wanted) = &args.tenant else {
        return Ok(all);
    };
    let tenant = TenantId::parse(wanted)?;
    let owners: Vec<_> = all.iter().map(|log| log.owner.to_string()).collect();
    let found: Vec<_> = all
        .into_iter()
        .filter(|log| log.owner == Owner::Tenant(tenant.clone()))
        .collect();
    if found.is_empty() {
        bail!(
            "there is no log of the tenant `{tenant}` in {}; there are those of: {}",
            dir.display(),
            owners.join(", ")
        );
    }
    Ok(found)
}

fn check(logs: &[Partition]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut problems = 0;
    let mut broken = Vec::new();
    for log in logs {
        let report = verify(&log.dir).with_context(|| unreadable(&log.dir))?;
        writeln!(out, "{}:", log.owner)?;
        for warning in &report.warnings {
            writeln!(out, "warning: {}", shown(warning))?;
        }
        for problem in &report.problems {
            writeln!(out, "problem: {}", shown(problem))?;
        }
        write!(out, "{}", summary(&report))?;
        problems += report.problem_count;
        if !report.is_sound() {
            broken.push(log.owner.to_string());
        }
    }
    out.flush()?;
    if broken.is_empty() {
        return Ok(());
    }
    bail!(
        "the log is not whole: {problems} problems in that of: {}",
        broken.join(", ")
    );
}

fn shown(finding: &Finding) -> String {
    match finding.line {
        Some(line) => format!("{}:{line}: {}", finding.file.display(), finding.what),
        None => format!("{}: {}", finding.file.display(), finding.what),
    }
}

fn summary(report: &Report) -> String {
    let (Some(first), Some(last)) = (&report.first, &report.last) else {
        return "no records\n".to_owned();
    };
    let verdict = if report.is_sound() { "ok" } else { "broken" };
    format!(
        "{verdict}: {} records in {} files, {} to {}\nlast: record {} with hash {}\nintents without an outcome: {}\n",
        report.records,
        report.files,
        first.time,
        last.time,
        last.seq,
        last.hash,
        report.open_intents,
    )
}

fn print(args: &TailArgs, logs: &[Partition]) -> anyhow::Result<()> {
    let mut tails = logs
        .iter()
        .map(|log| {
            tail(&log.dir, args.lines, Filter::default()).with_context(|| unreadable(&log.dir))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut out = std::io::stdout().lock();
    let mut line = |record: &str| {
        let readable = if args.json { None } else { render(record) };
        writeln!(out, "{}", readable.as_deref().unwrap_or(record))?;
        out.flush()
    };
    for record in newest(&mut tails, args.lines)? {
        line(&record)?;
    }
    if !args.follow {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for record in newest(&mut tails, usize::MAX)? {
                line(&record)?;
            }
        }
    })
}

/// The newest records of all logs that are there now, the newest last.
fn newest(tails: &mut [Tail], lines: usize) -> anyhow::Result<VecDeque<String>> {
    let mut found = Vec::new();
    for tail in tails {
        // A log's own order stands: of two records that were handed over at once, the one that is
        // written first may have the later time.
        let mut latest = String::new();
        for record in tail.by_ref() {
            let record = record?;
            latest = latest.max(time(&record));
            found.push((latest.clone(), record));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut newest: VecDeque<_> = found.into_iter().map(|(_, record)| record).collect();
    while newest.len() > lines {
        newest.pop_front();
    }
    Ok(newest)
}

/// A record's time: of fixed width, so that texts compare like times.
fn time(record: &str) -> String {
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    let time = record.get("time").and_then(Value::as_str);
    time.unwrap_or_default().to_owned()
}

fn unreadable(folder: &Path) -> String {
    format!(
        "the audit log in {} cannot be read; has the gateway run with this configuration?",
        folder.display()
    )
}
