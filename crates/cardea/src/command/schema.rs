//! `cardea schema`: what editors and readers need.

use std::io::Write as _;

use crate::cli::SchemaArgs;

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let text = if args.reference {
        cardea_config::reference()
    } else {
        format!("{:#}\n", cardea_config::json_schema())
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
