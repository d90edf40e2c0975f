//! What may be asked for, and who decides.

use std::collections::{BTreeMap, BTreeSet};

use cardea_domain::{SubjectId, TenantId};
use serde_json::Value;

use super::Checker;
use crate::{
    Agent, ApprovalStage, Entitled, Entitlement, GrantKind, Need, People, Roles, RuleFile,
    diagnostic::{nearest, printable},
    quantity::{Quantity as _, count},
    raw::{
        BYTES_MAX, BYTES_MIN, CALLS_MAX, DURATION_MAX, DURATION_MIN, HOLD_MAX, HOLD_MIN, NeedWord,
        RATE_MAX, RawAgent, RawEntitled, RawEntitlement, RawNeed, RawPeople, RawRoles, RawStage,
    },
    yaml::At,
};

impl Checker<'_> {
    /// The entitlements at `at`, of `owner` where they are a tenant's; `upstreams` are those that they
    /// can be about.
    pub(super) fn entitlements(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawEntitlement>,
        upstreams: &BTreeSet<&str>,
        owner: Option<&TenantId>,
    ) -> Option<BTreeMap<String, Entitlement>> {
        let mut entitlements = BTreeMap::new();
        for (id, raw) in raws {
            let entitlement = self.entitlement(&at.key(id), id, raw, upstreams, owner);
            entitlements.extend(entitlement.map(|entitlement| (id.clone(), entitlement)));
        }
        (entitlements.len() == raws.len()).then_some(entitlements)
    }

    fn entitlement(
        &mut self,
        at: &At,
        id: &str,
        raw: &RawEntitlement,
        upstreams: &BTreeSet<&str>,
        owner: Option<&TenantId>,
    ) -> Option<Entitlement> {
        self.bounds(at, raw);
        let resources_at = at.key("resources");
        for (index, entitled) in raw.resources.iter().enumerate() {
            let at = resources_at.index(index);
            self.entitled_upstream(&at, entitled, upstreams);
            if !entitled.labels.is_empty() && entitled.tools.is_empty() {
                let at = at.key("labels");
                let message = "labels choose among tools, and there are none here";
                let diagnostic = self.document.error_at_key(&at, message);
                self.report(&at, diagnostic.expected("`tools`, such as [\"*\"]"));
            }
        }
        let arguments = self.optional(raw.arguments.as_ref(), |checker, schema| {
            checker.arguments_schema(&at.key("arguments"), Value::Object(schema.clone()))
        });
        let approval_at = at.key("approval");
        let stages = raw.approval.iter().enumerate();
        let approval: Vec<_> = stages
            .filter_map(|(index, stage)| self.stage(&approval_at.index(index), stage))
            .collect();
        if raw.second_person {
            self.others_than_the_requester(&approval_at, raw);
        }
        let automatic = self.optional(raw.automatic.as_deref(), |checker, text| {
            let file = checker.rule_file(&at.key("automatic"), text)?;
            let owner = owner.cloned();
            Some(RuleFile { file, owner })
        })?;
        (approval.len() == raw.approval.len()).then_some(Entitlement {
            title: raw.title.clone().unwrap_or_else(|| id.to_owned()),
            subjects: raw.requesters.subjects.clone(),
            groups: raw.requesters.groups.clone(),
            actors: raw.requesters.actors.clone(),
            resources: raw.resources.iter().map(entitled).collect(),
            arguments: arguments?,
            kinds: raw.kinds.clone(),
            duration_max: raw.duration_max.checked(),
            calls_max: u64::try_from(raw.calls_max.checked()).ok()?,
            bytes_max: raw.bytes_max.map(|size| size.checked()),
            calls_per_minute_max: match raw.calls_per_minute_max {
                Some(calls) => Some(u64::try_from(calls.checked()).ok()?),
                None => None,
            },
            bound_to: raw.bound_to,
            approval,
            automatic,
            second_person: raw.second_person,
            hidden: raw.hidden,
            justification: raw.justification,
            hold: raw.hold.map(|hold| hold.checked()),
        })
    }

    fn bounds(&mut self, at: &At, raw: &RawEntitlement) {
        let duration = at.key("duration_max");
        self.range(&duration, raw.duration_max, DURATION_MIN, DURATION_MAX);
        self.range(&at.key("calls_max"), raw.calls_max, count(1), CALLS_MAX);
        if let Some(size) = raw.bytes_max {
            self.range(&at.key("bytes_max"), size, BYTES_MIN, BYTES_MAX);
        }
        if let Some(calls) = raw.calls_per_minute_max {
            let at = at.key("calls_per_minute_max");
            self.range(&at, calls, count(1), RATE_MAX);
        }
        if let Some(hold) = raw.hold {
            self.range(&at.key("hold"), hold, HOLD_MIN, HOLD_MAX);
        }
        let calls_at = at.key("calls_max");
        if self.has(&calls_at) && !raw.kinds.contains(&GrantKind::Calls) {
            let diagnostic = self
                .document
                .error_at_key(&calls_at, "no grant is for a number of calls here");
            self.report(&calls_at, diagnostic.expected("`calls` among `kinds`"));
        }
    }

    fn entitled_upstream(&mut self, at: &At, raw: &RawEntitled, upstreams: &BTreeSet<&str>) {
        let at = at.key("upstream");
        let id = raw.upstream.as_str();
        if id.contains('*') || upstreams.contains(id) {
            return;
        }
        let message = format!("there is no upstream `{}` here", printable(id));
        let names = upstreams.iter().copied();
        let diagnostic = self
            .document
            .error(&at, message)
            .suggest(nearest(id, names));
        self.report(&at, diagnostic);
    }

    fn arguments_schema(&mut self, at: &At, schema: Value) -> Option<Value> {
        // The rest of the file could not be read by others if this had a dialect of its own.
        let built = jsonschema::draft202012::options()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema);
        match built {
            Ok(_) => Some(schema),
            Err(error) => {
                let message = format!("this is no JSON Schema: {error}");
                let diagnostic = self.document.error_at_key(at, message);
                self.report(at, diagnostic);
                None
            }
        }
    }

    fn stage(&mut self, at: &At, raw: &RawStage) -> Option<ApprovalStage> {
        if raw.subjects.is_empty() && raw.groups.is_empty() {
            let diagnostic = self.document.error(at, "nobody may decide this stage");
            let expected = "`subjects` or `groups` with at least one entry";
            self.report(at, diagnostic.expected(expected));
            return None;
        }
        let need = match raw.need {
            RawNeed::Word(NeedWord::All) => Need::All,
            RawNeed::Word(NeedWord::Any) => Need::Number(1),
            RawNeed::Number(number) => Need::Number(number),
        };
        if let Need::Number(number) = need
            && raw.groups.is_empty()
            && raw.subjects.len() < usize::try_from(number).ok()?
        {
            let at = at.key("need");
            let message = format!("there are only {} of them", raw.subjects.len());
            let diagnostic = self.document.error(&at, message);
            self.report(&at, diagnostic);
            return None;
        }
        let people = self.people(at, &raw.subjects, &raw.groups)?;
        Some(ApprovalStage { need, people })
    }

    /// A stage of nobody but the one person who may ask could never end well.
    fn others_than_the_requester(&mut self, at: &At, raw: &RawEntitlement) {
        let [requester] = raw.requesters.subjects.as_slice() else {
            return;
        };
        for (index, stage) in raw.approval.iter().enumerate() {
            let is_only = |subject| subject == requester && !requester.contains('*');
            if stage.groups.is_empty()
                && !stage.subjects.is_empty()
                && stage.subjects.iter().all(is_only)
            {
                let at = at.index(index);
                let message = "the one who may ask is the only one who may decide";
                let diagnostic = self.document.error(&at, message);
                let expected = "somebody else, or `second_person: false`";
                self.report(&at, diagnostic.expected(expected));
            }
        }
    }

    fn people(&mut self, at: &At, subjects: &[String], groups: &[String]) -> Option<People> {
        let mut people = People {
            subjects: BTreeSet::new(),
            groups: groups.iter().cloned().collect(),
        };
        let subjects_at = at.key("subjects");
        for (index, subject) in subjects.iter().enumerate() {
            let at = subjects_at.index(index);
            match SubjectId::parse(subject) {
                Ok(subject) => drop(people.subjects.insert(subject)),
                Err(error) => {
                    let diagnostic = self.document.error(&at, error.to_string());
                    self.report(&at, diagnostic);
                    return None;
                }
            }
        }
        Some(people)
    }

    /// What is known of agents at `at`.
    pub(super) fn agents(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawAgent>,
    ) -> Option<BTreeMap<String, Agent>> {
        let mut agents = BTreeMap::new();
        for (name, raw) in raws {
            let at = at.key(name).key("owners");
            if self.has(&at) && raw.owners.subjects.is_empty() && raw.owners.groups.is_empty() {
                let diagnostic = self.document.error_at_key(&at, "nobody is named here");
                let expected = "`subjects` or `groups` with at least one entry";
                self.report(&at, diagnostic.expected(expected));
            }
            let owners = self.people(&at, &raw.owners.subjects, &raw.owners.groups);
            let ask_by = raw.ask_by;
            agents.extend(owners.map(|owners| (name.clone(), Agent { owners, ask_by })));
        }
        (agents.len() == raws.len()).then_some(agents)
    }

    pub(super) fn roles(&mut self, at: &At, raw: &RawRoles) -> Option<Roles> {
        let mut of =
            |name: &str, raw: &RawPeople| self.people(&at.key(name), &raw.subjects, &raw.groups);
        let administrators = of("administrators", &raw.administrators);
        let auditors = of("auditors", &raw.auditors);
        Some(Roles {
            administrators: administrators?,
            auditors: auditors?,
        })
    }
}

fn entitled(raw: &RawEntitled) -> Entitled {
    Entitled {
        upstream: raw.upstream.clone(),
        tools: raw.tools.clone(),
        labels: raw.labels.iter().copied().collect(),
        resources: raw.resources.clone(),
        prompts: raw.prompts.clone(),
    }
}
