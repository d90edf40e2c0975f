//! A call as people and files describe it.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use cardea_config::Config;
use cardea_domain::{
    Action, ActorId, Clock, KeyBinding, Principal, PromptName, ResourceUri, RunId, RunSource,
    Standing, SubjectId, Target, TenantId, Thumbprint, ToolName, UpstreamId,
};
use cardea_policy::{Flow, Given, Question};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use crate::cli::{BoundBy, ExplainArgs};

/// Who would do what, as a file of tests spells it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Described {
    pub(super) tenant: Option<String>,
    pub(super) subject: String,
    pub(super) actor: String,
    pub(super) groups: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) acr: Option<String>,
    pub(super) amr: Vec<String>,
    pub(super) auth_time: Option<String>,
    pub(super) bound_by: Vec<BoundBy>,
    pub(super) upstream: String,
    pub(super) tool: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) prompt: Option<String>,
    /// The method on the wire, where it is another than the action's name.
    pub(super) method: Option<String>,
    pub(super) arguments: Option<Value>,
    pub(super) at: Option<String>,
    #[serde(deserialize_with = "facts")]
    pub(super) flow: Map<String, Value>,
}

fn facts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(facts) => Ok(facts),
        _ => Err(D::Error::custom(
            "`flow` has facts with their values, such as `flow: { untrusted_in_run: true }`",
        )),
    }
}

/// A question, with whose it is.
pub(super) struct Asked {
    pub(super) principal: Principal,
    pub(super) question: Question,
}

impl Described {
    pub(super) fn of(args: &ExplainArgs) -> anyhow::Result<Self> {
        let arguments = args.arguments.as_deref();
        let arguments = arguments.map(serde_json::from_str).transpose();
        let mut flow = Map::new();
        for fact in &args.flow {
            let (name, value) = fact.split_once('=').unwrap_or((fact, "true"));
            let value = serde_json::from_str(value).with_context(|| format!("`--flow {fact}`"))?;
            flow.insert(name.to_owned(), value);
        }
        Ok(Self {
            tenant: args.tenant.clone(),
            subject: args.subject.clone(),
            actor: args.actor.clone(),
            groups: args.groups.clone(),
            roles: args.roles.clone(),
            acr: args.acr.clone(),
            amr: args.amr.clone(),
            auth_time: args.auth_time.clone(),
            bound_by: args.bound_by.clone(),
            upstream: args.upstream.clone(),
            tool: args.tool.clone(),
            resource: args.resource.clone(),
            prompt: args.prompt.clone(),
            method: None,
            arguments: arguments.context("`--arguments` is no JSON")?,
            at: args.at.clone(),
            flow,
        })
    }

    /// The question, asked in this tenant.
    pub(super) fn ask(&self, config: &Config, tenant: &TenantId) -> anyhow::Result<Asked> {
        let principal = self.principal(tenant)?;
        let upstream = UpstreamId::parse(&self.upstream)?;
        if !config.upstreams_of(tenant).any(|known| *known == upstream) {
            let known: Vec<_> = config
                .upstreams_of(tenant)
                .map(ToString::to_string)
                .collect();
            bail!(
                "there is no server `{upstream}` for `{tenant}`; there are: {}",
                known.join(", ")
            );
        }
        let (action, target) = self.wanted()?;
        let flow = Flow::deserialize(Value::Object(self.flow.clone())).context("`flow`")?;
        let question = Question::new(
            &principal,
            action,
            &upstream,
            target,
            match (&self.method, action) {
                (Some(method), _) => method.clone().into(),
                (None, Action::Connect) => "tools/list".into(),
                (None, action) => action.as_str().into(),
            },
        );
        let zone = config
            .tenants
            .get(tenant)
            .map_or("UTC", |own| &own.time_zone);
        let now_ms = match &self.at {
            Some(at) => u64::try_from(time(at)?.as_millisecond()).context("the time")?,
            None => Clock::system().unix_ms(),
        };
        let moment = cardea_gateway::moment(now_ms, &TimeZone::get(zone)?);
        let mut question = question
            .with_flow(flow)
            .at(moment.map_err(|error| anyhow!(error))?);
        if let Some(arguments) = &self.arguments {
            if !arguments.is_object() {
                bail!("the arguments are no object");
            }
            question = question.with_arguments(Given {
                value: Arc::new(arguments.clone()),
                definition: None,
            });
        }
        Ok(Asked {
            principal,
            question,
        })
    }

    fn wanted(&self) -> anyhow::Result<(Action, Target)> {
        Ok(match (&self.tool, &self.resource, &self.prompt) {
            (Some(tool), None, None) => (Action::CallTool, Target::Tool(ToolName::parse(tool)?)),
            (None, Some(uri), None) => (
                Action::ReadResource,
                Target::Resource(ResourceUri::parse(uri)?),
            ),
            (None, None, Some(name)) => {
                (Action::GetPrompt, Target::Prompt(PromptName::parse(name)?))
            }
            (None, None, None) => (Action::Connect, Target::Upstream),
            _ => bail!("it is about a tool, a resource or a prompt, and not about two of them"),
        })
    }

    fn principal(&self, tenant: &TenantId) -> anyhow::Result<Principal> {
        let auth_time = self.auth_time.as_deref().map(time).transpose()?;
        let auth_time_s = auth_time
            .map(|at| u64::try_from(at.as_second()))
            .transpose();
        // Which key it is does not matter to policies.
        let bound = |by| {
            self.bound_by
                .contains(&by)
                .then(|| Thumbprint::new([0; 32]))
        };
        Ok(Principal {
            tenant: tenant.clone(),
            subject: SubjectId::parse(&self.subject)?,
            actor: ActorId::parse(&self.actor)?,
            chain: [].into(),
            run: RunId::parse("explained")?,
            run_source: RunSource::Token,
            binding: KeyBinding {
                dpop: bound(BoundBy::Dpop),
                certificate: bound(BoundBy::Certificate),
            },
            groups: sorted(&self.groups),
            standing: Arc::new(Standing {
                roles: sorted(&self.roles),
                acr: self.acr.as_deref().map(Arc::from),
                amr: sorted(&self.amr),
                auth_time_s: auth_time_s.context("`auth_time`")?,
            }),
            task: None,
        })
    }
}

pub(super) fn sorted(names: &[String]) -> Arc<[Arc<str>]> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names.into_iter().map(Arc::from).collect()
}

fn time(text: &str) -> anyhow::Result<Timestamp> {
    text.parse()
        .with_context(|| format!("`{text}` is no time such as 2026-11-26T10:00:00Z"))
}
