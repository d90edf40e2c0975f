//! `cardea sandbox doctor`: which layers this machine has, found out by putting them on.

mod measure;

use std::{collections::BTreeMap, io::Write as _};

use anyhow::{Context as _, bail};
use cardea_sandbox::{Cgroup, Launcher, Layer, Missing, missing};
use serde_json::json;

use crate::cli::{DoctorArgs, SandboxCommand};

pub(super) fn run(command: &SandboxCommand) -> anyhow::Result<()> {
    match command {
        SandboxCommand::Doctor(args) => block_on(doctor(args)),
        SandboxCommand::Measure(args) => block_on(measure::run(args)),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

async fn doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    let missing = missing(&Launcher::default())
        .await
        .context("nothing can be said of this machine")?;
    let text = match args.json {
        true => format!("{:#}\n", document(&missing)),
        false => table(&missing),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    match missing.len() {
        0 => Ok(()),
        1 => bail!("a layer is missing: servers with `sandbox.mode: strict` are not started"),
        n => bail!("{n} layers are missing: servers with `sandbox.mode: strict` are not started"),
    }
}

fn table(missing: &BTreeMap<Layer, Missing>) -> String {
    let width = Layer::ALL.map(|layer| layer.name().len());
    let width = width.into_iter().max().unwrap_or_default();
    let mut text = String::new();
    for layer in Layer::ALL {
        let name = layer.name();
        match missing.get(&layer) {
            None => text.push_str(&format!("{name:width$}  there\n")),
            Some(missing) => text.push_str(&format!(
                "{name:width$}  MISSING  {}\n{:width$}           {}\n",
                missing.what,
                "",
                layer.remedy()
            )),
        }
    }
    let groups = match Cgroup::is_available() {
        true => "there: memory is bounded for all processes of a server together",
        false => "not there: memory is bounded for each process (no layer needs them)",
    };
    text.push_str(&format!("{:width$}  {groups}\n", "control groups"));
    text
}

fn document(missing: &BTreeMap<Layer, Missing>) -> serde_json::Value {
    let layers = Layer::ALL.map(|layer| match missing.get(&layer) {
        None => json!({"layer": layer.name(), "there": true}),
        Some(missing) => json!({
            "layer": layer.name(),
            "there": false,
            "why": missing.what,
            "help": layer.remedy(),
        }),
    });
    json!({
        "strict": missing.is_empty(),
        "layers": layers,
        "control_groups": Cgroup::is_available(),
    })
}
