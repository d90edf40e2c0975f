//! The arguments of a call, against the schema of its tool and the constraints of the configuration.
//!
//! Done with the arguments as they go upstream: what the gateway has set for the tenant is checked as well.

use cardea_domain::{Denial, Principal};
use cardea_mcp::{Kind, Message};
use cardea_registry::Known;
use serde_json::Value;

use super::Ask;
use crate::{
    firewall::{self, Firewall},
    look::look,
    world::World,
};

/// Whether arguments are all that they have to be.
#[derive(Debug)]
pub(super) enum Screened {
    /// They are, or nothing is asked of them.
    Good,
    /// They have to be held to a schema that the server has not listed yet.
    AwaitsSchema(Value),
}

impl Screened {
    /// Checks the arguments of a `tools/call`; looks at hosts and links that constraints speak of.
    ///
    /// # Errors
    /// The denial to answer with.
    pub(super) async fn check(
        world: &World,
        known: &Known,
        principal: &Principal,
        ask: &Ask,
    ) -> Result<Self, Denial> {
        match ask {
            Ask::Message(message) => Self::check_message(world, known, principal, message).await,
            Ask::Stream | Ask::End => Ok(Self::Good),
        }
    }

    /// The same, of a message as it would go upstream.
    ///
    /// # Errors
    /// The denial to answer with.
    pub(super) async fn check_message(
        world: &World,
        known: &Known,
        principal: &Principal,
        message: &Message,
    ) -> Result<Self, Denial> {
        let Some(firewall) = world.firewall(known) else {
            return Ok(Self::Good);
        };
        if message.kind() != Kind::Request || message.method() != "tools/call" {
            return Ok(Self::Good);
        }
        let tool = message.body_str("name").unwrap_or_default();
        let constraints = firewall.constraints(&tool);
        if constraints.is_empty() && !firewall.checks_arguments() && !firewall.checks_results() {
            return Ok(Self::Good);
        }
        let arguments = firewall::arguments(message)?;
        let groups = principal.groups.iter().map(|group| &**group);
        let pending = constraints
            .check(&arguments, groups)
            .map_err(|refused| firewall::not_admitted(&refused))?;
        for pending in &pending {
            if !look(&pending.look).await {
                return Err(firewall::not_admitted(&pending.refused()));
            }
        }
        match by_schema(firewall, known, &tool, &arguments) {
            Some(checked) => checked.map(|()| Self::Good),
            None => Ok(Self::AwaitsSchema(arguments)),
        }
    }

    /// Checks what had to wait, once the server was asked for its list.
    ///
    /// # Errors
    /// The denial to answer with; what is still not listed cannot be called.
    pub(super) fn check_late(
        &self,
        world: &World,
        known: &Known,
        tool: &str,
    ) -> Result<(), Denial> {
        let (Self::AwaitsSchema(arguments), Some(firewall)) = (self, world.firewall(known)) else {
            return Ok(());
        };
        by_schema(firewall, known, tool, arguments).unwrap_or_else(|| Err(firewall::not_listed()))
    }
}

/// `None` when the tool has not been listed.
fn by_schema(
    firewall: &Firewall,
    known: &Known,
    tool: &str,
    arguments: &Value,
) -> Option<Result<(), Denial>> {
    if !firewall.checks_arguments() && !firewall.checks_results() {
        return Some(Ok(()));
    }
    let definition = known.definitions().tool(tool)?;
    Some(match firewall.checks_arguments() {
        true => firewall.check_arguments(tool, &definition, arguments),
        false => Ok(()),
    })
}
