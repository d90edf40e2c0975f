//! The gateway's own tools, by which an agent finds out what it may ask for, asks, and gives back.
//!
//! They stand beside the server's in `tools/list` of every upstream where the caller may ask for something, and are
//! answered here: nothing of them goes upstream. None of them decides anything.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use cardea_access::{
    AccessRequest, Asker, ChangeError, Entitlement, Filter, Holder, Kind, LABEL_CHARS_MAX, Moment,
    NewRequest, Page, Reason,
};
use cardea_domain::{
    Action, GrantId, Principal, PromptName, RequestId, ResourceUri, Target, ToolName,
};
use cardea_mcp::{Era, Message};
use cardea_policy::{Given, Question};
use cardea_registry::RESERVED;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::TenantAccess;
use crate::{
    Tenant,
    firewall::{self, Firewall},
    flow::{self, Begun, FlowCall},
};

/// One of the gateway's own tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    ListRequestable,
    RequestAccess,
    AccessStatus,
    ReleaseAccess,
}

/// Their definitions, as raw JSON, in the order of [`Tool`].
pub(crate) static DEFINITIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    // INVARIANT: a test reads it; what could not be read would list nothing.
    let all: Vec<Value> =
        serde_json::from_str(include_str!("native/definitions.json")).unwrap_or_default();
    all.iter().map(Value::to_string).collect()
});

impl Tool {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Some(match name.strip_prefix(RESERVED)? {
            "list_requestable" => Self::ListRequestable,
            "request_access" => Self::RequestAccess,
            "access_status" => Self::AccessStatus,
            "release_access" => Self::ReleaseAccess,
            _ => return None,
        })
    }
}

/// What a call of one of the tools needs.
pub(crate) struct Call<'a> {
    pub(crate) access: &'a TenantAccess,
    pub(crate) principal: &'a Principal,
    pub(crate) known: &'a cardea_registry::Known,
    pub(crate) message: &'a Message,
    pub(crate) model: Option<&'a str>,
    pub(crate) client: Option<&'a str>,
    pub(crate) tenant: &'a Tenant,
    pub(crate) firewall: Option<&'a Firewall>,
    pub(crate) begun: Begun,
    pub(crate) now_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskArguments<'a> {
    tool: Option<String>,
    resource: Option<String>,
    prompt: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    kind: Option<Kind>,
    duration_s: Option<u64>,
    calls: Option<u64>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusArguments {
    request: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseArguments {
    grant: String,
}

impl Call<'_> {
    /// What the tool says; what went wrong is said to the model too.
    pub(crate) async fn answer(&self, tool: Tool) -> Result<Value, String> {
        match tool {
            Tool::ListRequestable => {
                let Nothing {} = self.arguments()?;
                Ok(self.requestable())
            }
            Tool::RequestAccess => self.request(self.arguments()?).await,
            Tool::AccessStatus => self.status(&self.arguments()?).await,
            Tool::ReleaseAccess => self.release(&self.arguments()?).await,
        }
    }

    fn arguments<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        let raw = self.message.body("arguments").unwrap_or("{}");
        serde_json::from_str(raw).map_err(|e| format!("the arguments cannot be used: {e}"))
    }

    fn requestable(&self) -> Value {
        let all = self.access.entitlements.requestable(self.principal);
        let here: Vec<_> = all
            .filter(|e| !e.hidden)
            .filter_map(|e| self.entitlement(e))
            .collect();
        json!({ "requestable": here })
    }

    fn entitlement(&self, entitlement: &Entitlement) -> Option<Value> {
        let here = self.known.id().as_str();
        let resources: Vec<_> = entitlement
            .resources
            .iter()
            .filter(|resource| resource.upstream.matches(here))
            .map(|resource| json!({ "kind": resource.kind.as_str(), "name": resource.name.to_string() }))
            .collect();
        let kinds: Vec<_> = entitlement.kinds.iter().map(|kind| kind.as_str()).collect();
        (!resources.is_empty()).then(|| {
            json!({
                "entitlement": entitlement.id.as_str(),
                "title": entitlement.description,
                "resources": resources,
                "kinds": kinds,
                "duration_max_s": entitlement.duration_max.as_secs(),
                "calls_max": entitlement.calls_max,
                "arguments": entitlement.constraint,
                "reason_required": entitlement.justification.required,
            })
        })
    }

    async fn request(&self, wish: AskArguments<'_>) -> Result<Value, String> {
        let (action, target) = target(&wish)?;
        // Before anything of the target is looked at: whoever may not ask for it learns nothing of it.
        let entitlements = &self.access.entitlements;
        if entitlements
            .covering(self.principal, action, self.known.id(), &target)
            .is_none()
        {
            return Err("not permitted, or it does not exist".to_owned());
        }
        if let Target::Tool(name) = &target
            && self.known.definitions().tool(name.as_str()).is_none()
        {
            return Err(
                "there is no such tool in the last list; send `tools/list` first".to_owned(),
            );
        }
        let arguments = match action {
            Action::ReadResource => None,
            _ => Some(wish.arguments.map_or("{}", RawValue::get)),
        };
        if let (Target::Tool(tool), Some(arguments)) = (&target, wish.arguments) {
            self.check(tool.as_str(), arguments.get())?;
        }
        let reason = match self.noticed(action, &target, arguments)? {
            Some(noticed) => Some(Reason::by_gateway(noticed, wish.reason)),
            None => wish.reason.map(Reason::by_model),
        };
        let client = self
            .client
            .map(|text| text.chars().take(LABEL_CHARS_MAX).collect::<String>());
        let ask = NewRequest {
            asker: Asker::agent(self.principal),
            moment: Moment::Ahead,
            action,
            upstream: self.known.id(),
            target: &target,
            kind: wish.kind,
            arguments,
            constraint: None,
            duration: wish.duration_s.map(Duration::from_secs),
            calls_max: wish.calls,
            tool_digest: super::tool_digest(self.known, &target),
            policies: self.tenant.policies.digest(),
            reason,
            ticket: None,
            model: self.model,
            client: client.as_deref(),
            extends: None,
        };
        let asked = self
            .access
            .access
            .ask(&self.access.entitlements, &ask)
            .await;
        let request = asked.map_err(|refused| super::ask::told(&refused))?;
        Ok(self.shown(&request))
    }

    /// Whether the call that is wished for could be made at all: nobody is to decide about another one.
    fn check(&self, tool: &str, arguments: &str) -> Result<(), String> {
        let Some(firewall) = self.firewall else {
            return Ok(());
        };
        let value: Value = serde_json::from_str(arguments)
            .map_err(|_| "the arguments have to be an object".to_owned())?;
        let groups = self.principal.groups.iter().map(|group| &**group);
        // What has to be looked up is looked up when the call comes.
        firewall
            .constraints(tool)
            .check(&value, groups)
            .map_err(|refused| firewall::not_admitted(&refused).to_string())?;
        match self.known.definitions().tool(tool) {
            Some(definition) if firewall.checks_arguments() => firewall
                .check_arguments(tool, &definition, &value)
                .map_err(|denial| denial.to_string()),
            _ => Ok(()),
        }
    }

    /// The question with the arguments that are wished for, where policies look at those of tools.
    fn with_arguments(&self, question: Question, arguments: Option<&str>) -> Question {
        let value = arguments.and_then(|raw| serde_json::from_str(raw).ok());
        let (Some(value), Target::Tool(tool)) = (value, question.target()) else {
            return question;
        };
        let definition = self.known.definitions().tool(tool.as_str());
        question.with_arguments(Given {
            value: Arc::new(value),
            definition: definition.map(|definition| Arc::clone(&definition.raw)),
        })
    }

    /// What speaks against the call, where policies would hold it: whoever decides has to know that, and not what a model
    /// says alone.
    fn noticed(
        &self,
        action: Action,
        target: &Target,
        arguments: Option<&str>,
    ) -> Result<Option<String>, String> {
        let question = Question::new(
            self.principal,
            action,
            self.known.id(),
            target.clone(),
            action.as_str().into(),
        );
        let question = self.with_arguments(self.tenant.now(question), arguments);
        let policies = &self.tenant.policies;
        let wished = policies.reads_flow().then(|| {
            FlowCall::wished(
                &self.tenant.flow,
                self.principal,
                self.begun,
                self.known,
                (target, arguments),
                self.message,
                self.now_ms,
            )
        });
        let facts = wished.as_ref().map(FlowCall::facts);
        let question = match &facts {
            Some(facts) => question.with_flow(flow::context(facts)),
            None => question,
        };
        let held_by = policies.approval(&question).map_err(|refusal| {
            tracing::error!(tenant = %self.principal.tenant, detail = ?refusal.denial().detail, "a wish could not be decided");
            "this cannot be asked for now; tell whoever runs the gateway".to_owned()
        })?;
        if held_by.is_empty() {
            return Ok(None);
        }
        if let Some(wished) = wished {
            wished.contest();
        }
        Ok(Some(facts.map(|f| f.to_string()).unwrap_or_default()))
    }

    async fn status(&self, of: &StatusArguments) -> Result<Value, String> {
        let Some(id) = &of.request else {
            let mine = Filter {
                subject: Some(self.principal.subject.clone()),
                actor: Some(self.principal.actor.clone()),
                upstream: Some(self.known.id().clone()),
                ..Filter::default()
            };
            let page = Page {
                after: None,
                rows_max: REQUESTS_SHOWN_MAX,
            };
            let requests = self.access.access.requests(&mine, &page).await;
            let requests = requests.map_err(|e| not_known(&e))?;
            let own = requests.iter().filter(|request| self.is_own(request));
            let all: Vec<_> = own.map(|request| self.shown(request)).collect();
            return Ok(json!({ "requests": all }));
        };
        // Another's request is one that does not exist.
        let unknown = || "there is no such request of yours".to_owned();
        let id = RequestId::parse(id).map_err(|_| unknown())?;
        let found = self.access.access.request(&id).await;
        found
            .map_err(|e| not_known(&e))?
            .filter(|request| self.is_own(request))
            .map(|request| self.shown(&request))
            .ok_or_else(unknown)
    }

    /// Of this agent for this person, in this run or beforehand.
    fn is_own(&self, request: &AccessRequest) -> bool {
        request.subject == self.principal.subject
            && request.actor == self.principal.actor
            && request
                .run
                .as_ref()
                .is_none_or(|run| *run == self.principal.run)
    }

    async fn release(&self, of: &ReleaseArguments) -> Result<Value, String> {
        let id =
            GrantId::parse(&of.grant).map_err(|_| "there is no such grant of yours".to_owned())?;
        let holder = Holder::Agent(self.principal);
        let released = self.access.access.release(&id, holder).await;
        released.map_err(|refused| match refused {
            ChangeError::Store(_) | ChangeError::Journal(_) => not_known(&refused),
            other => other.to_string(),
        })?;
        Ok(json!({ "grant": id.as_str(), "state": "released" }))
    }

    fn shown(&self, request: &AccessRequest) -> Value {
        json!({
            "request": request.id.as_str(),
            "state": request.state.as_str(),
            "kind": request.terms.kind.as_str(),
            "target": super::ask::shown(&request.target),
            "grant": request.state.grant().map(GrantId::as_str),
            "rule": super::ask::rule(request),
            "reason": request.approvals.last().and_then(|said| said.reason.as_deref()),
            "url": self.access.page(&request.id),
            "expires_s": request.expires_ms / 1000,
        })
    }
}

/// Of a run's own requests.
const REQUESTS_SHOWN_MAX: u32 = 20;

fn not_known(error: &dyn std::fmt::Display) -> String {
    tracing::error!(%error, "requests cannot be read");
    "requests cannot be read now; try again later".to_owned()
}

fn target(wish: &AskArguments<'_>) -> Result<(Action, Target), String> {
    let parsed = match (&wish.tool, &wish.resource, &wish.prompt) {
        (Some(name), None, None) => {
            ToolName::parse(name).map(|name| (Action::CallTool, Target::Tool(name)))
        }
        (None, Some(uri), None) => {
            ResourceUri::parse(uri).map(|uri| (Action::ReadResource, Target::Resource(uri)))
        }
        (None, None, Some(name)) => {
            PromptName::parse(name).map(|name| (Action::GetPrompt, Target::Prompt(name)))
        }
        _ => return Err("name exactly one of `tool`, `resource` and `prompt`".to_owned()),
    };
    parsed.map_err(|e| e.to_string())
}

/// The result of a tool as the protocol has it: text for a model, the same for programs.
pub(crate) fn result(said: &Result<Value, String>, era: Era) -> Value {
    let (text, is_error) = match said {
        Ok(value) => (value.to_string(), false),
        Err(why) => (why.clone(), true),
    };
    let mut result = Map::new();
    result.insert(
        "content".to_owned(),
        json!([{ "type": "text", "text": text }]),
    );
    result.insert("isError".to_owned(), is_error.into());
    if let Ok(value) = said {
        result.insert("structuredContent".to_owned(), value.clone());
    }
    if era == Era::Modern {
        result.insert("resultType".to_owned(), "complete".into());
    }
    Value::Object(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_a_tool_and_every_tool_is_defined() {
        let names: Vec<_> = DEFINITIONS
            .iter()
            .map(|raw| {
                let definition: Value = serde_json::from_str(raw).unwrap();
                assert!(definition["inputSchema"]["type"] == "object", "{raw}");
                definition["name"].as_str().unwrap().to_owned()
            })
            .collect();
        let tools: Vec<_> = names
            .iter()
            .map(|name| Tool::of_name(name).unwrap())
            .collect();
        let all = [
            Tool::ListRequestable,
            Tool::RequestAccess,
            Tool::AccessStatus,
            Tool::ReleaseAccess,
        ];
        assert_eq!(tools, all);
        assert_eq!(Tool::of_name("cardea__approve"), None);
    }
}
