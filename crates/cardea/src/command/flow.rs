//! `cardea flow labels`: labels for tools, for an administrator to confirm.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cli::{FlowCommand, LabelsArgs};

pub(super) fn run(command: &FlowCommand) -> anyhow::Result<()> {
    match command {
        FlowCommand::Labels(args) => labels(args),
    }
}

fn labels(args: &LabelsArgs) -> anyhow::Result<()> {
    let mut lines = std::collections::BTreeMap::new();
    for path in &args.files {
        let name = path.display().to_string();
        let listed: Value =
            serde_json::from_str(&read(path)?).with_context(|| format!("`{name}` is no JSON"))?;
        let tools = ["/result/tools", "/tools", ""]
            .iter()
            .find_map(|pointer| listed.pointer(pointer)?.as_array());
        let Some(tools) = tools else {
            bail!("`{name}` is no answer to `tools/list`: there is no list of tools in it");
        };
        for tool in tools {
            let Some(name) = tool.get("name").and_then(Value::as_str) else {
                bail!("`{}` has a tool without a name", path.display());
            };
            // Quoted as JSON, which is YAML: a name is the server's word.
            let line = format!("{}: [{}]", Value::from(name), cardea_flow::suggest(tool));
            lines.insert(name.to_owned(), line);
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "# Suggested from names, schemas and annotations, which are the server's word: look at each line."
    )?;
    for line in lines.values() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))
}
