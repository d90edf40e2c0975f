//! `cardea policy schema`: the arguments of tools as policies see them.

use std::io::Write as _;

use anyhow::{anyhow, bail};
use cardea_policy::{Arguments, arguments_text, text_of};
use serde_json::json;

use super::Failure;
use crate::cli::ToolSchemaArgs;

pub(super) fn run(args: &ToolSchemaArgs) -> anyhow::Result<()> {
    let name = args.tools.display();
    let definitions = cardea_config::load_definitions(&args.tools)
        .map_err(|error| Failure::wrong_use(&anyhow!("`{name}`: {error}")))?;
    let mut out = std::io::stdout().lock();
    if let Some(tool) = &args.tool {
        let Some(raw) = definitions.get(tool) else {
            let names: Vec<_> = definitions.keys().map(String::as_str).collect();
            let help = names.join(", ");
            let error = anyhow!("there is no tool `{tool}` in `{name}`; there are: {help}");
            return Err(Failure::wrong_use(&error).into());
        };
        let text = text_of(&Arguments::of_definition(raw));
        let text = text.map_err(|error| anyhow!("`{tool}` has no valid schema: {error}"))?;
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    let (mut failed, mut documents) = (0_usize, Vec::new());
    for (tool, raw) in &definitions {
        let arguments = Arguments::of_definition(raw);
        let unreadable = arguments.unreadable();
        let text = arguments_text(&arguments);
        failed += usize::from(text.is_err());
        if args.json {
            documents.push(json!({
                "tool": tool,
                "valid": text.is_ok(),
                "error": text.as_ref().err(),
                "arguments": arguments.to_cedar_json(),
                "unreadable": unreadable,
            }));
            continue;
        }
        writeln!(out, "// {}", tool.escape_debug())?;
        match text {
            Ok(text) => writeln!(out, "{}", text.trim())?,
            Err(error) => writeln!(out, "// no valid schema: {error}")?,
        }
        for told in unreadable {
            writeln!(out, "// policies cannot read {}", told.escape_debug())?;
        }
        writeln!(out)?;
    }
    if args.json {
        writeln!(out, "{:#}", serde_json::Value::Array(documents))?;
    }
    out.flush()?;
    match failed {
        0 => Ok(()),
        _ => bail!(
            "{failed} of {} tools have no valid schema",
            definitions.len()
        ),
    }
}
