//! Rules that decide about requests: the policies' word first, then that of the rules, over what is
//! known of the moment and the tool.

use std::{collections::HashMap, sync::Arc};

use cardea_access::{Ahead, Asked, Bounds, Rules};
use cardea_domain::{KeyBinding, Ruling, Target, TenantId, UpstreamId};
use cardea_policy::{ApprovalPolicies, Caller, Outlook, Policies, Question, Wish};
use cardea_registry::Entry;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::moment::moment;

/// What the policies of one tenant say of things that are asked for ahead of a call.
#[derive(Debug)]
pub struct PolicyBounds {
    /// Whose policies.
    pub tenant: TenantId,
    /// What calls are decided by.
    pub policies: Arc<Policies>,
}

impl Bounds for PolicyBounds {
    fn forbidding(&self, ahead: &Ahead<'_>) -> Vec<Arc<str>> {
        let caller = Caller {
            tenant: &self.tenant,
            subject: ahead.subject,
            actor: ahead.actor,
            groups: ahead.groups,
            // Not known ahead: what reads these is left out.
            standing: Arc::default(),
            binding: KeyBinding::NONE,
        };
        let question = Question::new(
            caller,
            ahead.action,
            ahead.upstream,
            ahead.target.clone(),
            ahead.action.as_str().into(),
        );
        self.policies.forbidding_ahead(&question).to_vec()
    }
}

/// The rules of one entitlement in one tenant, as one world has them.
pub struct EntitlementRules {
    /// Whose requests they decide about.
    pub tenant: TenantId,
    /// What calls are decided by: nothing that these forbid is approved.
    pub policies: Arc<Policies>,
    /// The rules.
    pub rules: Arc<ApprovalPolicies>,
    /// The tenant's upstreams, for what they say of their tools.
    pub upstreams: Arc<HashMap<UpstreamId, Arc<Entry>>>,
    /// Where the tenant is.
    pub time_zone: TimeZone,
}

impl Rules for EntitlementRules {
    fn rule(&self, asked: &Asked<'_>) -> Ruling {
        let caller = Caller {
            tenant: &self.tenant,
            subject: asked.subject,
            actor: asked.actor,
            groups: asked.groups,
            // Not kept with requests: what a policy makes of these is decided when the call comes.
            standing: Arc::default(),
            binding: asked.binding,
        };
        let question = Question::new(
            caller,
            asked.action,
            asked.upstream,
            asked.target.clone(),
            asked.action.as_str().into(),
        );
        let question = match moment(asked.now_ms, &self.time_zone) {
            Ok(now) => question.at(now),
            Err(error) => return Ruling::Failed(error),
        };
        let is_silent = self.policies.outlook(&question) == Outlook::LacksPermit;
        let wish = match self.wish(asked) {
            Ok(wish) => wish,
            Err(error) => return Ruling::Failed(error),
        };
        match self.rules.rule(&question, &wish) {
            // What a policy forbids, no rule approves; what one permits needs no grant.
            Ruling::Approve(_) if !is_silent => {
                Ruling::Failed("policies do not leave it to grants".to_owned())
            }
            ruling => ruling,
        }
    }
}

impl EntitlementRules {
    fn wish(&self, asked: &Asked<'_>) -> Result<Wish, String> {
        let now = moment(asked.now_ms, &self.time_zone)?;
        Ok(Wish {
            kind: asked.terms.kind.as_str(),
            asked_by: asked.asked_by,
            duration_s: asked.terms.duration.as_secs(),
            calls: asked.terms.calls_max,
            bytes: asked.terms.bytes_max,
            extends: asked.extends,
            is_key_bound: !asked.binding.is_none(),
            utc: now.utc,
            local: now.local,
            asserted: self.asserted(asked),
            same: asked.history.same,
            agent: asked.history.all,
        })
    }

    /// What the server says of the very definition that the request is for.
    fn asserted(&self, asked: &Asked<'_>) -> [Option<bool>; 4] {
        let Target::Tool(name) = asked.target else {
            return [None; 4];
        };
        let entry = self.upstreams.get(asked.upstream);
        let definition = entry.and_then(|entry| entry.definitions().tool(name.as_str()));
        let definition = definition.filter(|d| d.digest.is_some() && d.digest == asked.tool_digest);
        let raw = definition.and_then(|d| serde_json::from_str::<Value>(&d.raw).ok());
        let hint = |name: &str| raw.as_ref()?.get("annotations")?.get(name)?.as_bool();
        [
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ]
        .map(hint)
    }
}

impl std::fmt::Debug for EntitlementRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntitlementRules")
            .field("tenant", &self.tenant)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
