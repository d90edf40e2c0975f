//! Entitlements: who may ask for what, for how long at most, and who decides.
//!
//! An entitlement gives nothing by itself. It belongs to a configuration and does not change.

mod check;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cardea_domain::{Action, ActorId, EntitlementId, Principal, SubjectId, Target, UpstreamId};
use serde_json::Value;

pub use check::EntitlementError;

use crate::{
    constraint::Constraint,
    owners::{self, Owners, Ownership},
    pattern::Pattern,
    request::{AccessRequest, Author, Owned},
    rules::{Ahead, Bounds, Rules},
    terms::{Kind, Rate},
};

/// Who may ask for what, as a configuration writes it.
#[derive(Debug, Clone)]
pub struct Entitlement {
    /// Its name, unique within the tenant.
    pub id: EntitlementId,
    /// What a person who decides is told of it; one line.
    pub description: Option<String>,
    /// Who may ask.
    pub requesters: Requesters,
    /// For what.
    pub resources: Vec<Resource>,
    /// A JSON Schema (2020-12) that the arguments of every call under it have to satisfy.
    pub constraint: Option<Value>,
    /// The kinds of grants that may come of it; the first is what is meant when none is asked for.
    pub kinds: Vec<Kind>,
    /// The longest that a grant may last, extensions included.
    pub duration_max: Duration,
    /// The most calls of a [`Kind::Calls`] grant.
    pub calls_max: Option<u64>,
    /// The most bytes that the answers under one grant may have together.
    pub bytes_max: Option<u64>,
    /// How fast calls under one grant may follow each other.
    pub rate: Option<Rate>,
    /// Who decides, one stage after the other; without any, rules alone.
    pub stages: Vec<Stage>,
    /// Whether somebody other than the requester has to approve. True unless the configuration
    /// says otherwise.
    pub second_person: bool,
    /// What a grant is bound to.
    pub bound_to: BoundTo,
    /// Whether what can be asked for stays out of lists.
    pub hidden: bool,
    /// What has to be said when asking.
    pub justification: Justification,
    /// How long a call that made a request may wait for the decision; `None`: it is answered at
    /// once.
    pub hold: Option<Duration>,
}

/// Who may ask: whoever matches one pattern of each list that is not empty.
#[derive(Debug, Clone, Default)]
pub struct Requesters {
    /// People.
    pub subjects: Vec<Pattern>,
    /// Groups that the person is in.
    pub groups: Vec<Pattern>,
    /// Agents.
    pub actors: Vec<Pattern>,
}

/// What may be asked for.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Of which upstreams.
    pub upstream: Pattern,
    /// What of them.
    pub kind: ResourceKind,
    /// By name or URI.
    pub name: Pattern,
}

/// What of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// Tools, to be called.
    Tool,
    /// Resources, to be read and subscribed to.
    Resource,
    /// Prompts, to be had.
    Prompt,
}

/// What a grant holds for besides its person and its agent. A grant for one call is always bound
/// to the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum BoundTo {
    /// The run that asked for it.
    #[default]
    Run,
    /// The agent, in any run: what a person may also ask for beforehand.
    Agent,
}

/// Some of the people who have to say yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// How many of them.
    pub need: Need,
    /// By name.
    pub users: Vec<SubjectId>,
    /// By group.
    pub groups: Vec<String>,
}

/// How many of those that a stage names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// One of them.
    Any,
    /// Each user, and one person of each group.
    All,
    /// So many different people.
    N(u32),
}

/// What has to be said when asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Justification {
    /// Whether a reason has to be given.
    pub required: bool,
    /// How long it has to be.
    pub chars_min: usize,
    /// Whether the person in whose name it is asked has to say it, at a page, before anybody can
    /// approve.
    pub by_person: bool,
}

/// The entitlements of one tenant, checked, most specific first.
#[derive(Debug, Clone, Default)]
pub struct Entitlements {
    ordered: Arc<[Compiled]>,
    by_id: Arc<BTreeMap<EntitlementId, usize>>,
    rules: Arc<BTreeMap<EntitlementId, Arc<dyn Rules>>>,
    bounds: Option<Arc<dyn Bounds>>,
    owners: Ownership,
}

/// An entitlement whose schema is compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) entitlement: Entitlement,
    pub(crate) constraint: Option<Arc<Constraint>>,
}

/// Who asks, as far as entitlements look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) subject: &'a SubjectId,
    pub(crate) groups: &'a [Arc<str>],
    pub(crate) actor: &'a ActorId,
}

impl Entitlements {
    /// Checks and orders the entitlements of one tenant.
    ///
    /// # Errors
    /// Every mistake, in the order of the entitlements.
    pub fn new(entitlements: Vec<Entitlement>) -> Result<Self, Vec<EntitlementError>> {
        let mut ordered = check::compile(entitlements)?;
        ordered.sort_by(|a, b| {
            let narrowness = b.entitlement.narrowness().cmp(&a.entitlement.narrowness());
            narrowness.then_with(|| a.entitlement.id.cmp(&b.entitlement.id))
        });
        let by_id = ordered.iter().enumerate();
        let by_id = by_id.map(|(n, c)| (c.entitlement.id.clone(), n)).collect();
        Ok(Self {
            ordered: ordered.into(),
            by_id: Arc::new(by_id),
            rules: Arc::default(),
            bounds: None,
            owners: Ownership::default(),
        })
    }

    /// The same, where rules decide first about what is asked for under these entitlements.
    #[must_use]
    pub fn ruled_by(self, rules: BTreeMap<EntitlementId, Arc<dyn Rules>>) -> Self {
        Self {
            rules: Arc::new(rules),
            ..self
        }
    }

    /// The same, where nothing can be asked for ahead of a call that these bounds forbid.
    #[must_use]
    pub fn bounded_by(self, bounds: Arc<dyn Bounds>) -> Self {
        Self {
            bounds: Some(bounds),
            ..self
        }
    }

    /// The same, with these owners of agents, who are behind what their agents ask for.
    #[must_use]
    pub fn with_owners(self, owners: Vec<Owners>) -> Self {
        Self {
            owners: Ownership::new(owners),
            ..self
        }
    }

    /// Whether a person is behind a request, by whatever name: then they are no second person.
    #[must_use]
    pub fn stands_behind<G: AsRef<str>>(
        &self,
        request: &AccessRequest,
        subject: &SubjectId,
        groups: &[G],
    ) -> bool {
        owners::stands_behind(request, &self.owners, subject, groups)
    }

    /// Who owns an agent, or another of its chain.
    pub(crate) fn owned(&self, actor: &ActorId, chain: &[ActorId]) -> Owned {
        self.owners.of(std::iter::once(actor).chain(chain))
    }

    /// The entitlement under which this principal may ask for this: of several the one with the
    /// narrowest resource, then the narrowest requesters, then the first by name.
    #[must_use]
    pub fn covering(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Option<&Entitlement> {
        let found = self.find(Who::of(principal), action, upstream, target)?;
        Some(&found.entitlement)
    }

    /// Whether there is anything of this upstream that the principal may ask for: it may connect,
    /// to see what.
    #[must_use]
    pub fn reaches(&self, principal: &Principal, upstream: &UpstreamId) -> bool {
        self.requestable(principal).any(|e| e.reaches(upstream))
    }

    /// All entitlements that this principal may ask under, most specific first.
    pub fn requestable(&self, principal: &Principal) -> impl Iterator<Item = &Entitlement> {
        let who = Who::of(principal);
        let all = self.ordered.iter().map(|c| &c.entitlement);
        all.filter(move |e| e.requesters.include(who))
    }

    /// An entitlement by its name.
    #[must_use]
    pub fn entitlement(&self, id: &EntitlementId) -> Option<&Entitlement> {
        Some(&self.compiled(id)?.entitlement)
    }

    /// All of them, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Entitlement> {
        self.ordered.iter().map(|c| &c.entitlement)
    }

    /// The rules that decide before people do, where there are any.
    #[must_use]
    pub fn rules(&self, id: &EntitlementId) -> Option<&Arc<dyn Rules>> {
        self.rules.get(id)
    }

    /// The policies that forbid what is asked for, whatever a call of it would say.
    pub(crate) fn forbidding(&self, ahead: &Ahead<'_>) -> Vec<Arc<str>> {
        let bounds = self.bounds.as_ref();
        bounds.map_or_else(Vec::new, |bounds| bounds.forbidding(ahead))
    }

    pub(crate) fn compiled(&self, id: &EntitlementId) -> Option<&Compiled> {
        self.ordered.get(*self.by_id.get(id)?)
    }

    pub(crate) fn find(
        &self,
        who: Who<'_>,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Option<&Compiled> {
        let mut all = self.ordered.iter();
        all.find(|c| c.entitlement.covers(who, action, upstream, target))
    }
}

impl Entitlement {
    /// Whether it is for this asker and this wish.
    pub(crate) fn covers(
        &self,
        who: Who<'_>,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> bool {
        self.requesters.include(who)
            && self
                .resources
                .iter()
                .any(|r| r.covers(action, upstream, target))
    }

    /// Whether a person has to say why before a request can be approved, and has not. What a
    /// program says in their name does not count: a model may have written it.
    #[must_use]
    pub fn lacks_justification(&self, request: &AccessRequest) -> bool {
        let mut said = request.reason.iter().chain(&request.justification);
        self.justification.by_person && !said.any(|reason| reason.author == Author::Person)
    }

    /// Whether anything of this upstream may be asked for under it.
    #[must_use]
    pub fn reaches(&self, upstream: &UpstreamId) -> bool {
        let mut resources = self.resources.iter();
        resources.any(|r| r.upstream.matches(upstream.as_str()))
    }

    /// The kind that is meant when none is asked for.
    #[must_use]
    pub fn kind_default(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Once)
    }

    fn narrowness(&self) -> ((bool, usize), (bool, usize), usize) {
        let widest = |of: fn(&Resource) -> (bool, usize)| self.resources.iter().map(of).min();
        let r = &self.requesters;
        let lists = [&r.subjects, &r.groups, &r.actors];
        (
            widest(|r| r.name.narrowness()).unwrap_or_default(),
            widest(|r| r.upstream.narrowness()).unwrap_or_default(),
            lists.iter().filter(|list| !list.is_empty()).count(),
        )
    }
}

impl Requesters {
    fn include(&self, who: Who<'_>) -> bool {
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|p| p.matches(name));
        if self.subjects.is_empty() && self.groups.is_empty() && self.actors.is_empty() {
            return false;
        }
        (self.subjects.is_empty() || any(&self.subjects, who.subject.as_str()))
            && (self.groups.is_empty() || who.groups.iter().any(|g| any(&self.groups, g)))
            && (self.actors.is_empty() || any(&self.actors, who.actor.as_str()))
    }
}

impl Resource {
    /// Whether it is for this wish.
    #[must_use]
    pub fn covers(&self, action: Action, upstream: &UpstreamId, target: &Target) -> bool {
        self.kind.covers(action, target)
            && self.upstream.matches(upstream.as_str())
            && target.name().is_some_and(|name| self.name.matches(name))
    }
}

impl ResourceKind {
    /// The name used in configuration and views.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    fn covers(self, action: Action, target: &Target) -> bool {
        matches!(
            (self, action, target),
            (Self::Tool, Action::CallTool, Target::Tool(_))
                | (
                    Self::Resource,
                    Action::ReadResource | Action::SubscribeResource,
                    Target::Resource(_)
                )
                | (Self::Prompt, Action::GetPrompt, Target::Prompt(_))
        )
    }
}

impl<'a> Who<'a> {
    fn of(principal: &'a Principal) -> Self {
        Self {
            subject: &principal.subject,
            groups: &principal.groups,
            actor: &principal.actor,
        }
    }
}
