//! Policies that read arguments, against every tool that they can be about.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use cedar_policy::{Policy, PolicySet, Validator};

use super::{Finding, KnownNames, PolicyFile, broken, finding, nearest};
use crate::{
    Arguments, Tools,
    entities::Vocabulary,
    reads::{ARGS, Reads},
    rules::About,
    typed::{self, Valid},
};

/// Tools that one mistake is told of by name; the rest is counted.
const TOOLS_TOLD_MAX: usize = 3;

/// A tool by its name with its server's.
type Tool = (String, Arc<Arguments>);

/// What is wrong, and what to do.
type Told = (String, String);

/// Tools of which a policy reads the same.
struct Case {
    read: Arguments,
    tools: Vec<Tool>,
}

impl Case {
    fn of(read: Arguments) -> Self {
        Self {
            read,
            tools: Vec::new(),
        }
    }
}

struct Check<'a> {
    files: &'a [&'a PolicyFile],
    ids: &'a HashMap<String, String>,
    known: &'a KnownNames,
    words: &'a Vocabulary,
    validators: HashMap<Arc<str>, Validator>,
    valid: Valid,
    findings: Vec<Finding>,
}

/// Checks them all; what is valid for which arguments is remembered.
///
/// # Errors
/// Every mistake: what is not valid for a tool, and what could be about tools that nobody has named.
pub(super) fn check(
    set: &PolicySet,
    words: &Vocabulary,
    ids: &HashMap<String, String>,
    files: &[&PolicyFile],
    known: &KnownNames,
) -> Result<Valid, Vec<Finding>> {
    let mut check = Check {
        files,
        ids,
        known,
        words,
        validators: HashMap::new(),
        valid: Valid::new(),
        findings: Vec::new(),
    };
    if known.tools == Tools::Unchecked {
        return Ok(check.valid);
    }
    let mut policies: Vec<(&Policy, Reads)> = set
        .policies()
        .map(|policy| (policy, Reads::of(policy)))
        .filter(|(_, reads)| reads.has(ARGS))
        .collect();
    policies.sort_by_key(|(policy, _)| policy.id().to_string());
    for (policy, reads) in policies {
        check.policy(policy, &reads)?;
    }
    match check.findings.is_empty() {
        true => Ok(check.valid),
        false => Err(check.findings),
    }
}

impl Check<'_> {
    fn policy(&mut self, policy: &Policy, reads: &Reads) -> Result<(), Vec<Finding>> {
        let file = self.file_of(policy);
        let tools = match self.tools(policy) {
            Ok(tools) => tools,
            Err((message, help)) => {
                self.findings.push(Finding {
                    file,
                    span: None,
                    message,
                    help: Some(help),
                });
                return Ok(());
            }
        };
        // Tools of which the policy reads the same are one case.
        let mut cases: BTreeMap<Arc<str>, Case> = BTreeMap::new();
        for (name, arguments) in tools {
            let read = typed::read_of(reads, &arguments);
            let case = cases.entry(typed::key_of(&read));
            let case = case.or_insert_with(|| Case::of(read));
            case.tools.push((name, arguments));
        }
        // About no tool at all: valid without arguments, or not at all.
        if cases.is_empty() {
            let none = Arguments::default();
            cases.insert(typed::key_of(&none), Case::of(none));
        }
        let mut told = BTreeSet::new();
        for (key, Case { read, tools }) in cases {
            let validator = match self.validators.entry(Arc::clone(&key)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(typed::validator(&read).map_err(broken)?),
            };
            let mistakes = typed::mistakes(validator, policy).map_err(broken)?;
            for mistake in &mistakes {
                let mut finding = finding(file, mistake);
                let names: Vec<&str> = tools.iter().map(|(name, _)| name.as_str()).collect();
                finding.message.push_str(&for_tools(&names));
                finding.help = help(reads, &tools).or(finding.help);
                let place = finding.span.clone().map(|span| (span.start, span.end));
                if told.insert((place, mistake.to_string())) {
                    self.findings.push(finding);
                }
            }
            let first = mistakes
                .first()
                .map(|mistake| Arc::from(mistake.to_string()));
            let id = Arc::from(policy.id().to_string());
            self.valid.insert((id, key), first);
        }
        Ok(())
    }

    /// The tools that a policy can be about.
    fn tools(&self, policy: &Policy) -> Result<Vec<Tool>, Told> {
        let id = policy.id();
        let upstreams: Vec<&str> = match About::of(policy, self.words) {
            About::Nothing => Vec::new(),
            About::Everything => self.known.upstreams.iter().map(String::as_str).collect(),
            About::Upstream(upstream) => {
                let named = self
                    .known
                    .upstreams
                    .iter()
                    .find(|known| **known == upstream);
                // Names that do not exist are a mistake of their own, or another tenant's business.
                named.map(String::as_str).into_iter().collect()
            }
            About::Tool(name) => return self.tool(policy, &name),
        };
        let mut tools = Vec::new();
        for upstream in upstreams {
            let Some(of) = self.known.tools.of(upstream) else {
                return Err((
                    format!(
                        "policy `{id}` reads arguments, and can be about the tools of `{upstream}`, which are not known"
                    ),
                    format!(
                        "put the answer of `{upstream}` to `tools/list` into a file, and name it as `definitions` of the \
                         upstream; or say in the policy's head which tool it is about"
                    ),
                ));
            };
            let of = of.iter();
            tools.extend(of.map(|(name, a)| (format!("{upstream}/{name}"), Arc::clone(a))));
        }
        Ok(tools)
    }

    fn tool(&self, policy: &Policy, name: &str) -> Result<Vec<Tool>, Told> {
        let (upstream, tool) = name.split_once('/').unwrap_or((name, ""));
        if !self.known.upstreams.iter().any(|known| known == upstream) {
            return Ok(Vec::new());
        }
        let id = policy.id();
        let Some(tools) = self.known.tools.of(upstream) else {
            return Err((
                format!(
                    "policy `{id}` reads the arguments of `{name}`, whose definition is not known"
                ),
                format!(
                    "put the answer of `{upstream}` to `tools/list` into a file, and name it as `definitions` of the \
                     upstream"
                ),
            ));
        };
        match tools.get(tool) {
            Some(arguments) => Ok(vec![(name.to_owned(), Arc::clone(arguments))]),
            None => {
                let names: Vec<String> = tools.keys().cloned().collect();
                Err((
                    format!(
                        "policy `{id}` reads the arguments of `{name}`, and the definitions of `{upstream}` have no such tool"
                    ),
                    nearest(tool, &names),
                ))
            }
        }
    }

    /// The index of the file in which a policy stands.
    fn file_of(&self, policy: &Policy) -> usize {
        let name = self.ids.get(&policy.id().to_string());
        let at = self.files.iter().position(|file| Some(&file.name) == name);
        at.unwrap_or(self.files.len())
    }
}

fn for_tools(names: &[&str]) -> String {
    let told: Vec<_> = names
        .iter()
        .take(TOOLS_TOLD_MAX)
        .map(|n| format!("`{n}`"))
        .collect();
    match names.len().saturating_sub(TOOLS_TOLD_MAX) {
        0 if told.is_empty() => String::new(),
        0 => format!(" (for {})", told.join(", ")),
        more => format!(" (for {} and {more} more)", told.join(", ")),
    }
}

/// What there is, or why what is read cannot be.
fn help(reads: &Reads, tools: &[Tool]) -> Option<String> {
    let (tool, arguments) = tools.first()?;
    let wanted = reads.member(ARGS)?;
    let crate::arguments::Wanted::These(names) = wanted else {
        return None;
    };
    for name in names {
        if let Some(why) = arguments.why_unreadable(name) {
            return Some(format!("policies cannot read `{name}` of `{tool}`: {why}"));
        }
    }
    let known: Vec<String> = arguments.names().map(str::to_owned).collect();
    let unknown = names.iter().find(|name| !known.contains(name));
    match (unknown, known.is_empty()) {
        (Some(name), true) => Some(format!("`{tool}` has no arguments, and so no `{name}`")),
        (Some(name), false) => Some(format!(
            "`{tool}` has no `{name}`; {} (or ask first: `context.args has {name} && …`)",
            nearest(name, &known).replace("the configuration defines", "it has")
        )),
        (None, _) => Some(
            "an argument that may be left out has to be asked for first: `context.args has name && …`"
                .to_owned(),
        ),
    }
}
