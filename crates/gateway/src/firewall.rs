//! What the arguments and results of an upstream's tools have to be: by the schemas that it lists, and by the constraints
//! of the configuration.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cardea_domain::{Code, Denial};
use cardea_guard::{
    constraint::{Constraint, Constraints, Refused},
    output::{self, OutputRule},
    roots::RootPattern,
    schema::{Schema, SchemaError, UnknownMembers, Violation},
};
use cardea_mcp::Message;
use cardea_registry::Definition;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

/// How far the schemas of an upstream are held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Whether arguments are checked.
    pub arguments: bool,
    /// Whether results are checked.
    pub results: bool,
    /// What becomes of members that a schema does not name.
    pub unknown_members: UnknownMembers,
}

/// What holds for the tools of one upstream.
#[derive(Debug)]
pub struct Firewall {
    held: Held,
    /// The constraints of the tools that some name.
    named: HashMap<String, Constraints>,
    /// Those of all other tools.
    others: Constraints,
    /// What results may hold, each with the tools that it is for; no tools are all tools.
    outputs: Vec<(BTreeSet<String>, OutputRule)>,
    /// The folders of a client that the server may see; `None`: all.
    roots: Option<Vec<RootPattern>>,
    /// By the tool's name; bounded, since only tools that are known of are compiled.
    compiled: RwLock<HashMap<String, Arc<Compiled>>>,
}

/// How a result is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// As a whole: in the legacy era, and of a task.
    Result,
    /// In the legacy era by a client that has asked for a task in its place.
    LegacyTask,
    /// In the modern era, in which servers may answer with a task or a question.
    Modern,
}

/// What a result says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts<'a> {
    #[serde(borrow)]
    is_error: Option<&'a RawValue>,
    #[serde(borrow)]
    structured_content: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    result_type: Option<&'a RawValue>,
    #[serde(borrow)]
    task: Option<&'a RawValue>,
}

/// The schemas of one definition.
#[derive(Debug)]
struct Compiled {
    /// The definition, as it was listed.
    raw: Arc<str>,
    input: Result<Schema, SchemaError>,
    output: Option<Result<Schema, SchemaError>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schemas<'a> {
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    output_schema: Option<&'a RawValue>,
}

impl Firewall {
    /// A firewall of constraints and of rules for results, each with the tools that it is for; no tools are all tools.
    #[must_use]
    pub fn new(
        held: Held,
        constraints: &[(BTreeSet<String>, Constraint)],
        outputs: Vec<(BTreeSet<String>, OutputRule)>,
    ) -> Self {
        let of = |tool: Option<&str>| {
            let those = constraints.iter().filter(|(tools, _)| {
                tools.is_empty() || tool.is_some_and(|tool| tools.contains(tool))
            });
            Constraints::new(those.map(|(_, constraint)| constraint.clone()).collect())
        };
        let names = constraints.iter().flat_map(|(tools, _)| tools);
        Self {
            held,
            named: names.map(|name| (name.clone(), of(Some(name)))).collect(),
            others: of(None),
            outputs,
            roots: None,
            compiled: RwLock::default(),
        }
    }

    /// The same for a server that may see these folders of a client; `None`: all.
    #[must_use]
    pub fn with_roots(self, roots: Option<Vec<RootPattern>>) -> Self {
        Self { roots, ..self }
    }

    /// The folders of a client that the server may see, where not all.
    pub(crate) fn roots(&self) -> Option<&[RootPattern]> {
        self.roots.as_deref()
    }

    /// Whether arguments are held to the schema of their tool.
    pub(crate) fn checks_arguments(&self) -> bool {
        self.held.arguments
    }

    /// Whether results are held to the schema of their tool.
    pub(crate) fn checks_results(&self) -> bool {
        self.held.results
    }

    /// What the configuration asks of the arguments of a tool.
    pub(crate) fn constraints(&self, tool: &str) -> &Constraints {
        self.named.get(tool).unwrap_or(&self.others)
    }

    /// Whether arguments are as the tool's schema says.
    ///
    /// # Errors
    /// [`Code::ArgumentInvalid`] with the place, or [`Code::SchemaUnusable`].
    pub(crate) fn check_arguments(
        &self,
        tool: &str,
        definition: &Definition,
        arguments: &Value,
    ) -> Result<(), Denial> {
        let compiled = self.compiled(tool, definition);
        let schema = compiled.input.as_ref().map_err(unusable)?;
        schema
            .check(arguments)
            .map_err(|violation| invalid_argument(&violation))
    }

    /// Whether nothing is asked of results but what the protocol says.
    pub(crate) fn asks_nothing(&self) -> bool {
        !self.held.results && self.outputs.is_empty()
    }

    /// Whether a result (raw JSON) holds what it may, and is as the tool's schema says, where it has one for results.
    ///
    /// # Errors
    /// [`Code::ResultInvalid`], or [`Code::SchemaUnusable`].
    pub(crate) fn check_result(
        &self,
        tool: &str,
        definition: Option<&Definition>,
        awaited: Awaited,
        result: &str,
    ) -> Result<(), Denial> {
        output::check(self.outputs(tool), result)
            .map_err(|refused| not_admitted_result(&refused))?;
        if !self.held.results {
            return Ok(());
        }
        let compiled = self.compiled(tool, definition.ok_or_else(not_listed)?);
        let Some(output) = &compiled.output else {
            return Ok(());
        };
        let parts: Parts<'_> = serde_json::from_str(result).map_err(invalid_result)?;
        let schema = output.as_ref().map_err(unusable)?;
        // Whatever else the result says of itself: what is there is checked.
        let Some(content) = parts.structured_content else {
            return match parts.is_error() || parts.is_put_off(awaited) {
                true => Ok(()),
                false => Err(invalid_result(
                    "a tool with an `outputSchema` gave no `structuredContent`",
                )),
            };
        };
        let content: Value = serde_json::from_str(content.get()).map_err(invalid_result)?;
        schema.check(&content).map_err(invalid_result)
    }

    fn outputs(&self, tool: &str) -> impl Iterator<Item = &OutputRule> + Clone {
        let those = self
            .outputs
            .iter()
            .filter(move |(tools, _)| tools.is_empty() || tools.contains(tool));
        those.map(|(_, rule)| rule)
    }

    /// Compiled once for each definition, not for each call.
    fn compiled(&self, tool: &str, definition: &Definition) -> Arc<Compiled> {
        let known = self.compiled.read().get(tool).map(Arc::clone);
        if let Some(known) = known
            && (Arc::ptr_eq(&known.raw, &definition.raw) || known.raw == definition.raw)
        {
            return known;
        }
        let compiled = Arc::new(compile(definition, self.held.unknown_members));
        let mut all = self.compiled.write();
        all.insert(tool.to_owned(), Arc::clone(&compiled));
        compiled
    }
}

impl Parts<'_> {
    /// A tool that failed has text to say so (MCP 2025-11-25, server/tools, Error Handling).
    fn is_error(&self) -> bool {
        self.is_error.is_some_and(|raw| raw.get() == "true")
    }

    /// Whether the result is still to come, and nothing of one is here. It is for the client's version, and for what it has
    /// asked, to say by which word a server can put it off.
    fn is_put_off(&self, awaited: Awaited) -> bool {
        let kind = self.result_type.map(RawValue::get);
        self.content.is_none()
            && match awaited {
                Awaited::Result => false,
                Awaited::LegacyTask => self.task.is_some_and(|raw| raw.get().starts_with('{')),
                Awaited::Modern => matches!(kind, Some("\"task\"" | "\"input_required\"")),
            }
    }
}

fn compile(definition: &Definition, unknown_members: UnknownMembers) -> Compiled {
    let schemas: Schemas<'_> = serde_json::from_str(&definition.raw).unwrap_or(Schemas {
        input_schema: None,
        output_schema: None,
    });
    // A definition without a schema is as one that cannot be read: `null` is none.
    let input = schemas.input_schema.map_or("null", RawValue::get);
    Compiled {
        raw: Arc::clone(&definition.raw),
        input: Schema::compile(input, unknown_members),
        // The server's own words: what it adds to them is its own business.
        output: schemas
            .output_schema
            .map(|raw| Schema::compile(raw.get(), UnknownMembers::Allow)),
    }
}

/// The arguments of a call as schemas and constraints see them; a call without any has none: `{}`.
///
/// # Errors
/// [`Code::ArgumentInvalid`] when they are no object.
pub(crate) fn arguments(message: &Message) -> Result<Value, Denial> {
    let Some(raw) = message.body("arguments") else {
        return Ok(Value::Object(Map::new()));
    };
    match serde_json::from_str(raw) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Denial::new(
            Code::ArgumentInvalid,
            "the arguments are not acceptable: they have to be an object",
        )
        .help("mend the arguments and call again")),
    }
}

fn invalid_argument(violation: &Violation) -> Denial {
    Denial::new(
        Code::ArgumentInvalid,
        format!("the arguments are not as the tool's `inputSchema` says: {violation}"),
    )
    .help("mend the arguments and call again")
}

/// The refusal of arguments that a constraint does not admit.
pub(crate) fn not_admitted(refused: &Refused) -> Denial {
    Denial::new(
        Code::ArgumentInvalid,
        format!("the arguments are not admitted here: {refused}"),
    )
    .help("use another value, or ask whoever runs the gateway")
}

/// The refusal of a call of a tool that is not in its server's list.
pub(crate) fn not_listed() -> Denial {
    Denial::new(
        Code::SchemaUnusable,
        "the server does not list this tool, so its arguments cannot be checked",
    )
    .help("send `tools/list`, and call what is listed")
}

fn unusable(error: &SchemaError) -> Denial {
    Denial::new(
        Code::SchemaUnusable,
        "the tool's schema cannot be used, so the call cannot be checked",
    )
    .help("tell whoever runs the server; the record has the details")
    .detail(error)
}

fn not_admitted_result(refused: &output::OutputRefused) -> Denial {
    Denial::new(
        Code::ResultInvalid,
        "the server's result holds what is not admitted here",
    )
    .help("tell whoever runs the gateway; the record has the details")
    .detail(refused)
}

fn invalid_result(detail: impl std::fmt::Display) -> Denial {
    Denial::new(
        Code::ResultInvalid,
        "the server's result is not as the tool's `outputSchema` says",
    )
    .help("tell whoever runs the server; the record has the details")
    .detail(detail)
}
