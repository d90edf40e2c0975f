//! What of an answer its caller may see.

use std::{
    collections::BTreeMap,
    fmt::Display,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_domain::{Action, Code, Denial, Principal, PromptName, ResourceUri, Target, ToolName};
use cardea_guard::{elicitation::secret_asked_for, tenant::Guard};
use cardea_mcp::{
    Era, Id, Kind, Limits as JsonLimits, Message,
    json::{self, Level},
    list::{self, Item, Keep, ListError, Sieve},
    method::{self, List, Method},
};
use cardea_policy::{Outlook, Question};
use cardea_registry::{DefinitionKind, Known, is_reserved};
use serde::Deserialize;
use serde_json::Value;

use super::ANSWER_DEPTH_MAX;
use crate::{
    access::{self, Sight, native},
    confine,
    facts::{Heard, Outcome, Ruling},
    pins::{self, Shown},
    results::ResultOf,
    upstream::{malformed, unambiguous},
    way::Authorised,
    world::World,
};

/// What one answer may look like to its caller.
pub(crate) struct Lens<'a> {
    pub(crate) world: &'a World,
    pub(crate) principal: &'a Principal,
    pub(crate) known: &'a Known,
    pub(crate) era: Era,
    /// The tenant's rules for the tool whose answer it is.
    pub(crate) guard: Option<&'a Guard>,
    /// What the answer is the result of.
    pub(crate) of: &'a ResultOf,
    /// Whether a list is asked for from its beginning.
    pub(crate) is_first_page: bool,
}

/// A number, since `-32042.0` is the same code to a client.
const URL_ELICITATION_REQUIRED: f64 = -32042.0;

/// An answer reduced to what its caller may see.
#[derive(Debug)]
pub(crate) struct Filtered {
    pub(crate) text: Bytes,
    pub(crate) outcome: Outcome,
}

impl Filtered {
    /// As the client knows it.
    pub(crate) fn put_back(self, call: &Authorised) -> Self {
        let text = call.put_back(self.text);
        let outcome = Outcome {
            bytes: text.len(),
            ..self.outcome
        };
        Self { text, outcome }
    }
}

impl Lens<'_> {
    /// Checks an answer and takes out what the caller may not see.
    ///
    /// # Errors
    /// A denial when it is no answer to `awaited`, or asks for what is not permitted.
    pub(crate) async fn answer(
        &self,
        method: Option<&'static Method>,
        awaited: &str,
        message: &Message,
    ) -> Result<Filtered, Denial> {
        match (message.kind(), message.id()) {
            (Kind::Result | Kind::Error, Some(id)) if id == Id(awaited) => {}
            (Kind::Error, None) => {}
            (Kind::Result | Kind::Error, id) => {
                let id = id.map_or("null", Id::raw).escape_debug().to_string();
                return Err(malformed(format!("an answer to {id}, not to {awaited}")));
            }
            (Kind::Request | Kind::Notification, _) => {
                return Err(malformed("a request in place of an answer"));
            }
        }
        unambiguous(message)?;
        if message.kind() == Kind::Result {
            self.check_result(message)?;
        }
        if let Some(guard) = self.guard.filter(|guard| guard.filters()) {
            return self.checked(guard, message);
        }
        if message.kind() == Kind::Error {
            // 2025-11-25: an error that sends the person to a page is an elicitation.
            let code = message.body("code").unwrap_or_default();
            let code = code
                .parse::<f64>()
                .map_err(|_| malformed("an error without a number as its `code`"))?;
            if code == URL_ELICITATION_REQUIRED {
                // It holds addresses alone, and no form.
                self.server_may("elicitation/create", &Value::Null)
                    .allowed?;
            }
            return Ok(error(message));
        }
        let kind = message.body_str("resultType");
        // Wherever they stand: a task asks for input in a result of another type.
        if self.era == Era::Modern && message.body("inputRequests").is_some() {
            self.check_input_requests(message)?;
        }
        let mut outcome = Outcome {
            word: match kind.as_deref() {
                Some("input_required") => "input_required",
                Some("task") => "task",
                _ => "result",
            },
            ..of_result(message)
        };
        let text = match method.and_then(|m| m.list) {
            Some(list) => {
                let filtered = self.filter(list, message).await?;
                outcome.hidden = filtered.hidden;
                Bytes::from(filtered.text)
            }
            None => {
                let text = self.with_approved_instructions(method, message).await?;
                match list::make_private(text.as_ref().unwrap_or(message)) {
                    Some(text) => Bytes::from(text),
                    None => text.as_ref().unwrap_or(message).text().clone(),
                }
            }
        };
        outcome.bytes = text.len();
        Ok(Filtered { text, outcome })
    }

    /// The answer of a tool whose results are checked: only the tenant's own, and nothing else.
    fn checked(&self, guard: &Guard, message: &Message) -> Result<Filtered, Denial> {
        let (text, counts) = confine::answer(guard, self.era, message)?;
        let text = text.unwrap_or_else(|| message.text().clone());
        if message.kind() == Kind::Error {
            let mut filtered = error(message);
            filtered.outcome.bytes = text.len();
            return Ok(Filtered { text, ..filtered });
        }
        let json = JsonLimits {
            depth_max: ANSWER_DEPTH_MAX,
        };
        let left = Message::parse(text, &json).map_err(malformed)?;
        let text = list::make_private(&left).map_or_else(|| left.text().clone(), Bytes::from);
        let outcome = Outcome {
            rows_foreign: counts.rows_foreign,
            rows_unlabelled: counts.rows_unlabelled,
            blocks_untyped: counts.blocks_untyped,
            bytes: text.len(),
            ..of_result(&left)
        };
        Ok(Filtered { text, outcome })
    }

    /// A handshake or a self-description without the instructions that nobody has approved; `None` where there are
    /// none such.
    async fn with_approved_instructions(
        &self,
        method: Option<&'static Method>,
        message: &Message,
    ) -> Result<Option<Message>, Denial> {
        let describes = method.is_some_and(|m| matches!(m.name, "initialize" | "server/discover"));
        let raw = message.body("instructions");
        // Empty ones say nothing.
        let raw = raw.filter(|raw| describes && *raw != "\"\"");
        let Some((raw, span)) = raw.zip(message.span(Level::Body, "instructions")) else {
            return Ok(None);
        };
        let mut shown = Shown::by(self.known);
        let taken = shown.take(DefinitionKind::Instructions, "", raw);
        let tenant = self.world.tenants.get(self.known.tenant());
        shown.tell(tenant.map(|tenant| &**tenant)).await;
        if taken.is_approved {
            return Ok(None);
        }
        let text = json::splice(message.text(), &[(span, b"\"\"")]);
        let limits = JsonLimits {
            depth_max: ANSWER_DEPTH_MAX,
        };
        let text = Message::parse(text.into(), &limits).map_err(malformed)?;
        Ok(Some(text))
    }

    /// Only items that the caller could use right now are shown.
    ///
    /// A long list against many policies takes seconds: others on this worker get their turn
    /// meanwhile.
    async fn filter(&self, list: List, message: &Message) -> Result<list::Filtered, Denial> {
        let mut shown = Shown::by(self.known);
        let mut left_out = LeftOut::default();
        let mut keep = |item: Item<'_>| {
            let Some((action, target, method)) = wanted(list, &item) else {
                return Keep::Hidden;
            };
            if let Some(kind) = pins::kind_of(list) {
                let taken = shown.take(kind, item.name, item.raw);
                // Headers repeat arguments in the modern era only.
                if let Some(error) = taken.invalid
                    && self.era == Era::Modern
                {
                    left_out.note(item.name, error);
                    return Keep::Hidden;
                }
                if list == List::Tools && is_reserved(item.name) {
                    left_out.note(item.name, "the name is the gateway's");
                    return Keep::Hidden;
                }
                if !taken.is_approved {
                    return Keep::Hidden;
                }
            }
            self.shows(item, action, &target, method)
        };
        let mut sieve = Sieve::new(message, list).map_err(|e| unusable(e, list))?;
        let mut turn = Instant::now();
        while sieve
            .step(ITEMS_A_STEP, &mut keep)
            .map_err(|e| unusable(e, list))?
        {
            if turn.elapsed() >= TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        left_out.tell(self.known);
        let tenant = self.world.tenants.get(self.known.tenant());
        shown.tell(tenant.map(|tenant| &**tenant)).await;
        if list == List::Tools && self.is_first_page && self.may_ask() {
            native::DEFINITIONS.iter().for_each(|raw| sieve.add(raw));
        }
        Ok(sieve.finish())
    }

    /// What of an item the caller sees: what it could use right now as it is, what it could ask for with a word of that.
    fn shows(&self, item: Item<'_>, action: Action, target: &Target, method: &'static str) -> Keep {
        match self.sight(action, target, method) {
            Sight::Usable => Keep::AsItIs,
            Sight::Requestable(entitlement) => {
                access::marked(item.raw, entitlement).map_or(Keep::Hidden, Keep::As)
            }
            Sight::Hidden => Keep::Hidden,
        }
    }

    fn sight(&self, action: Action, target: &Target, method: &'static str) -> Sight<'_> {
        let access = self.world.access(self.principal);
        if let Some(access) = access
            && access
                .check_locks(self.principal, action, self.known.id(), target)
                .is_err()
        {
            return Sight::Hidden;
        }
        let question = Question::new(
            self.principal,
            action,
            self.known.id(),
            target.clone(),
            method.into(),
        );
        match (self.world.outlook(question), access) {
            (Outlook::Possible, _) => Sight::Usable,
            (Outlook::LacksPermit, Some(access)) => {
                access.sight(self.principal, action, self.known.id(), target)
            }
            (Outlook::LacksPermit, None) | (Outlook::Refused, _) => Sight::Hidden,
        }
    }

    /// Whether there is anything of this upstream that the caller may ask for.
    fn may_ask(&self) -> bool {
        self.world
            .access(self.principal)
            .is_some_and(|access| access.entitlements.reaches(self.principal, self.known.id()))
    }

    /// What the server asks of the client is checked like a call (2026-07-28, MRTR).
    pub(crate) fn check_input_requests(&self, message: &Message) -> Result<(), Denial> {
        #[derive(Deserialize)]
        struct InputRequest {
            method: String,
            params: Option<Value>,
        }
        let Some(raw) = message.body("inputRequests") else {
            return Ok(());
        };
        let requests: BTreeMap<String, InputRequest> =
            serde_json::from_str(raw).map_err(|e| malformed(format!("`inputRequests`: {e}")))?;
        for request in requests.values() {
            let params = request.params.as_ref().unwrap_or(&Value::Null);
            self.server_may(&request.method, params).allowed?;
        }
        Ok(())
    }

    /// Whether the caller may know that a resource changed; every other notification it may see.
    pub(crate) fn shows_update(&self, message: &Message) -> bool {
        if message.method() != "notifications/resources/updated" {
            return true;
        }
        let uri = message.body_str("uri");
        uri.and_then(|uri| ResourceUri::parse(&uri).ok())
            .is_some_and(|uri| {
                let target = Target::Resource(uri);
                let sight = self.sight(Action::SubscribeResource, &target, "resources/subscribe");
                matches!(sight, Sight::Usable)
            })
    }

    /// Whether the server may ask this of the caller's client.
    pub(crate) fn server_may(&self, method: &str, params: &Value) -> Heard {
        let shown: String = method.chars().take(64).collect();
        let refused = |detail: String| {
            Denial::new(
                Code::PolicyDenied,
                format!(
                    "the server asked the client for `{}`, which is not permitted",
                    shown.escape_debug()
                ),
            )
            .help("ask whoever runs the gateway for a policy that permits it")
            .detail(detail)
        };
        let Some(action) = method::server_request(method) else {
            return Heard {
                ruling: None,
                allowed: Err(refused("not a request that servers may make".into())),
            };
        };
        let question = Question::new(
            self.principal,
            action,
            self.known.id(),
            Target::Upstream,
            shown.clone().into(),
        );
        match self.world.decide(question) {
            Ok(permit) => Heard {
                ruling: Some(Ruling::from(&permit)),
                allowed: match action {
                    Action::Elicit => asks_for_no_secret(params),
                    _ => Ok(()),
                },
            },
            Err(no) => Heard {
                ruling: no.ruling,
                allowed: Err(refused(no.denial.detail.unwrap_or_default())),
            },
        }
    }
}

/// Tools of one list that nobody is shown: a server may have thousands, and the log has one line.
#[derive(Default)]
struct LeftOut {
    count: usize,
    first: Option<(String, String)>,
}

impl LeftOut {
    fn note(&mut self, name: &str, why: impl Display) {
        self.count += 1;
        let first = || (name.to_owned(), why.to_string());
        self.first.get_or_insert_with(first);
    }

    fn tell(self, known: &Known) {
        if let Some((tool, why)) = self.first {
            tracing::warn!(tenant = %known.tenant(), upstream = %known.id(), tool, why, others = self.count - 1, "tools left out");
        }
    }
}

/// Forms are no way to give a secret away, whatever policies permit.
fn asks_for_no_secret(params: &Value) -> Result<(), Denial> {
    match secret_asked_for(params) {
        None => Ok(()),
        Some(field) => Err(Denial::new(
            Code::PolicyDenied,
            "the server asked for a secret by a form, or by one too long to look at, which no server may",
        )
        .help("tell whoever runs the server to send people to an address of its own")
        .detail(field)),
    }
}

fn of_result(message: &Message) -> Outcome {
    Outcome {
        word: "result",
        is_error: message.body("isError") == Some("true"),
        ..Outcome::default()
    }
}

fn error(message: &Message) -> Filtered {
    let text = message.text().clone();
    Filtered {
        outcome: Outcome {
            word: "error",
            bytes: text.len(),
            rpc_code: message.body("code").and_then(|c| c.parse().ok()),
            ..Outcome::default()
        },
        text,
    }
}

/// Items decided on between two looks at the time; 200 policies take some 50 µs for each.
const ITEMS_A_STEP: usize = 8;
/// How long one list decides before others get their turn: little beside a call's own time.
const TURN: Duration = Duration::from_millis(1);

fn unusable(error: ListError, list: List) -> Denial {
    match error {
        ListError::Unusable => malformed(format!("no usable `{}` in the result", list.member())),
        ListError::TooMany => Denial::new(
            Code::UpstreamTooLarge,
            format!(
                "the server's list has more than {} items on one page",
                list::ITEMS_MAX
            ),
        )
        .help("tell whoever runs the server to use pages"),
    }
}

/// What a caller needs to be permitted to see an item.
fn wanted(list: List, item: &Item<'_>) -> Option<(Action, Target, &'static str)> {
    Some(match list {
        List::Tools => (
            Action::CallTool,
            Target::Tool(ToolName::parse(item.name).ok()?),
            "tools/call",
        ),
        List::Resources => (
            Action::ReadResource,
            Target::Resource(ResourceUri::parse(item.name).ok()?),
            "resources/read",
        ),
        List::Templates => (
            Action::ReadResource,
            Target::Template(ResourceUri::parse(item.name).ok()?),
            "resources/read",
        ),
        List::Prompts => (
            Action::GetPrompt,
            Target::Prompt(PromptName::parse(item.name).ok()?),
            "prompts/get",
        ),
    })
}
