//! Where a stream can be resumed, and what a resumed one still has to answer.

use cardea_mcp::{Era, header, method};
use serde::{Deserialize, Serialize};

use super::{Awaited, Relay};
use crate::{
    results::ResultOf,
    seal::Purpose,
    upstream::Alias,
    way::Authorised,
    world::{Gateway, World},
};

/// What a sealed position says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// The upstream's own event id.
    event: String,
    /// The raw id of the request that the stream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Under which id the upstream knows it, raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// What the answer is the result of: it is checked on whatever stream it comes.
    #[serde(default)]
    of: ResultOf,
}

impl Relay {
    /// The position after an event, for the client.
    pub(super) fn seal(&self, event: String) -> Option<String> {
        let position = Position {
            event,
            id: self.awaited.as_ref().map(|a| a.id.clone()),
            alias: self.call.alias().map(|alias| alias.ours().to_owned()),
            method: self
                .awaited
                .as_ref()
                .and_then(|a| a.method)
                .map(|m| m.name.to_owned()),
            of: (self.awaited.as_ref()).map_or(ResultOf::Other, |a| a.of.clone()),
        };
        let text = serde_json::to_string(&position).ok()?;
        self.gateway.sealer.seal(
            Purpose::Position,
            self.call.principal(),
            self.call.known().id(),
            &text,
        )
    }
}

/// What a resumed stream answers. Where the tenant's rules for it cannot be told, nothing is
/// awaited, and an answer is refused.
pub(super) fn resumed(world: &World, call: &Authorised, position: Position) -> Option<Awaited> {
    let method = position
        .method
        .and_then(|name| method::lookup(&name, Era::Legacy));
    let is_tool_call = method.is_some_and(|m| m.name == "tools/call");
    let guard = match is_tool_call {
        true => {
            let tool = position.of.tool()?;
            match world.rules(call.known()) {
                Some(rules) => rules.of(&call.principal().tenant, tool).ok()?,
                None => None,
            }
        }
        false => None,
    };
    Some(Awaited {
        id: position.id?,
        method,
        of: position.of,
        guard,
    })
}

impl Gateway {
    /// The position from which the client of this call wants to resume.
    pub(super) fn open_position(&self, call: &Authorised) -> Option<Position> {
        let sealed = call.headers().get(header::LAST_EVENT_ID)?.to_str().ok()?;
        let text = self.sealer.open(
            Purpose::Position,
            call.principal(),
            call.known().id(),
            sealed,
        )?;
        serde_json::from_str(&text).ok()
    }

    /// The id under which the upstream knows the request whose stream is resumed.
    pub(crate) fn resumed_alias(&self, call: &Authorised) -> Option<Alias> {
        let position = self.open_position(call)?;
        Some(Alias::resumed(position.alias?, position.id?))
    }

    /// The upstream's own event id to resume from.
    pub(crate) fn position(&self, call: &Authorised) -> Option<String> {
        self.open_position(call).map(|position| position.event)
    }
}
