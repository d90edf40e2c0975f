//! What the gateway adds to a call on behalf of its tenant: arguments, headers, identity.
//!
//! Done once the call is permitted and before its intent is recorded, so that the record shows
//! the arguments as they go upstream. The message stays what it was but for these spans.

use bytes::Bytes;
use cardea_domain::{Action, Code, Denial, Principal};
use cardea_guard::tenant::{ArgumentRefused, Guard};
use cardea_mcp::{
    Era, Kind, Limits as JsonLimits, Message, header, json::Level, meta, param_header,
};
use cardea_registry::Known;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Ask;
use crate::{facts::Facts, protocol::Dialect, world::World};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    /// The tenant's rules for the tool that is called.
    pub(super) guard: Option<Guard>,
    /// Whether results of this upstream are checked: nothing of it goes another way.
    pub(super) is_confined: bool,
    /// Headers that go upstream with the call and no client can set.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Levels of nesting that made parents and metadata may add.
const DEPTH_ADDED: usize = 40;

impl Guarded {
    /// Applies the tenant's rules and signs who calls; changes the message and its headers.
    pub(super) fn apply(
        world: &World,
        known: &Known,
        principal: &Principal,
        dialect: Dialect,
        ask: &mut Ask,
        headers: &mut HeaderMap,
        facts: &mut Facts,
    ) -> Result<Self, Denial> {
        let rules = world.rules(known);
        let identity = world.identity(known);
        if let Some(name) = identity.and_then(|identity| identity.header())
            && headers.contains_key(name)
        {
            return Err(not_yours(format!("the header `{name}`")));
        }
        let mut guarded = Self {
            is_confined: rules.is_some_and(|rules| rules.check_results()),
            ..Self::default()
        };
        let Ask::Message(message) = ask else {
            return Ok(guarded);
        };
        // Whether or not this upstream is told: a server must not find a client's own words there.
        if message.meta(meta::IDENTITY).is_some() {
            return Err(not_yours(format!("`_meta[\"{}\"]`", meta::IDENTITY)));
        }
        if guarded.is_confined && facts.action == Some(Action::UseTask) {
            return Err(no_tasks());
        }
        if message.kind() != Kind::Request {
            return Ok(guarded);
        }
        let depth_max = world.limits.json_depth_max + DEPTH_ADDED;
        guarded.guard = guard_of(world, known, principal, message)?;
        if let Some(guard) = &guarded.guard {
            if guard.filters() && message.body("task").is_some() {
                return Err(no_tasks());
            }
            if guard.shapes() {
                if let Some(shaped) = shape(guard, message, depth_max)? {
                    *message = shaped;
                    facts.arguments = message
                        .body("arguments")
                        .map(|raw| message.text().slice_ref(raw.as_bytes()));
                }
                mirror(known, dialect, message, headers)?;
            }
        }
        if let Some(guard) = &guarded.guard {
            for (name, value) in guard.headers() {
                let name = HeaderName::try_from(name).map_err(internal)?;
                let value = HeaderValue::try_from(value).map_err(internal)?;
                guarded.headers.push((name, value));
            }
        }
        if let Some(identity) = identity {
            let token = identity.sign(principal, known.id(), dialect, message, facts, depth_max)?;
            let stated = message
                .with_member(Level::Meta, meta::IDENTITY, &format!("\"{token}\""))
                .ok_or_else(not_an_object)?;
            *message = parse(stated, depth_max)?;
            if let Some(name) = identity.header() {
                let mut value = HeaderValue::try_from(token).map_err(internal)?;
                value.set_sensitive(true);
                guarded.headers.push((name.clone(), value));
            }
        }
        Ok(guarded)
    }
}

/// The call as it would go upstream for the tenant, where that differs from what the client sent: for looks at it
/// before it is permitted.
///
/// # Errors
/// The denial of arguments that cannot be made the tenant's.
pub(super) fn shaped(
    world: &World,
    known: &Known,
    principal: &Principal,
    message: &Message,
) -> Result<Option<Message>, Denial> {
    let guard = guard_of(world, known, principal, message)?;
    match guard.filter(Guard::shapes) {
        Some(guard) => shape(&guard, message, world.limits.json_depth_max + DEPTH_ADDED),
        None => Ok(None),
    }
}

/// The call that people have approved, without what they have not seen: of its `_meta` what the protocol, the gateway and
/// traces have there.
///
/// # Errors
/// [`Code::Internal`] where that cannot be done.
pub(super) fn as_approved(world: &World, ask: &mut Ask) -> Result<(), Denial> {
    let Ask::Message(message) = ask else {
        return Ok(());
    };
    let is_seen = |name: &str| {
        META_SEEN.contains(&name) || META_SEEN_BELOW.iter().any(|of| name.starts_with(of))
    };
    if let Some(text) = message.with_meta_kept(is_seen) {
        *message = parse(text, world.limits.json_depth_max + DEPTH_ADDED)?;
    }
    Ok(())
}

/// Progress (MCP, basic/utilities/progress), and W3C trace context.
const META_SEEN: [&str; 4] = ["progressToken", "traceparent", "tracestate", "baggage"];
/// What the protocol reserves, and what is the gateway's.
const META_SEEN_BELOW: [&str; 2] = ["io.modelcontextprotocol/", "dev.cardea/"];

/// The tenant's rules for the tool that a message calls.
fn guard_of(
    world: &World,
    known: &Known,
    principal: &Principal,
    message: &Message,
) -> Result<Option<Guard>, Denial> {
    let Some(rules) = world.rules(known) else {
        return Ok(None);
    };
    if message.method() != "tools/call" {
        return Ok(None);
    }
    let tool = message.body_str("name").unwrap_or_default();
    rules.of(&principal.tenant, &tool).map_err(internal)
}

fn shape(guard: &Guard, message: &Message, depth_max: usize) -> Result<Option<Message>, Denial> {
    let shaped = guard.shape(message.body("arguments")).map_err(refused)?;
    let Some(arguments) = shaped else {
        return Ok(None);
    };
    let text = message
        .with_member(Level::Body, "arguments", &arguments)
        .ok_or_else(not_an_object)?;
    parse(text, depth_max).map(Some)
}

fn not_an_object() -> Denial {
    Denial::new(
        Code::ParamsInvalid,
        "`params` and its `_meta` must be objects",
    )
}

/// `Mcp-Param-*` anew from the arguments as they go upstream; what the client sent was compared
/// with what it sent as arguments.
fn mirror(
    known: &Known,
    dialect: Dialect,
    message: &Message,
    headers: &mut HeaderMap,
) -> Result<(), Denial> {
    if dialect.era != Era::Modern {
        return Ok(());
    }
    let sent: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(header::PARAM_PREFIX))
        .cloned()
        .collect();
    let tool = message.body_str("name").unwrap_or_default();
    let Some(definition) = known.definitions().tool(&tool) else {
        if sent.is_empty() {
            return Ok(());
        }
        // What the headers repeat is not known, so they cannot be made anew.
        return Err(crate::protocol::mismatch(
            "headers repeat arguments of a tool that was not listed yet",
        )
        .help("send `tools/list` first"));
    };
    for name in sent {
        headers.remove(name);
    }
    let arguments = message.body("arguments").unwrap_or("null");
    for (name, value) in param_header::of_arguments(&definition.mirrored, arguments) {
        let name = HeaderName::try_from(name).map_err(internal)?;
        headers.insert(name, HeaderValue::try_from(value).map_err(internal)?);
    }
    Ok(())
}

fn parse(text: Vec<u8>, depth_max: usize) -> Result<Message, Denial> {
    Message::parse(Bytes::from(text), &JsonLimits { depth_max }).map_err(internal)
}

fn internal(detail: impl std::fmt::Display) -> Denial {
    Denial::new(Code::Internal, "the call could not be made the tenant's").detail(detail)
}

fn refused(why: ArgumentRefused) -> Denial {
    let help = match &why {
        ArgumentRefused::NotAnObject | ArgumentRefused::Shape(_) => "mend the arguments",
        ArgumentRefused::Missing(_) => "name your own tenant, as the server calls it",
        ArgumentRefused::Differs(_) => "leave the argument out, or name your own tenant",
        ArgumentRefused::Lookalike(_) => "spell the argument's name as the tool's schema does",
    };
    Denial::new(Code::TenantArgument, why.to_string()).help(help)
}

fn not_yours(what: String) -> Denial {
    Denial::new(
        Code::ParamsInvalid,
        format!("{what} is for the gateway alone to set"),
    )
    .help("leave it out")
}

/// The result of a task comes by a method that names no tool: nobody could check it.
fn no_tasks() -> Denial {
    Denial::new(Code::PolicyDenied, "not permitted, or it does not exist")
        .help("call the tool without a task")
        .detail("results of this upstream are checked, and those of tasks cannot be")
}
