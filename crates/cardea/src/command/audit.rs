//! `cardea audit`: what happened, and whether the record of it is whole.
use crate::cli::AuditCommand;
pub(super) fn run(_command: &AuditCommand) -> anyhow::Result<()> { anyhow::bail!("not yet") }
