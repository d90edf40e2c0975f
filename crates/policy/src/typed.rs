//! Arguments and policies: that each policy is valid for the arguments that it is shown.
//!
//! A set is accepted with the definitions of tools that a file names. What a server lists later may be something else: a
//! policy that is not valid for that any longer is never asked about it, and the call is denied.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cardea_domain::{Target, UpstreamId};
use cedar_policy::{Policy, PolicySet, ValidationError, ValidationMode, Validator};
use parking_lot::RwLock;

use crate::{
    Arguments, Given, Question,
    reads::{ARGS, Reads},
    residual::{Residual, Typed},
    schema::{self, About},
};

/// The arguments of the tools that are known when policies are compiled, by upstream and tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tools {
    /// These, and no others.
    Listed(BTreeMap<String, BTreeMap<String, Arc<Arguments>>>),
    /// They are not looked at: policies that read arguments are only parsed. For what cannot be served anyway.
    Unchecked,
}

impl Default for Tools {
    fn default() -> Self {
        Self::Listed(BTreeMap::new())
    }
}

impl Tools {
    /// Adds the tools of an upstream, by their names and raw definitions; one without any is known to have none.
    pub fn add<'a>(
        &mut self,
        upstream: &str,
        definitions: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let Self::Listed(upstreams) = self else {
            return;
        };
        let tools = upstreams.entry(upstream.to_owned()).or_default();
        for (name, raw) in definitions {
            let arguments = Arc::new(Arguments::of_definition(raw));
            tools.insert(name.to_owned(), arguments);
        }
    }

    /// The tools of an upstream; `None` where nothing is known of it.
    pub(crate) fn of(&self, upstream: &str) -> Option<&BTreeMap<String, Arc<Arguments>>> {
        match self {
            Self::Listed(upstreams) => upstreams.get(upstream),
            Self::Unchecked => None,
        }
    }

    /// The arguments of one tool.
    #[must_use]
    pub fn arguments(&self, upstream: &str, tool: &str) -> Option<&Arc<Arguments>> {
        self.of(upstream)?.get(tool)
    }
}

/// What is known of arguments, and which policies are valid for which.
pub(crate) struct Types {
    tools: Tools,
    /// The policies that read arguments.
    readers: HashMap<Arc<str>, (Policy, Reads)>,
    /// What servers list, by tool: the raw definition and what it says.
    listed: RwLock<HashMap<(UpstreamId, Target), Listed>>,
    valid: RwLock<Valid>,
}

/// A raw definition, and what it says.
type Listed = (Arc<str>, Arc<Arguments>);

/// By policy and type, what Cedar has against them together.
pub(crate) type Valid = HashMap<(Arc<str>, Arc<str>), Option<Arc<str>>>;

/// Definitions that are remembered: as many as a registry learns of one server.
const LISTED_MAX: usize = 10_000;
/// Pairs of policies and types; a server that lists new ones all the time makes room for none.
const VALID_MAX: usize = 50_000;

impl Types {
    pub(crate) fn new(tools: Tools, set: &PolicySet, valid: Valid) -> Self {
        let readers = set.policies().filter_map(|policy| {
            let reads = Reads::of(policy);
            let id = Arc::from(policy.id().to_string());
            reads.has(ARGS).then(|| (id, (policy.clone(), reads)))
        });
        Self {
            readers: readers.collect(),
            tools,
            listed: RwLock::default(),
            valid: RwLock::new(valid),
        }
    }

    /// What of the arguments of a call may be shown to what is left of the policies.
    ///
    /// # Errors
    /// Why nothing may.
    pub(crate) fn read(
        &self,
        question: &Question,
        given: &Given,
        residual: &Residual,
    ) -> Result<Arc<Arguments>, Arc<str>> {
        let of = self.arguments(question, given.definition.as_ref())?;
        if let Some(typed) = &*residual.typed.read()
            && Arc::ptr_eq(&typed.of, &of)
        {
            return typed.read.clone();
        }
        let read = self.check(residual, &of);
        *residual.typed.write() = Some(Typed {
            of,
            read: read.clone(),
        });
        read
    }

    /// The arguments of a tool: as its server lists it, else as the file says.
    pub(crate) fn arguments(
        &self,
        question: &Question,
        definition: Option<&Arc<str>>,
    ) -> Result<Arc<Arguments>, Arc<str>> {
        let (upstream, target) = (question.upstream(), question.target());
        let Some(raw) = definition else {
            let named = target.name().unwrap_or_default();
            let known = self.tools.arguments(upstream.as_str(), named).cloned();
            return known.ok_or_else(|| {
                "policies look at arguments, and the tool's definition is not known: it was not listed, and no file of \
                 definitions has it"
                    .into()
            });
        };
        let key = (upstream.clone(), target.clone());
        if let Some((known, arguments)) = self.listed.read().get(&key)
            && (Arc::ptr_eq(known, raw) || known == raw)
        {
            return Ok(Arc::clone(arguments));
        }
        let arguments = Arc::new(Arguments::of_definition(raw));
        let mut listed = self.listed.write();
        if listed.len() < LISTED_MAX || listed.contains_key(&key) {
            listed.insert(key, (Arc::clone(raw), Arc::clone(&arguments)));
        }
        Ok(arguments)
    }

    /// Holds the policies that are left, and read arguments, against these.
    fn check(&self, residual: &Residual, of: &Arguments) -> Result<Arc<Arguments>, Arc<str>> {
        for id in residual.readers() {
            let Some((policy, reads)) = self.readers.get(id) else {
                return Err(format!("policy `{id}` is not known").into());
            };
            if let Some(error) = self.mistake(id, policy, reads, of) {
                return Err(format!(
                    "the tool's definition is not one that policy `{id}` is valid for: {error}"
                )
                .into());
            }
        }
        Ok(Arc::new(match residual.reads().member(ARGS) {
            Some(wanted) => of.only(wanted),
            None => Arguments::default(),
        }))
    }

    fn mistake(
        &self,
        id: &Arc<str>,
        policy: &Policy,
        reads: &Reads,
        of: &Arguments,
    ) -> Option<Arc<str>> {
        let read = read_of(reads, of);
        let key = (Arc::clone(id), key_of(&read));
        if let Some(known) = self.valid.read().get(&key) {
            return known.clone();
        }
        let mistake = validator(&read)
            .and_then(|validator| mistakes(&validator, policy))
            .and_then(|found| match found.first() {
                Some(first) => Err(first.to_string()),
                None => Ok(()),
            })
            .map_err(Arc::from)
            .err();
        let mut valid = self.valid.write();
        if valid.len() < VALID_MAX {
            valid.insert(key, mistake.clone());
        }
        mistake
    }
}

/// What a policy reads of arguments.
pub(crate) fn read_of(reads: &Reads, of: &Arguments) -> Arguments {
    reads
        .member(ARGS)
        .map_or_else(Arguments::default, |wanted| of.only(wanted))
}

/// Arguments that say the same have the same.
pub(crate) fn key_of(arguments: &Arguments) -> Arc<str> {
    arguments.to_cedar_json().to_string().into()
}

/// # Errors
/// What Cedar has against the schema.
pub(crate) fn validator(arguments: &Arguments) -> Result<Validator, String> {
    Ok(Validator::new(schema::of(&About::Calls(arguments))?))
}

/// What strict validation says of one policy.
///
/// # Errors
/// A mistake of Cardea's own: a set of one policy could not be made.
pub(crate) fn mistakes(
    validator: &Validator,
    policy: &Policy,
) -> Result<Vec<ValidationError>, String> {
    let set = PolicySet::from_policies([policy.clone()]).map_err(|e| e.to_string())?;
    let validation = validator.validate(&set, ValidationMode::Strict);
    Ok(validation.validation_errors().cloned().collect())
}
