//! How often flags are raised on tools of real servers, as if one tenant had them all, and how many look-alikes of the
//! same tools they find: `squatting FILE…`, each the answer to `tools/list` of one server. See `make eval-squatting`.

use std::{fs, io::Write as _, path::Path, process::ExitCode};

use anyhow::Context as _;
use cardea_domain::UpstreamId;
use cardea_registry::{DefinitionKind, Flag, Named, Neighbours, Weight};
use serde_json::{Value, json};

/// False alarms, in per cent of the tools.
const ALARMS_PCT_MAX: f64 = 1.0;

struct Tool {
    upstream: UpstreamId,
    name: String,
    raw: String,
}

impl Tool {
    fn named(&self) -> Named<'_> {
        Named {
            upstream: &self.upstream,
            kind: DefinitionKind::Tool,
            name: &self.name,
            raw: &self.raw,
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let mut tools = Vec::new();
    for file in std::env::args().skip(1) {
        tools.extend(read(Path::new(&file)).with_context(|| file.clone())?);
    }
    let neighbours = Neighbours::of(tools.iter().map(Tool::named), []);
    let mut out = std::io::stdout().lock();
    let (mut alarms, mut notes) = (0_usize, 0_usize);
    for tool in &tools {
        let flags = neighbours.flags(tool.named());
        let (of_tool, rest): (Vec<_>, Vec<_>) =
            flags.iter().partition(|flag| flag.weight == Weight::Alarm);
        alarms += usize::from(!of_tool.is_empty());
        notes += usize::from(!rest.is_empty());
        for Flag { text, .. } in of_tool {
            writeln!(out, "alarm: {}/{}: {text}", tool.upstream, tool.name)?;
        }
    }
    let (mut made, mut found) = (0_usize, 0_usize);
    let rogue = UpstreamId::parse("rogue")?;
    for tool in &tools {
        for name in look_alikes(&tool.name) {
            let raw = json!({ "name": name, "description": "Does it better." }).to_string();
            let flags = neighbours.flags(Named {
                upstream: &rogue,
                kind: DefinitionKind::Tool,
                name: &name,
                raw: &raw,
            });
            made += 1;
            match flags.iter().any(|flag| flag.weight == Weight::Alarm) {
                true => found += 1,
                false => writeln!(out, "missed: {name} for {}", tool.name)?,
            }
        }
    }
    let pct = |part: usize, of: usize| (part as f64) * 100.0 / (of.max(1) as f64);
    let alarms_pct = pct(alarms, tools.len());
    let summary = json!({
        "tools": tools.len(),
        "alarms": alarms,
        "alarms_pct": round(alarms_pct),
        "notes": notes,
        "look_alikes": made,
        "found": found,
        "found_pct": round(pct(found, made)),
    });
    writeln!(out, "{summary}")?;
    Ok(match alarms_pct < ALARMS_PCT_MAX && !tools.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read(file: &Path) -> anyhow::Result<Vec<Tool>> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let slug = stem
        .unwrap_or("server")
        .to_lowercase()
        .replace(['_', '.'], "-");
    let upstream = UpstreamId::parse(&slug)?;
    let document: Value = serde_json::from_slice(&fs::read(file)?)?;
    let tools = document
        .get("tools")
        .or_else(|| document.pointer("/result/tools"));
    let tools = tools.and_then(Value::as_array).context("no `tools`")?;
    let tool = |tool: &Value| {
        Some(Tool {
            upstream: upstream.clone(),
            name: tool.get("name")?.as_str()?.to_owned(),
            raw: tool.to_string(),
        })
    };
    Ok(tools.iter().filter_map(tool).collect())
}

/// What a squatter would call a tool, made without looking at how flags are found.
fn look_alikes(name: &str) -> Vec<String> {
    let swapped: String = {
        let mut chars: Vec<char> = name.chars().collect();
        let middle = chars.len() / 2;
        if middle > 0 {
            chars.swap(middle - 1, middle);
        }
        chars.into_iter().collect()
    };
    let made = [
        name.replace('_', "-"),
        name.replace(['_', '-'], ""),
        name.to_uppercase(),
        format!("{name}_"),
        name.replacen('o', "0", 1),
        name.replacen('l', "1", 1),
        name.replacen('a', "\u{430}", 1),
        name.replacen('e', "\u{435}", 1),
        format!("{name}\u{200b}"),
        swapped,
    ];
    let mut made: Vec<String> = made.into_iter().filter(|alike| alike != name).collect();
    made.sort_unstable();
    made.dedup();
    made
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
