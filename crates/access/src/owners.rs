//! Who owns agents: people who stand behind everything that these agents ask for.

use std::{collections::BTreeSet, sync::Arc};

use cardea_domain::{ActorId, SubjectId};

use crate::{
    pattern::Pattern,
    request::{AccessRequest, Owned},
};

/// Who owns some agents, as a configuration writes it.
#[derive(Debug, Clone)]
pub struct Owners {
    /// The agents, by name.
    pub agents: Pattern,
    /// People.
    pub subjects: BTreeSet<SubjectId>,
    /// Groups of people.
    pub groups: BTreeSet<String>,
}

/// The owners of all agents of one tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership(Arc<[Owners]>);

impl Ownership {
    pub(crate) fn new(owners: Vec<Owners>) -> Self {
        Self(owners.into())
    }

    /// Who owns any of these agents.
    pub(crate) fn of<'a>(&self, agents: impl Iterator<Item = &'a ActorId> + Clone) -> Owned {
        let mut subjects = BTreeSet::new();
        let mut groups = BTreeSet::new();
        for owners in self.0.iter() {
            if agents.clone().any(|a| owners.agents.matches(a.as_str())) {
                subjects.extend(&owners.subjects);
                groups.extend(&owners.groups);
            }
        }
        Owned {
            subjects: subjects.into_iter().cloned().collect(),
            groups: groups.into_iter().cloned().collect(),
        }
    }
}

/// Whether a person is, by whatever name, behind a request: the person on whose behalf, an agent of its chain, or an
/// owner of one of these when it was asked or by `now`.
pub(crate) fn stands_behind<G: AsRef<str>>(
    request: &AccessRequest,
    now: &Ownership,
    subject: &SubjectId,
    groups: &[G],
) -> bool {
    let mut agents = std::iter::once(&request.actor).chain(&request.chain);
    let owns = |owned: &Owned| {
        owned.subjects.contains(subject)
            || groups
                .iter()
                .any(|group| owned.groups.iter().any(|owner| owner == group.as_ref()))
    };
    *subject == request.subject
        || owns(&request.owners)
        || owns(&now.of(agents.clone()))
        || agents.any(|agent| agent.as_str() == subject.as_str())
}
