//! What a decision is asked, and everything that it depends on.

use std::{borrow::Cow, sync::Arc};

use cardea_domain::{
    Action, ActorId, KeyBinding, Principal, Standing, SubjectId, Target, TenantId, UpstreamId,
};

use crate::{Flow, Given, Moment};

/// Everything that a decision depends on.
#[derive(Debug, Clone)]
pub struct Question {
    pub(crate) fixed: Fixed,
    method: Cow<'static, str>,
    flow: Flow,
    at: Option<Moment>,
    given: Option<Given>,
}

/// Who asks for what: the part of a question that stays the same from call to call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fixed {
    tenant: TenantId,
    subject: SubjectId,
    actor: ActorId,
    groups: Arc<[Arc<str>]>,
    standing: Arc<Standing>,
    is_bound_by_dpop: bool,
    is_bound_by_certificate: bool,
    action: Action,
    upstream: UpstreamId,
    target: Target,
}

/// Who would do it, as far as policies look.
#[derive(Debug, Clone)]
pub struct Caller<'a> {
    /// The hard boundary.
    pub tenant: &'a TenantId,
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The agent.
    pub actor: &'a ActorId,
    /// The person's groups.
    pub groups: &'a Arc<[Arc<str>]>,
    /// What else the issuer says of the person; nothing where that is not known.
    pub standing: Arc<Standing>,
    /// The keys that the token is bound to.
    pub binding: KeyBinding,
}

impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            tenant: &principal.tenant,
            subject: &principal.subject,
            actor: &principal.actor,
            groups: &principal.groups,
            standing: Arc::clone(&principal.standing),
            binding: principal.binding,
        }
    }
}

impl Question {
    /// May `caller` do `action` (on the wire: `method`) to `target` of `upstream`?
    #[must_use]
    pub fn new<'a>(
        caller: impl Into<Caller<'a>>,
        action: Action,
        upstream: &UpstreamId,
        target: Target,
        method: Cow<'static, str>,
    ) -> Self {
        let caller = caller.into();
        Self {
            fixed: Fixed {
                tenant: caller.tenant.clone(),
                subject: caller.subject.clone(),
                actor: caller.actor.clone(),
                groups: Arc::clone(caller.groups),
                standing: caller.standing,
                is_bound_by_dpop: caller.binding.dpop.is_some(),
                is_bound_by_certificate: caller.binding.certificate.is_some(),
                action,
                upstream: upstream.clone(),
                target,
            },
            method,
            flow: Flow::default(),
            at: None,
            given: None,
        }
    }

    /// The same, with what is known of where its arguments come from.
    #[must_use]
    pub fn with_flow(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    /// The same, at a time. Without one, policies that look at the time deny.
    #[must_use]
    pub fn at(self, moment: Moment) -> Self {
        Self {
            at: Some(moment),
            ..self
        }
    }

    /// The same call of a tool, with these arguments. Without any, policies that look at arguments deny.
    #[must_use]
    pub fn with_arguments(self, given: Given) -> Self {
        Self {
            given: Some(given),
            ..self
        }
    }

    /// Whose policies are asked.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.fixed.tenant
    }

    pub(crate) fn subject(&self) -> &SubjectId {
        &self.fixed.subject
    }

    pub(crate) fn actor(&self) -> &ActorId {
        &self.fixed.actor
    }

    pub(crate) fn groups(&self) -> &[Arc<str>] {
        &self.fixed.groups
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.fixed.standing
    }

    /// Whether the token is bound to a key for DPoP, and to a certificate.
    pub(crate) fn binding(&self) -> (bool, bool) {
        let fixed = &self.fixed;
        (fixed.is_bound_by_dpop, fixed.is_bound_by_certificate)
    }

    /// What is to be done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.fixed.action
    }

    /// Where.
    #[must_use]
    pub fn upstream(&self) -> &UpstreamId {
        &self.fixed.upstream
    }

    /// To what of the upstream.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.fixed.target
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }

    pub(crate) fn moment(&self) -> Option<&Moment> {
        self.at.as_ref()
    }

    pub(crate) fn given(&self) -> Option<&Given> {
        self.given.as_ref()
    }
}
