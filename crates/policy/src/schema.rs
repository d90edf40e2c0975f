//! The schemas that policies are validated against, in Cedar's schema syntax.

use cedar_policy::{Schema, SchemaFragment};

const ENTITIES: &str = include_str!("schema/entities.cedarschema");
const CALLS: &str = include_str!("schema/calls.cedarschema");
const APPROVALS: &str = include_str!("schema/approvals.cedarschema");

/// What policies decide about. What speaks of one is nonsense to the other, so that no file can be
/// taken for what it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Calls.
    Calls,
    /// Requests for access.
    Approvals,
}

/// The whole schema.
pub(crate) fn of(about: About) -> Result<Schema, String> {
    let actions = match about {
        About::Calls => CALLS,
        About::Approvals => APPROVALS,
    };
    let fragment = |text: &str| match SchemaFragment::from_cedarschema_str(text) {
        Ok((fragment, _)) => Ok(fragment),
        Err(error) => Err(error.to_string()),
    };
    Schema::from_schema_fragments([fragment(ENTITIES)?, fragment(actions)?])
        .map_err(|error| error.to_string())
}
