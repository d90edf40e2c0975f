//! Policy files to a set: every mistake at once, nothing lenient.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    str::FromStr,
};

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use crate::{Policies, SCHEMA, entities::Vocabulary};

/// One policy file.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// The name that findings give it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The index of the file among those compiled.
    pub file: usize,
    /// Where, in bytes of the file; `None` when it concerns the whole.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What was expected, or what to do.
    pub help: Option<String>,
}

/// The names that the configuration defines, against which literals in policies are checked.
#[derive(Debug, Clone, Default)]
pub struct KnownNames {
    /// Tenant ids.
    pub tenants: Vec<String>,
    /// Upstream ids.
    pub upstreams: Vec<String>,
}

impl Policies {
    /// Compiles and validates policy files; `epoch` is the generation of the new set.
    ///
    /// # Errors
    /// Every [`Finding`] of every file: syntax, types (strict validation), unknown tenants and
    /// upstreams, ids used twice, templates.
    pub fn compile(
        files: &[PolicyFile],
        known: &KnownNames,
        epoch: u64,
    ) -> Result<Self, Vec<Finding>> {
        let mut compiler = Compiler::new(known)?;
        for (file, source) in files.iter().enumerate() {
            compiler.file(file, source);
        }
        compiler.finish(epoch)
    }
}

struct Compiler<'a> {
    known: &'a KnownNames,
    validator: Validator,
    words: Vocabulary,
    set: PolicySet,
    ids: HashMap<String, String>,
    findings: Vec<Finding>,
}

impl<'a> Compiler<'a> {
    fn new(known: &'a KnownNames) -> Result<Self, Vec<Finding>> {
        let broken = |message: String| {
            vec![Finding {
                file: 0,
                span: None,
                message,
                help: Some("this is a mistake in the built-in schema; please report it".into()),
            }]
        };
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|e| broken(e.to_string()))?;
        Ok(Self {
            known,
            validator: Validator::new(schema),
            words: Vocabulary::new().map_err(broken)?,
            set: PolicySet::new(),
            ids: HashMap::new(),
            findings: Vec::new(),
        })
    }

    fn file(&mut self, file: usize, source: &PolicyFile) {
        let parsed = match PolicySet::from_str(&source.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                for error in errors.iter() {
                    self.findings.push(finding(file, error));
                }
                return;
            }
        };
        for template in parsed.templates() {
            self.findings.push(Finding {
                file,
                span: None,
                message: format!("policy `{}` is a template", template.id()),
                help: Some(
                    "write the principal and resource in place of `?principal` and `?resource`"
                        .into(),
                ),
            });
        }
        let named = self.named_policies(file, source, &parsed);
        // A policy is checked for each action that it could be about; one mistake is told once.
        let mut told = BTreeSet::new();
        let validation = self.validator.validate(&named, ValidationMode::Strict);
        for error in validation.validation_errors() {
            let mut finding = finding(file, error);
            let place = finding.span.clone().map(|span| (span.start, span.end));
            if place.is_none_or(|place| told.insert(place)) {
                finding.help = nearest_action(&finding.message).or(finding.help);
                self.findings.push(finding);
            }
        }
        for policy in named.policies() {
            self.literals(file, source, policy);
            if let Err(error) = self.set.add(policy.clone()) {
                self.findings.push(finding(file, &error));
            }
        }
    }

    /// The policies of a file under the ids by which records and findings call them.
    fn named_policies(
        &mut self,
        file: usize,
        source: &PolicyFile,
        parsed: &PolicySet,
    ) -> PolicySet {
        let mut policies: Vec<&Policy> = parsed.policies().collect();
        // Cedar numbers them `policy0`, `policy1`, ... in the order of the file.
        policies.sort_by_key(|p| (p.id().to_string().len(), p.id().to_string()));
        let mut named = PolicySet::new();
        for (n, policy) in policies.into_iter().enumerate() {
            let id = match policy.annotation("id") {
                Some(id) => id.to_owned(),
                None => format!("{}#{}", source.name, n + 1),
            };
            if let Some(other) = self.ids.insert(id.clone(), source.name.clone()) {
                self.findings.push(Finding {
                    file,
                    span: find_last_quoted(&source.text, &id),
                    message: format!("policy id `{id}` is used twice; the other is in {other}"),
                    help: Some(
                        "give each policy an `@id` of its own: records name policies by it".into(),
                    ),
                });
                // Checked all the same, under a name that nothing else has.
                let _ = named.add(policy.new_id(PolicyId::new(format!("{id} (again, {n})"))));
                continue;
            }
            if let Err(error) = named.add(policy.new_id(PolicyId::new(&id))) {
                self.findings.push(finding(file, &error));
            }
        }
        named
    }

    /// Literals that name a tenant or upstream which does not exist: the policy could never
    /// apply, or, worse, a `forbid` would silently forbid nothing.
    fn literals(&mut self, file: usize, source: &PolicyFile, policy: &Policy) {
        let mut seen = BTreeSet::new();
        for literal in policy.entity_literals() {
            if !seen.insert(literal.to_string()) {
                continue;
            }
            let Some((kind, name, known)) = self.named(&literal) else {
                continue;
            };
            if known.contains(&name) {
                continue;
            }
            self.findings.push(Finding {
                file,
                span: find_quoted(&source.text, literal.id().unescaped()),
                message: format!("unknown {kind} `{name}` in `{literal}`"),
                help: Some(nearest(&name, known)),
            });
        }
    }

    fn named(&self, literal: &EntityUid) -> Option<(&'static str, String, &'a [String])> {
        let id: &str = literal.id().unescaped();
        let first = id.split('/').next().unwrap_or_default().to_owned();
        match literal.type_name().basename() {
            "Tenant" => Some(("tenant", id.to_owned(), &self.known.tenants)),
            "Upstream" => Some(("upstream", id.to_owned(), &self.known.upstreams)),
            "Subject" | "Actor" | "Group" => Some(("tenant", first, &self.known.tenants)),
            "Tool" | "Resource" | "ResourceTemplate" | "Prompt" => {
                Some(("upstream", first, &self.known.upstreams))
            }
            _ => None,
        }
    }

    fn finish(self, epoch: u64) -> Result<Policies, Vec<Finding>> {
        if self.findings.is_empty() {
            Ok(Policies::new(self.set, self.words, epoch))
        } else {
            Err(self.findings)
        }
    }
}

fn finding(file: usize, error: &dyn Diagnostic) -> Finding {
    let span = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| label.offset()..label.offset() + label.len());
    Finding {
        file,
        span,
        message: error.to_string(),
        help: error.help().map(|h| h.to_string()),
    }
}

fn find_quoted(text: &str, name: &str) -> Option<Range<usize>> {
    let quoted = format!("\"{name}\"");
    text.find(&quoted).map(|at| at..at + quoted.len())
}

fn find_last_quoted(text: &str, name: &str) -> Option<Range<usize>> {
    let quoted = format!("\"{name}\"");
    text.rfind(&quoted).map(|at| at..at + quoted.len())
}

/// Help for a message that quotes an action that does not exist.
fn nearest_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Cardea::Action::\"")?;
    let (name, _) = rest.split_once('"')?;
    let known: Vec<String> = cardea_domain::Action::ALL
        .iter()
        .map(|action| action.as_str())
        .chain(["use", "read", "ask"])
        .map(str::to_owned)
        .collect();
    (!known.iter().any(|k| k == name)).then(|| nearest(name, &known))
}

fn nearest(name: &str, known: &[String]) -> String {
    let close = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 3);
    match close {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None => format!("the configuration defines: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests;
