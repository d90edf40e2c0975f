//! Policy files from disk, and their mistakes as diagnostics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use cardea_config::{
    Config, Inspected, RuleFile,
    diagnostic::{Diagnostic, Diagnostics, Source},
};
use cardea_domain::TenantId;
use cardea_policy::{
    ApprovalPolicies, Finding, KnownNames, Pack, Policies, PolicyFile, Shared, Tools,
};

/// Policies are written by people; a file of megabytes is not one.
const POLICY_BYTES_MAX: u64 = 4 << 20;

/// The policies of a configuration, compiled: one set for each tenant, of the shared ones and its
/// own.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// By tenant: how many policies are its own, and the whole set.
    pub(crate) tenants: BTreeMap<TenantId, (usize, Set)>,
    /// How many policies all tenants share.
    pub(crate) shared: usize,
    /// Rules that decide about requests, by their file.
    pub(crate) rules: BTreeMap<RuleFile, Arc<ApprovalPolicies>>,
}

/// One tenant's policies, with the texts that they were made from.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) policies: Arc<Policies>,
    texts: Arc<[PolicyFile]>,
    tools: Tools,
}

/// Remembered decisions of all tenants together: some 100 MB at most, of which each tenant has its
/// equal part, so that no tenant's questions push out another's.
const REMEMBERED_MAX: u64 = 200_000;
/// What one tenant's calls have use for.
const REMEMBERED_EACH_MAX: u64 = 20_000;

/// Reads and compiles the policies of a configuration.
///
/// A tenant whose policies are those of `before` keeps them, with their generation and what was
/// decided by them: what changes for one tenant is nothing to another.
///
/// # Errors
/// Every mistake of every file.
pub(crate) fn compile(
    config: &Config,
    before: Option<&BTreeMap<TenantId, Set>>,
) -> Result<Compiled, Diagnostics> {
    let folder = config.file.parent();
    let mut mistakes = Diagnostics::new();
    let known = KnownNames {
        tenants: config.tenants.keys().map(ToString::to_string).collect(),
        upstreams: names(config.upstreams.keys().map(|(_, id)| id)),
        tools: Tools::default(),
    };
    let files = read(folder, &config.policies.files, &mut mistakes);
    let shared = explain(&files, Shared::compile(&files, &known), &mut mistakes);
    // Without the shared ones there is still something to be told of a tenant's own.
    let none = match &shared {
        Some(_) => None,
        None => Shared::compile(&[], &known).ok(),
    };
    let remembered = REMEMBERED_MAX / u64::try_from(config.tenants.len().max(1)).unwrap_or(1);
    let mut tenants = BTreeMap::new();
    for (id, tenant) in &config.tenants {
        let mut own = read(folder, &tenant.policies.files, &mut mistakes);
        let packs = tenant.packs.iter();
        own.extend(
            packs
                .filter_map(|pack| Pack::named(pack.as_str()))
                .map(Pack::file),
        );
        let known = KnownNames {
            tenants: vec![id.to_string()],
            upstreams: names(config.upstreams_of(id)),
            tools: tools(config, id),
        };
        let Some(onto) = shared.as_ref().or(none.as_ref()) else {
            continue;
        };
        let old = before.and_then(|before| before.get(id));
        let epoch = old.map_or(1, |old| old.policies.epoch() + 1);
        let compiled = onto.with_own(id, &own, &known, epoch);
        // The shared ones too are held against what is the tenant's.
        let texts: Arc<[PolicyFile]> = own.iter().chain(&files).cloned().collect();
        let Some(policies) = explain(&texts, compiled, &mut mistakes) else {
            continue;
        };
        let count = policies.len().saturating_sub(onto.len());
        let set = match old {
            Some(old) if old.texts == texts && old.tools == known.tools => old.clone(),
            _ => Set {
                policies: Arc::new(policies.remembering(remembered.min(REMEMBERED_EACH_MAX))),
                texts,
                tools: known.tools,
            },
        };
        tenants.insert(id.clone(), (count, set));
    }
    let rules = rules(config, &mut mistakes);
    match shared {
        Some(shared) if mistakes.is_empty() => Ok(Compiled {
            tenants,
            shared: shared.len(),
            rules,
        }),
        _ => Err(mistakes),
    }
}

/// The tools of a tenant's upstreams, as far as files have their definitions.
fn tools(config: &Config, tenant: &TenantId) -> Tools {
    let mut tools = Tools::default();
    for ((of, upstream), definitions) in &config.definitions.tools {
        if of == tenant {
            let definitions = definitions.iter();
            let definitions = definitions.map(|(name, raw)| (name.as_str(), raw.as_str()));
            tools.add(upstream.as_str(), definitions);
        }
    }
    tools
}

fn rules(config: &Config, mistakes: &mut Diagnostics) -> BTreeMap<RuleFile, Arc<ApprovalPolicies>> {
    let folder = config.file.parent();
    let wanted: BTreeSet<&RuleFile> = config.rule_files().collect();
    let mut rules = BTreeMap::new();
    for of in wanted {
        let known = match &of.owner {
            Some(owner) => KnownNames {
                tenants: vec![owner.to_string()],
                upstreams: names(config.upstreams_of(owner)),
                tools: Tools::Unchecked,
            },
            None => KnownNames {
                tenants: config.tenants.keys().map(ToString::to_string).collect(),
                upstreams: names(config.upstreams.keys().map(|(_, id)| id)),
                tools: Tools::Unchecked,
            },
        };
        let compiled = rules_of(folder, &of.file, of.owner.as_ref(), &known, mistakes);
        rules.extend(compiled.map(|compiled| (of.clone(), Arc::new(compiled))));
    }
    rules
}

fn rules_of(
    folder: Option<&Path>,
    path: &Path,
    owner: Option<&TenantId>,
    known: &KnownNames,
    mistakes: &mut Diagnostics,
) -> Option<ApprovalPolicies> {
    let files = read(folder, &[path.to_owned()], mistakes);
    let compiled = ApprovalPolicies::compile(files.first()?, owner, known);
    explain(&files, compiled, mistakes)
}

/// The mistakes in the policies of a configuration that has mistakes of its own.
pub(crate) fn mistakes(inspected: &Inspected) -> Diagnostics {
    let folder = inspected.file.parent();
    let mut mistakes = Diagnostics::new();
    let tenants = &inspected.tenants;
    let known = KnownNames {
        tenants: tenants.iter().map(|t| t.id.clone()).collect(),
        upstreams: names(tenants.iter().flat_map(|t| &t.upstreams)),
        tools: Tools::Unchecked,
    };
    for path in &inspected.rules {
        rules_of(folder, path, None, &known, &mut mistakes);
    }
    let files = read(folder, &inspected.policies, &mut mistakes);
    let shared = explain(&files, Shared::compile(&files, &known), &mut mistakes);
    let Some(shared) = shared.or_else(|| Shared::compile(&[], &known).ok()) else {
        return mistakes;
    };
    for tenant in tenants {
        let Ok(id) = TenantId::parse(&tenant.id) else {
            continue;
        };
        let own = read(folder, &tenant.policies, &mut mistakes);
        let known = KnownNames {
            tenants: vec![tenant.id.clone()],
            upstreams: tenant.upstreams.clone(),
            tools: Tools::Unchecked,
        };
        let compiled = shared.with_own(&id, &own, &known, 0);
        explain(&own, compiled, &mut mistakes);
        for path in &tenant.rules {
            rules_of(folder, path, Some(&id), &known, &mut mistakes);
        }
    }
    mistakes
}

fn names(ids: impl Iterator<Item = impl ToString>) -> Vec<String> {
    let names: BTreeSet<String> = ids.map(|id| id.to_string()).collect();
    names.into_iter().collect()
}

/// The files that can be read; the others are mistakes.
fn read(folder: Option<&Path>, paths: &[PathBuf], mistakes: &mut Diagnostics) -> Vec<PolicyFile> {
    let mut files = Vec::new();
    for path in paths {
        let name = folder
            .and_then(|folder| path.strip_prefix(folder).ok())
            .unwrap_or(path)
            .display()
            .to_string();
        let large = fs::metadata(path).is_ok_and(|m| m.len() > POLICY_BYTES_MAX);
        match fs::read_to_string(path) {
            Ok(_) if large => mistakes.push(Diagnostic::of_file(
                name,
                format!("the file is larger than {POLICY_BYTES_MAX} bytes"),
            )),
            Ok(text) => files.push(PolicyFile { name, text }),
            Err(error) => mistakes.push(Diagnostic::of_file(
                name,
                format!("the file cannot be read: {error}"),
            )),
        }
    }
    files
}

/// What was compiled; findings become mistakes.
fn explain<T>(
    files: &[PolicyFile],
    compiled: Result<T, Vec<Finding>>,
    mistakes: &mut Diagnostics,
) -> Option<T> {
    match compiled {
        Ok(compiled) => Some(compiled),
        Err(findings) => {
            for finding in findings {
                mistakes.push(diagnostic(files, finding));
            }
            None
        }
    }
}

fn diagnostic(files: &[PolicyFile], finding: Finding) -> Diagnostic {
    let Some(file) = files.get(finding.file) else {
        return Diagnostic::of_file("policies", finding.message);
    };
    let diagnostic = match finding.span {
        Some(span) => {
            Source::new(file.name.as_str(), file.text.as_str()).error(span, finding.message)
        }
        None => Diagnostic::of_file(file.name.as_str(), finding.message),
    };
    match finding.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use cardea_config::PolicyPack;
    use cardea_policy::PACKS;

    #[test]
    fn every_pack_of_the_configuration_is_there() {
        let names = [
            PolicyPack::UntrustedValues,
            PolicyPack::UntrustedValuesStrict,
            PolicyPack::LethalTrifecta,
            PolicyPack::ReadOnlyAfterUntrusted,
        ];
        assert_eq!(names.map(PolicyPack::as_str), PACKS.map(|pack| pack.name));
    }
}
