//! Policy files to a set: every mistake at once, nothing lenient.

mod bounds;
mod over_arguments;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    str::FromStr,
    sync::Arc,
};

use cardea_domain::TenantId;
use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, ValidationMode, Validator};
use miette::Diagnostic;

use crate::{
    Arguments, Policies, Tools,
    entities::Vocabulary,
    held,
    reads::{ARGS, Reads},
    schema::{self, About},
    typed::Types,
};

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Tenant ids; for a tenant's own policies that tenant alone.
    pub tenants: Vec<String>,
    /// Upstream ids; for a tenant's own policies those that exist for it.
    pub upstreams: Vec<String>,
    /// Tools, for policies that read arguments; those of one tenant, since an upstream may be another server for another.
    pub tools: Tools,
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
        let shared = Shared::compile(files, known)?;
        on_a_large_stack(|| shared.finish(files, &[], known, epoch))
    }
}

/// Policies that hold for every tenant, compiled once.
pub struct Shared {
    validator: Validator,
    words: Arc<Vocabulary>,
    set: PolicySet,
    /// The files that the ids of the policies stand in.
    ids: HashMap<String, String>,
    /// The files themselves.
    files: Arc<[PolicyFile]>,
}

impl Shared {
    /// Compiles and validates the files of the policies that hold for every tenant.
    ///
    /// # Errors
    /// As [`Policies::compile`].
    pub fn compile(files: &[PolicyFile], known: &KnownNames) -> Result<Self, Vec<Finding>> {
        on_a_large_stack(|| {
            let empty = Self::empty(&About::Calls(&Arguments::default()))?;
            let compiler = Compiler::new(&empty, known, None);
            let (set, ids) = compiler.files(files)?;
            Ok(Self {
                set,
                ids,
                files: files.into(),
                ..empty
            })
        })
    }

    /// No policies about something.
    fn empty(about: &About<'_>) -> Result<Self, Vec<Finding>> {
        let schema = schema::of(about).map_err(broken)?;
        Ok(Self {
            validator: Validator::new(schema),
            words: Arc::new(Vocabulary::new().map_err(broken)?),
            set: PolicySet::new(),
            ids: HashMap::new(),
            files: Arc::from([]),
        })
    }

    /// A tenant's whole set: these policies and its own. A `forbid` of either wins, and an id is
    /// used once in both.
    ///
    /// # Errors
    /// As [`Policies::compile`], of the tenant's own files; also a literal of another tenant, of
    /// which these policies have no business to speak; and policies, shared ones too, that are not valid for the arguments of
    /// the tenant's tools. The shared files come after the tenant's own in the numbering of findings.
    pub fn with_own(
        &self,
        tenant: &TenantId,
        files: &[PolicyFile],
        known: &KnownNames,
        epoch: u64,
    ) -> Result<Policies, Vec<Finding>> {
        on_a_large_stack(|| {
            let (set, ids) = Compiler::new(self, known, Some(tenant)).files(files)?;
            let whole = Self {
                validator: self.validator.clone(),
                words: Arc::clone(&self.words),
                set,
                ids,
                files: Arc::clone(&self.files),
            };
            whole.finish(files, &self.files, known, epoch)
        })
    }

    /// Holds what reads arguments against the tools there are.
    fn finish(
        &self,
        own: &[PolicyFile],
        shared: &[PolicyFile],
        known: &KnownNames,
        epoch: u64,
    ) -> Result<Policies, Vec<Finding>> {
        let files: Vec<&PolicyFile> = own.iter().chain(shared).collect();
        let valid = over_arguments::check(&self.set, &self.words, &self.ids, &files, known)?;
        let types = Types::new(known.tools.clone(), &self.set, valid);
        Policies::new(&self.set, Arc::clone(&self.words), types, epoch).map_err(broken)
    }

    /// How many policies these are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.policies().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Compiles rules over requests for access; `owner` is the tenant that they are of, if of one.
pub(crate) fn approvals(
    file: &PolicyFile,
    owner: Option<&TenantId>,
    known: &KnownNames,
) -> Result<(PolicySet, Arc<Vocabulary>), Vec<Finding>> {
    on_a_large_stack(|| {
        let empty = Shared::empty(&About::Approvals)?;
        let compiler = Compiler::new(&empty, known, owner);
        let (set, _) = compiler.files(std::slice::from_ref(file))?;
        Ok((set, empty.words))
    })
}

/// Parsing, validating and walking a policy recurse as deep as [`bounds`] lets it nest; a level takes up to 10 KiB in a
/// build that is not optimised.
const STACK_BYTES: usize = 64 << 20;

fn on_a_large_stack<T: Send>(
    work: impl FnOnce() -> Result<T, Vec<Finding>> + Send,
) -> Result<T, Vec<Finding>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("policies".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| broken(format!("no thread to compile policies: {error}")))?;
        match thread.join() {
            Ok(compiled) => compiled,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

struct Compiler<'a> {
    known: &'a KnownNames,
    /// The tenant whose own policies are compiled.
    owner: Option<&'a TenantId>,
    validator: &'a Validator,
    set: PolicySet,
    ids: HashMap<String, String>,
    findings: Vec<Finding>,
}

impl<'a> Compiler<'a> {
    fn new(onto: &'a Shared, known: &'a KnownNames, owner: Option<&'a TenantId>) -> Self {
        Self {
            known,
            owner,
            validator: &onto.validator,
            set: onto.set.clone(),
            ids: onto.ids.clone(),
            findings: Vec::new(),
        }
    }

    fn files(
        mut self,
        files: &[PolicyFile],
    ) -> Result<(PolicySet, HashMap<String, String>), Vec<Finding>> {
        for (file, source) in files.iter().enumerate() {
            self.file(file, source);
        }
        if self.findings.is_empty() {
            Ok((self.set, self.ids))
        } else {
            Err(self.findings)
        }
    }

    fn file(&mut self, file: usize, source: &PolicyFile) {
        if let Some((place, message)) = bounds::too_deep(&source.text) {
            return self.findings.push(Finding {
                file,
                span: Some(place),
                message,
                help: Some(
                    "make several policies of it; of many values make a set: `[\"a\", \"b\"].contains(context.method)`"
                        .into(),
                ),
            });
        }
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
        // What reads arguments is valid or not for one tool after the other.
        let mut others = PolicySet::new();
        for policy in named
            .policies()
            .filter(|policy| !Reads::of(policy).has(ARGS))
        {
            let _ = others.add(policy.clone());
        }
        // A policy is checked for each action that it could be about; one mistake is told once.
        let mut told = BTreeSet::new();
        let validation = self.validator.validate(&others, ValidationMode::Strict);
        let found = validation.validation_errors().map(|error| {
            let mut finding = finding(file, error);
            finding.help = nearest_action(&finding.message).or(finding.help);
            finding
        });
        let mut found: Vec<Finding> = found.collect();
        // Cedar tells them in no order: of those of one place the same is told each time, one that helps if there is.
        found.sort_by(|a, b| {
            let of = |f: &Finding| (f.span.clone().map(|span| span.start), f.help.is_none());
            (of(a), &a.message).cmp(&(of(b), &b.message))
        });
        for finding in found {
            let place = finding.span.clone().map(|span| (span.start, span.end));
            if place.is_none_or(|place| told.insert(place)) {
                self.findings.push(finding);
            }
        }
        for policy in named.policies() {
            self.literals(file, source, policy);
            self.findings
                .extend(held::mistake(policy).map(|(message, help)| Finding {
                    file,
                    span: None,
                    message,
                    help: Some(help),
                }));
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
            let span = find_quoted(&source.text, literal.id().unescaped());
            let (message, help) = match self.owner {
                Some(owner) if kind == "tenant" => (
                    format!("`{literal}` is not of the tenant `{owner}`"),
                    "a tenant's own policies speak of that tenant alone; what concerns others \
                     belongs into the shared ones"
                        .to_owned(),
                ),
                _ => (
                    format!("unknown {kind} `{name}` in `{literal}`"),
                    nearest(&name, known),
                ),
            };
            self.findings.push(Finding {
                file,
                span,
                message,
                help: Some(help),
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
}

/// A mistake of Cardea's own.
fn broken(message: String) -> Vec<Finding> {
    vec![Finding {
        file: 0,
        span: None,
        message,
        help: Some("this is a mistake in Cardea; please report it".into()),
    }]
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
        .chain(["use", "read", "ask", "approve"])
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
        None if known.is_empty() => "the configuration defines none".to_owned(),
        None => format!("the configuration defines: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests;
