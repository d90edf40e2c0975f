//! What is printed and kept: the table for people, the JSON object for programs.

use std::{fmt::Write as _, fs};

use anyhow::Result;
use cardea_bench::stats::median;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Findings,
    comparison::{CellFigures, Comparison, HopFigures},
    rounds::{Hop, Plan, Run},
};

/// Syncs a call waits for: the record of the intent before it, the record of the outcome after it.
const SYNCS_PER_CALL: f64 = 2.0;

/// A comparison and what it is called.
type Named = (&'static str, fn(&CellFigures) -> &Option<Comparison>);

/// What binding costs, as ratios to bearer tokens.
const BOUND: [Named; 2] = [
    ("dpop over bearer", |figures| &figures.dpop_over_cardea),
    ("mtls over bearer", |figures| &figures.mtls_over_cardea),
];

/// What checks of arguments and results cost, each over the gateway that has all but it.
const CHECKS: [Named; 4] = [
    ("schemas", |figures| &figures.cardea_over_unchecked),
    ("constraints", |figures| &figures.constrained_over_cardea),
    ("flow", |figures| &figures.flow_over_constrained),
    ("schemas, constraints and flow", |figures| {
        &figures.flow_over_unchecked
    }),
];

/// Where it was measured: a number without its machine is none.
#[derive(Debug, Serialize)]
struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    date: String,
}

/// The disk's own time for append and fdatasync, medians over the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Disk {
    p50: f64,
    p99: f64,
}

/// Everything that is reported.
pub(crate) struct Summary {
    machine: Machine,
    plan: Plan,
    cells: Vec<CellFigures>,
    disk: Disk,
    findings: Findings,
}

impl Summary {
    pub(crate) fn of(plan: &Plan, findings: Findings) -> Result<Self> {
        let machine = Machine {
            cpu: cpu_name()?,
            cores: std::thread::available_parallelism()?.get(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            date: findings.date.clone(),
        };
        let disk = Disk {
            p50: median(findings.disk.iter().map(|report| report.p50_us)).unwrap_or(0.0),
            p99: median(findings.disk.iter().map(|report| report.p99_us)).unwrap_or(0.0),
        };
        let cells = plan
            .cells
            .iter()
            .map(|cell| CellFigures::of(*cell, &findings.runs))
            .collect();
        Ok(Self {
            machine,
            plan: plan.clone(),
            cells,
            disk,
            findings,
        })
    }

    pub(crate) fn date(&self) -> &str {
        &self.machine.date
    }

    /// Failed calls of all runs.
    pub(crate) fn errors(&self) -> u64 {
        self.findings.runs.iter().map(|run| run.report.errors).sum()
    }

    /// Every run as a line of JSON.
    pub(crate) fn run_lines(&self) -> String {
        let line = |run: &Run| serde_json::to_string(run).expect("plain data") + "\n";
        self.findings.runs.iter().map(line).collect()
    }

    /// The whole as one line of JSON; what was not measured is null.
    pub(crate) fn json(&self) -> String {
        let small_64 = self
            .small(64)
            .and_then(|cell| cell.cardea_over_nginx.as_ref());
        let small_1 = self
            .small(1)
            .and_then(|cell| cell.cardea_over_direct.as_ref());
        let small_1_nginx = self
            .small(1)
            .and_then(|cell| cell.cardea_over_nginx.as_ref());
        let object = json!({
            "machine": self.machine,
            "plan": self.plan,
            "cells": self.cells,
            "ratio_rps_64_small": small_64.map(|comparison| comparison.ratio_rps),
            "ratio_cpu_64_small": small_64.map(|comparison| comparison.ratio_cpu),
            "added_p50_us_1_small": small_1.map(|comparison| comparison.added_p50_us),
            "added_p99_us_1_small": small_1.map(|comparison| comparison.added_p99_us),
            "added_p99_us_1_small_over_nginx": small_1_nginx.map(|comparison| comparison.added_p99_us),
            "added_p50_us_1_small_less_syncs": small_1.map(|comparison| comparison.added_p50_us - SYNCS_PER_CALL * self.disk.p50),
            "added_p99_us_1_small_less_syncs": small_1.map(|comparison| comparison.added_p99_us - SYNCS_PER_CALL * self.disk.p99),
            "bound_over_bearer": self.lines(&BOUND),
            "checks": self.lines(&CHECKS),
            "disk_sync_us": self.disk,
            "audit_bytes_per_call": self.findings.audit_bytes_per_call,
            "rss_mb_after": self.findings.rss_mb_after,
            "idle_session_bytes": self.findings.idle.as_ref().map(|idle| idle.bytes_per_session),
            "idle_sessions": self.findings.idle.as_ref().map(|idle| idle.sessions),
            "errors": self.errors(),
        });
        rounded(object).to_string()
    }

    /// The table and what belongs below it.
    pub(crate) fn text(&self) -> String {
        let Machine {
            cpu,
            cores,
            kernel,
            date,
        } = &self.machine;
        let Plan {
            rounds,
            seconds,
            warmup,
            protocol,
            ..
        } = &self.plan;
        let mut text = format!(
            "{cpu}, {cores} cores, Linux {kernel}, {date}; protocol {protocol}; medians of {rounds} rounds of {seconds} s after {warmup} s of warm-up\n\n"
        );
        text.push_str("| conns | result | hop | calls/s | p50 us | p99 us | CPU us/call | of nginx: calls/s | CPU | over nginx: p50 us | p99 us | over direct: p50 us | p99 us | RSS MiB | other cores | errors |\n");
        text.push_str("|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        for cell in &self.cells {
            text.push_str(&rows(cell));
        }
        text.push('\n');
        text.push_str(&self.notes());
        text
    }

    fn notes(&self) -> String {
        let Disk { p50, p99 } = self.disk;
        let mut notes =
            format!("Disk: append of 512 B and fdatasync p50 {p50:.0} us, p99 {p99:.0} us.\n");
        if let Some(over) = self
            .small(1)
            .and_then(|cell| cell.cardea_over_direct.as_ref())
        {
            let _infallible = writeln!(
                notes,
                "1 connection, small: the gateway adds p50 {:.0} us, p99 {:.0} us; less two syncs of the disk p50 {:.0} us, p99 {:.0} us.",
                over.added_p50_us,
                over.added_p99_us,
                over.added_p50_us - SYNCS_PER_CALL * p50,
                over.added_p99_us - SYNCS_PER_CALL * p99,
            );
        }
        let lines = self.lines(&BOUND).into_iter().chain(self.lines(&CHECKS));
        for line in lines.map(rounded) {
            let _infallible = writeln!(
                notes,
                "{}, {} connections, {} B: calls/s x {}, CPU x {}, p50 +{} us, p99 +{} us.",
                line["what"].as_str().unwrap_or_default(),
                line["connections"],
                line["size"],
                line["ratio_rps"],
                line["ratio_cpu"],
                line["added_p50_us"],
                line["added_p99_us"],
            );
        }
        if let (Some(rss), Some(bytes)) = (
            self.findings.rss_mb_after,
            self.findings.audit_bytes_per_call,
        ) {
            let _infallible = writeln!(
                notes,
                "Memory after the rounds {rss:.1} MiB; {bytes:.0} bytes of state written a call."
            );
        }
        if let Some(idle) = &self.findings.idle {
            let _infallible = writeln!(
                notes,
                "{} idle sessions: {:.0} bytes each.",
                idle.sessions, idle.bytes_per_session
            );
        }
        if let Some(error) = self
            .findings
            .runs
            .iter()
            .find_map(|run| run.report.first_error.as_ref())
        {
            let _infallible = writeln!(
                notes,
                "{} CALLS FAILED, the first of them: {error}",
                self.errors()
            );
        }
        notes.push('\n');
        notes
    }

    /// These comparisons, in each cell in which they were measured.
    fn lines(&self, over: &[Named]) -> Vec<Value> {
        let measured = self.cells.iter().flat_map(|figures| {
            over.iter()
                .map(|(what, over)| (figures.cell, what, over(figures).as_ref()))
        });
        let lines = measured.filter_map(|(cell, what, over)| {
            let over = over?;
            Some(json!({
                "connections": cell.connections,
                "size": cell.size,
                "what": what,
                "ratio_rps": over.ratio_rps,
                "ratio_cpu": over.ratio_cpu,
                "ratio_cpu_range": over.ratio_cpu_range,
                "added_p50_us": over.added_p50_us,
                "added_p99_us": over.added_p99_us,
            }))
        });
        lines.collect()
    }

    /// The cell of that many connections with nothing but the message in its results.
    fn small(&self, connections: usize) -> Option<&CellFigures> {
        self.cells
            .iter()
            .find(|figures| figures.cell.connections == connections && figures.cell.size == 0)
    }
}

fn rows(figures: &CellFigures) -> String {
    let hops = [
        (Hop::Direct, &figures.direct, None, None),
        (
            Hop::Nginx,
            &figures.nginx,
            None,
            figures.nginx_over_direct.as_ref(),
        ),
        (
            Hop::Cardea,
            &figures.cardea,
            figures.cardea_over_nginx.as_ref(),
            figures.cardea_over_direct.as_ref(),
        ),
        (Hop::Dpop, &figures.dpop, None, None),
        (Hop::Mtls, &figures.mtls, None, None),
        (Hop::Unchecked, &figures.unchecked, None, None),
        (Hop::Constrained, &figures.constrained, None, None),
        (Hop::Flow, &figures.flow, None, None),
    ];
    let size = match figures.cell.size {
        0 => "small".to_owned(),
        bytes => format!("{bytes} B"),
    };
    let mut rows = String::new();
    for (hop, hop_figures, over_nginx, over_direct) in hops {
        let Some(HopFigures {
            rps,
            p50_us,
            p99_us,
            cpu_us_per_call,
            rss_mb,
            errors,
            other_cores_max,
            ..
        }) = hop_figures
        else {
            continue;
        };
        let _infallible = writeln!(
            rows,
            "| {} | {size} | {} | {rps:.0} | {p50_us:.0} | {p99_us:.0} | {cpu_us_per_call:.1} | {} | {} | {} | {} | {} | {} | {rss_mb:.1} | {other_cores_max:.2} | {errors} |",
            figures.cell.connections,
            format!("{hop:?}").to_lowercase(),
            shown(over_nginx, 3, |over| over.ratio_rps),
            shown(over_nginx, 2, |over| over.ratio_cpu),
            shown(over_nginx, 0, |over| over.added_p50_us),
            shown(over_nginx, 0, |over| over.added_p99_us),
            shown(over_direct, 0, |over| over.added_p50_us),
            shown(over_direct, 0, |over| over.added_p99_us),
        );
    }
    rows
}

fn shown(comparison: Option<&Comparison>, digits: usize, figure: fn(&Comparison) -> f64) -> String {
    comparison.map_or("-".to_owned(), |comparison| {
        format!("{:.digits$}", figure(comparison))
    })
}

/// Three digits after the point: more of them would only look exact.
fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().map_or(Value::Null, |float| {
            json!((float * 1000.0).round() / 1000.0)
        }),
        Value::Array(values) => values.into_iter().map(rounded).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, rounded(value)))
            .collect(),
        other => other,
    }
}

fn cpu_name() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(name
        .map_or("unknown cpu", |(_, name)| name.trim())
        .to_owned())
}
