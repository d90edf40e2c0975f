//! What may be asked for, and who may see and change it, by the configuration.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use cardea_access::{
    Access, BoundTo, Entitlement, Entitlements, Justification, Kind, Need, Owners, Pattern, Rate,
    Requesters, Resource, ResourceKind, Rules, Stage,
};
use cardea_audit::Ledger;
use cardea_config::{self as config, Config, FlowLabel, FlowLabels, RuleFile};
use cardea_domain::{Clock, EntitlementId, TenantId, UpstreamId};
use cardea_gateway::{AccessJournal, EntitlementRules, PolicyBounds, TenantAccess, World};
use cardea_identity::server::State;
use cardea_policy::{ApprovalPolicies, Policies};
use cardea_registry::Entry;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

/// What was asked, granted and locked in each tenant: opened once, and the same in every world.
#[derive(Default)]
pub(crate) struct Accesses {
    opened: Mutex<BTreeMap<TenantId, Opened>>,
    /// When what ended long ago was forgotten last, in seconds since the Unix epoch.
    purged_s: AtomicU64,
}

const PURGE_EVERY_S: u64 = 6 * 3600;

/// Ends what was granted under entitlements that are no more; once a world is in place.
pub(super) async fn end_uncovered(world: &World) {
    for access in world.tenants.values().filter_map(|t| t.access.as_ref()) {
        if let Err(error) = access.access.end_uncovered(&access.entitlements).await {
            let tenant = access.access.tenant();
            tracing::error!(%tenant, %error, "the end of grants without an entitlement is not in the store");
        }
    }
}

#[derive(Clone)]
struct Opened {
    access: Arc<Access>,
    journal: Arc<AccessJournal>,
}

impl Accesses {
    /// Opens what the tenants of a configuration have and is not open yet.
    pub(super) async fn open(
        &self,
        config: &Config,
        state: &State,
        clock: &Clock,
    ) -> anyhow::Result<()> {
        for tenant in config.tenants.keys() {
            if self.opened.lock().contains_key(tenant) {
                continue;
            }
            let journal = Arc::new(AccessJournal::new(tenant.clone()));
            let (store, told) = (state.store().clone(), Arc::clone(&journal) as Arc<_>);
            let access = Access::open(store, tenant.clone(), clock.clone(), told)
                .await
                .with_context(|| format!("what was granted in the tenant `{tenant}`"))?;
            let opened = Opened { access, journal };
            self.opened.lock().insert(tenant.clone(), opened);
        }
        Ok(())
    }

    /// What one world sees of a tenant's access; `None` where it is not open, since nobody could decide.
    pub(super) fn of(
        &self,
        id: &TenantId,
        tenant: &config::Tenant,
        rules: &RuleMaker<'_>,
        labels: &FlowLabels,
        ledger: &Ledger,
        origin: &str,
    ) -> anyhow::Result<Option<TenantAccess>> {
        let Some(opened) = self.opened.lock().get(id).cloned() else {
            return Ok(None);
        };
        let bounds = PolicyBounds {
            tenant: id.clone(),
            policies: Arc::clone(rules.policies),
        };
        let entitlements = entitlements(id, tenant, labels)?
            .ruled_by(rules.of(id, tenant)?)
            .bounded_by(Arc::new(bounds));
        opened.access.set_staleness_max(tenant.limits.max_staleness);
        opened.journal.write_to(ledger.clone());
        Ok(Some(TenantAccess {
            entitlements,
            access: opened.access,
            pages: format!("{origin}/console/requests/"),
            asked_by_http: asked_by_http(tenant)?,
        }))
    }

    /// Whether grants rest on a store that has not been heard of for a while.
    pub(super) fn want_a_sign(&self) -> bool {
        let opened = self.opened.lock();
        opened.values().any(|opened| opened.access.wants_a_sign())
    }

    /// Ends what has ended by itself, and now and then forgets what ended long ago.
    pub(super) async fn tend(&self, now_s: u64) {
        let all: Vec<_> = self.opened.lock().values().cloned().collect();
        let is_due = now_s.saturating_sub(self.purged_s.load(Ordering::Relaxed)) >= PURGE_EVERY_S;
        if is_due {
            self.purged_s.store(now_s, Ordering::Relaxed);
        }
        for opened in all {
            let tended = match opened.access.sweep().await {
                Ok(()) if is_due => opened.access.purge().await,
                swept => swept,
            };
            if let Err(error) = tended {
                let tenant = opened.access.tenant();
                tracing::error!(%tenant, %error, "what was granted cannot be tended");
            }
        }
    }
}

/// What the rules of a tenant's entitlements are made from.
pub(super) struct RuleMaker<'a> {
    pub(super) compiled: &'a BTreeMap<RuleFile, Arc<ApprovalPolicies>>,
    pub(super) policies: &'a Arc<Policies>,
    pub(super) upstreams: Arc<HashMap<UpstreamId, Arc<Entry>>>,
}

impl RuleMaker<'_> {
    fn of(
        &self,
        id: &TenantId,
        tenant: &config::Tenant,
    ) -> anyhow::Result<BTreeMap<EntitlementId, Arc<dyn Rules>>> {
        let time_zone = TimeZone::get(&tenant.time_zone).context("`time_zone`")?;
        let mut rules: BTreeMap<_, Arc<dyn Rules>> = BTreeMap::new();
        for (name, entitlement) in &tenant.entitlements {
            let Some(file) = &entitlement.automatic else {
                continue;
            };
            let compiled = self
                .compiled
                .get(file)
                .context("rules that are not compiled")?;
            let of = EntitlementRules {
                tenant: id.clone(),
                policies: Arc::clone(self.policies),
                rules: Arc::clone(compiled),
                upstreams: Arc::clone(&self.upstreams),
                time_zone: time_zone.clone(),
            };
            rules.insert(EntitlementId::parse(name)?, Arc::new(of));
        }
        Ok(rules)
    }
}

/// The labels of the tools of each upstream of one tenant.
type Labelled<'a> = BTreeMap<&'a UpstreamId, &'a BTreeMap<String, BTreeSet<FlowLabel>>>;

fn labelled<'a>(labels: &'a FlowLabels, tenant: &TenantId) -> Labelled<'a> {
    let of_tenant = labels.tools.iter().filter(|((of, _), _)| of == tenant);
    of_tenant
        .map(|((_, upstream), tools)| (upstream, tools))
        .collect()
}

/// What may be asked for in one tenant.
pub(crate) fn entitlements(
    id: &TenantId,
    tenant: &config::Tenant,
    labels: &FlowLabels,
) -> anyhow::Result<Entitlements> {
    let labels = labelled(labels, id);
    let mut entitlements = Vec::new();
    for (id, wanted) in &tenant.entitlements {
        let entitlement = entitlement(id, wanted, &labels);
        let entitlement = entitlement.with_context(|| format!("entitlement `{id}`"))?;
        match entitlement.resources.is_empty() {
            true => tracing::warn!(
                entitlement = id,
                "no tool has its labels: nothing can be asked for under it"
            ),
            false => entitlements.push(entitlement),
        }
    }
    let entitlements = Entitlements::new(entitlements).map_err(|mistakes| {
        let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        anyhow!("`entitlements`: {}", mistakes.join("; "))
    })?;
    let owners = tenant.agents.iter().map(owners);
    Ok(entitlements.with_owners(owners.collect::<anyhow::Result<_>>()?))
}

fn asked_by_http(tenant: &config::Tenant) -> anyhow::Result<Vec<Pattern>> {
    let agents = tenant.agents.iter();
    let by_http = agents.filter(|(_, known)| known.ask_by == config::AskBy::Http);
    by_http
        .map(|(agents, _)| Ok(Pattern::parse(agents)?))
        .collect()
}

fn owners((agents, known): (&String, &config::Agent)) -> anyhow::Result<Owners> {
    Ok(Owners {
        agents: Pattern::parse(agents)?,
        subjects: known.owners.subjects.clone(),
        groups: known.owners.groups.clone(),
    })
}

fn entitlement(
    id: &str,
    wanted: &config::Entitlement,
    labels: &Labelled<'_>,
) -> anyhow::Result<Entitlement> {
    Ok(Entitlement {
        id: EntitlementId::parse(id)?,
        description: Some(wanted.title.clone()),
        requesters: requesters(wanted)?,
        resources: wanted
            .resources
            .iter()
            .map(|wanted| resources(wanted, labels))
            .collect::<anyhow::Result<Vec<_>>>()?
            .concat(),
        constraint: wanted.arguments.clone(),
        kinds: wanted.kinds.iter().map(|kind| self::kind(*kind)).collect(),
        duration_max: wanted.duration_max,
        calls_max: Some(wanted.calls_max),
        bytes_max: wanted.bytes_max,
        rate: match wanted.calls_per_minute_max {
            Some(calls) => Some(Rate {
                calls: u32::try_from(calls)?,
                per: Duration::from_secs(60),
            }),
            None => None,
        },
        stages: wanted
            .approval
            .iter()
            .map(stage)
            .collect::<anyhow::Result<_>>()?,
        second_person: wanted.second_person,
        bound_to: match wanted.bound_to {
            config::GrantBinding::Run => BoundTo::Run,
            config::GrantBinding::Agent => BoundTo::Agent,
        },
        hidden: wanted.hidden,
        justification: Justification {
            required: wanted.justification == config::Justification::Required,
            chars_min: 0,
            by_person: wanted.justification == config::Justification::Person,
        },
        hold: wanted.hold,
    })
}

fn requesters(wanted: &config::Entitlement) -> anyhow::Result<Requesters> {
    let mut subjects = patterns(&wanted.subjects)?;
    if wanted.subjects.is_empty() && wanted.groups.is_empty() && wanted.actors.is_empty() {
        // As the reference says: everybody of the tenant.
        subjects.push(Pattern::parse("*")?);
    }
    Ok(Requesters {
        subjects,
        groups: patterns(&wanted.groups)?,
        actors: patterns(&wanted.actors)?,
    })
}

fn resources(wanted: &config::Entitled, labels: &Labelled<'_>) -> anyhow::Result<Vec<Resource>> {
    let upstream = Pattern::parse(&wanted.upstream)?;
    let kinds = [
        (ResourceKind::Tool, &wanted.tools),
        (ResourceKind::Resource, &wanted.resources),
        (ResourceKind::Prompt, &wanted.prompts),
    ];
    let mut resources = Vec::new();
    for (kind, names) in kinds {
        let names = patterns(names)?;
        if kind == ResourceKind::Tool && !wanted.labels.is_empty() {
            resources.extend(chosen(&upstream, &names, &wanted.labels, labels)?);
            continue;
        }
        for name in names {
            resources.push(Resource {
                upstream: upstream.clone(),
                kind,
                name,
            });
        }
    }
    Ok(resources)
}

/// The tools with these labels, one by one: what is not labelled so is not among them, whatever it is called.
fn chosen(
    upstream: &Pattern,
    names: &[Pattern],
    wanted: &BTreeSet<FlowLabel>,
    labels: &Labelled<'_>,
) -> anyhow::Result<Vec<Resource>> {
    let mut chosen = Vec::new();
    for (id, tools) in labels
        .iter()
        .filter(|(id, _)| upstream.matches(id.as_str()))
    {
        for (tool, has) in *tools {
            // A `*` in a name would be a pattern for others.
            let is_named = !tool.contains('*') && names.iter().any(|name| name.matches(tool));
            if is_named && wanted.is_subset(has) {
                chosen.push(Resource {
                    upstream: Pattern::parse(id.as_str())?,
                    kind: ResourceKind::Tool,
                    name: Pattern::parse(tool)?,
                });
            }
        }
    }
    Ok(chosen)
}

fn patterns(texts: &[String]) -> anyhow::Result<Vec<Pattern>> {
    let patterns = texts.iter().map(|text| Ok(Pattern::parse(text)?));
    patterns.collect()
}

fn kind(kind: config::GrantKind) -> Kind {
    match kind {
        config::GrantKind::Once => Kind::Once,
        config::GrantKind::Calls => Kind::Calls,
        config::GrantKind::Time => Kind::Time,
    }
}

fn stage(wanted: &config::ApprovalStage) -> anyhow::Result<Stage> {
    Ok(Stage {
        need: match wanted.need {
            config::Need::All => Need::All,
            config::Need::Number(1) => Need::Any,
            config::Need::Number(number) => Need::N(u32::try_from(number)?),
        },
        users: wanted.people.subjects.iter().cloned().collect(),
        groups: wanted.people.groups.iter().cloned().collect(),
    })
}
