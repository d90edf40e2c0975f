//! The schemas that policies are validated against, in Cedar's schema syntax.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::json;

use crate::Arguments;

const ENTITIES: &str = include_str!("schema/entities.cedarschema");
const CALLS: &str = include_str!("schema/calls.cedarschema");
const APPROVALS: &str = include_str!("schema/approvals.cedarschema");

/// What policies decide about. What speaks of one is nonsense to the other, so that no file can be
/// taken for what it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About<'a> {
    /// Calls; of a tool with these arguments. Without any, every policy that reads one is wrong.
    Calls(&'a Arguments),
    /// Requests for access.
    Approvals,
}

/// The whole schema.
pub(crate) fn of(about: &About<'_>) -> Result<Schema, String> {
    Schema::from_schema_fragments(fragments(about)?).map_err(|error| error.to_string())
}

/// The schema of policies over calls of a tool with these arguments, as text.
///
/// # Errors
/// What Cedar has against it; no definition of a tool is known to bring that about.
pub fn text_of(arguments: &Arguments) -> Result<String, String> {
    of(&About::Calls(arguments))?;
    let args = args(arguments)?.to_cedarschema();
    Ok(format!(
        "{ENTITIES}\n{CALLS}\n{}",
        args.map_err(|e| e.to_string())?
    ))
}

/// The type `Args` alone, as text.
///
/// # Errors
/// As [`text_of`].
pub fn arguments_text(arguments: &Arguments) -> Result<String, String> {
    of(&About::Calls(arguments))?;
    args(arguments)?.to_cedarschema().map_err(|e| e.to_string())
}

fn fragments(about: &About<'_>) -> Result<Vec<SchemaFragment>, String> {
    Ok(match about {
        About::Calls(arguments) => {
            vec![fragment(ENTITIES)?, fragment(CALLS)?, args(arguments)?]
        }
        About::Approvals => vec![fragment(ENTITIES)?, fragment(APPROVALS)?],
    })
}

fn fragment(text: &str) -> Result<SchemaFragment, String> {
    match SchemaFragment::from_cedarschema_str(text) {
        Ok((fragment, _)) => Ok(fragment),
        Err(error) => Err(error.to_string()),
    }
}

fn args(arguments: &Arguments) -> Result<SchemaFragment, String> {
    let json = json!({
        "Cardea": {
            "commonTypes": { "Args": arguments.to_cedar_json() },
            "entityTypes": {},
            "actions": {},
        }
    });
    SchemaFragment::from_json_value(json).map_err(|e| e.to_string())
}
