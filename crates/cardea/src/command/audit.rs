//! `cardea audit`: what happened, and whether the record of it is whole.

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, bail};
use cardea_audit::{Filter, Finding, Report, render, tail, verify};

use crate::cli::{AuditCommand, TailArgs};

pub(super) fn run(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(args) => check(&super::load(&args.config)?.audit.dir),
        AuditCommand::Tail(args) => print(args, &super::load(&args.config.config)?.audit.dir),
    }
}

fn check(folder: &Path) -> anyhow::Result<()> {
    let report = verify(folder).with_context(|| unreadable(folder))?;
    let mut out = std::io::stdout().lock();
    for warning in &report.warnings {
        writeln!(out, "warning: {}", shown(warning))?;
    }
    for problem in &report.problems {
        writeln!(out, "problem: {}", shown(problem))?;
    }
    write!(out, "{}", summary(&report))?;
    out.flush()?;
    if report.is_sound() {
        Ok(())
    } else {
        bail!("the log is not whole: {} problems", report.problem_count)
    }
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

fn print(args: &TailArgs, folder: &Path) -> anyhow::Result<()> {
    let mut records =
        tail(folder, args.lines, Filter::default()).with_context(|| unreadable(folder))?;
    let mut out = std::io::stdout().lock();
    let mut line = |record: &str| {
        let readable = if args.json { None } else { render(record) };
        writeln!(out, "{}", readable.as_deref().unwrap_or(record))?;
        out.flush()
    };
    for record in records.by_ref() {
        line(&record?)?;
    }
    if !args.follow {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        loop {
            line(&records.follow().await?)?;
        }
    })
}

fn unreadable(folder: &Path) -> String {
    format!(
        "the audit log in {} cannot be read; has the gateway run with this configuration?",
        folder.display()
    )
}
