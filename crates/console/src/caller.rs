//! Who has sent a request, and what of it is theirs to see and to decide.

use cardea_access::{
    AccessRequest, By, DecidedBy, Entitlement, Entitlements, Grant, Onlooker, RequestState, Stage,
};
use cardea_domain::ActorId;
use cardea_identity::server::Person;

use crate::{refusal::Refusal, roles::Roles, routes::Who};

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    /// The program that acts with their login; none where they are at a page.
    pub(crate) program: Option<ActorId>,
    pub(crate) is_administrator: bool,
    pub(crate) is_auditor: bool,
}

/// Whether somebody may decide a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They may, as far as can be seen beforehand; the access room has the last word.
    May,
    /// They are named, and yet may not, for this reason.
    MayNot(&'static str),
    /// No stage names them.
    Stranger,
}

impl Caller {
    pub(crate) fn new(person: Person, program: Option<ActorId>, roles: Option<&Roles>) -> Self {
        Self {
            is_administrator: roles.is_some_and(|roles| roles.administrators.include(&person)),
            is_auditor: roles.is_some_and(|roles| roles.auditors.include(&person)),
            person,
            program,
        }
    }

    /// Who does something, for records.
    pub(crate) fn by(&self) -> By<'_> {
        By {
            person: &self.person.subject,
            program: self.program.as_ref(),
        }
    }

    /// Whether everything of the tenant is theirs to see.
    pub(crate) fn is_overseer(&self) -> bool {
        self.is_administrator || self.is_auditor
    }

    /// Refuses who has not the role that a route needs.
    pub(crate) fn check(&self, who: Who) -> Result<(), Refusal> {
        match who {
            Who::Anyone | Who::Person => Ok(()),
            Who::Overseer if self.is_overseer() => Ok(()),
            Who::Administrator if self.is_administrator => Ok(()),
            Who::Overseer => Err(Refusal::role(
                "ask an administrator or auditor of your tenant",
            )),
            Who::Administrator => Err(Refusal::role("ask an administrator of your tenant")),
        }
    }

    /// What a list is narrowed to before it is read; `None` where everything is theirs to see.
    pub(crate) fn onlooker(&self, entitlements: &Entitlements) -> Option<Onlooker> {
        let named = entitlements.iter().filter(|e| self.is_named(e));
        (!self.is_overseer()).then(|| Onlooker {
            subject: self.person.subject.clone(),
            entitlements: named.map(|e| e.id.clone()).collect(),
        })
    }

    /// Whether one of an entitlement's stages names them.
    pub(crate) fn is_named(&self, entitlement: &Entitlement) -> bool {
        entitlement.stages.iter().any(|stage| self.is_in(stage))
    }

    fn is_in(&self, stage: &Stage) -> bool {
        stage.users.contains(&self.person.subject)
            || stage
                .groups
                .iter()
                .any(|group| self.person.groups.contains(group))
    }

    /// Whether a request is theirs to see: in their name, theirs to decide or decided by them, or
    /// they see everything.
    pub(crate) fn may_see(
        &self,
        request: &AccessRequest,
        entitlement: Option<&Entitlement>,
    ) -> bool {
        let me = DecidedBy::Person(self.person.subject.clone());
        self.is_overseer()
            || request.subject == self.person.subject
            || entitlement.is_some_and(|entitlement| self.is_named(entitlement))
            || request.approvals.iter().any(|approval| approval.by == me)
    }

    /// Whether a grant is theirs to see: in their name, approved by them, theirs to decide about, or
    /// they see everything.
    pub(crate) fn may_see_grant(&self, grant: &Grant, entitlement: Option<&Entitlement>) -> bool {
        self.is_overseer()
            || grant.subject == self.person.subject
            || self.decides_about(grant, entitlement)
    }

    /// Whether they may end a grant: one in their name, one that they could refuse, as an
    /// administrator any.
    pub(crate) fn may_revoke(&self, grant: &Grant, entitlement: Option<&Entitlement>) -> bool {
        self.is_administrator
            || grant.subject == self.person.subject
            || self.decides_about(grant, entitlement)
    }

    fn decides_about(&self, grant: &Grant, entitlement: Option<&Entitlement>) -> bool {
        let me = DecidedBy::Person(self.person.subject.clone());
        grant.approved_by.contains(&me)
            || entitlement.is_some_and(|entitlement| self.is_named(entitlement))
    }

    /// Whether they may decide a request now. Said beforehand, for a page: it decides nothing.
    pub(crate) fn standing(
        &self,
        request: &AccessRequest,
        entitlements: &Entitlements,
    ) -> Standing {
        let entitlement = entitlements.entitlement(&request.entitlement);
        let Some(entitlement) = entitlement.filter(|entitlement| self.is_named(entitlement)) else {
            return Standing::Stranger;
        };
        let me = DecidedBy::Person(self.person.subject.clone());
        if request.state != RequestState::Pending {
            return Standing::MayNot("This was decided or has ended.");
        }
        if request.approvals.iter().any(|approval| approval.by == me) {
            return Standing::MayNot("You have decided; others have to decide too.");
        }
        let (subject, groups) = (&self.person.subject, &self.person.groups);
        if entitlement.second_person && entitlements.stands_behind(request, subject, groups) {
            return Standing::MayNot(
                "A second person has to decide: this is asked for in your name, or by an agent of yours.",
            );
        }
        Standing::May
    }
}
