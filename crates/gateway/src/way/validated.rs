//! Fourth station: a message that is of its era, agrees with its headers and names its target.

use cardea_domain::{Action, Code, Denial, PromptName, ResourceUri, Target, ToolName};
use cardea_mcp::{
    Era, Kind, Message, header,
    method::{self, Effect, Method, Shape, TargetSource},
    param_header, params,
};
use cardea_policy::Question;
use cardea_registry::Known;
use http::HeaderMap;
use serde_json::Value;

use super::{
    Ask, Refused, Resolved,
    replies::{input_responses, response},
};
use crate::{
    access::{Declared, Redeemed},
    protocol::{Dialect, mismatch, unknown_method},
    seal::{Purpose, Sealer},
    world::{Gateway, World},
};

/// The legacy session that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// None.
    None,
    /// The upstream's own session id, opened from the sealed one.
    Named(String),
}

/// What a sealed session id says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SealedSession {
    /// The upstream's own.
    pub(crate) id: String,
    /// What the client declared in `initialize`, which no later message repeats.
    pub(crate) declared: Declared,
}

impl SealedSession {
    pub(crate) fn write(&self) -> String {
        format!("{}{}", self.declared.mark(), self.id)
    }

    fn read(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let declared = Declared::of_mark(chars.next()?)?;
        Some(Self {
            id: chars.as_str().to_owned(),
            declared,
        })
    }
}

/// What a policy has to say yes to, and how the call is carried out.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(super) resolved: Resolved,
    pub(super) known: Known,
    pub(super) dialect: Dialect,
    pub(super) method: Option<&'static Method>,
    pub(super) effect: Effect,
    pub(super) session: Session,
    /// What a legacy client declared when it began its session.
    pub(super) declared: Declared,
    /// What the client waits for: it tries again.
    pub(super) ticket: Option<Redeemed>,
    pub(super) questions: Vec<Question>,
}

/// Characters of a method's name.
pub(super) const METHOD_CHARS_MAX: usize = 128;
/// Resource URIs in one `subscriptions/listen`; each is a decision.
const FILTER_URIS_MAX: usize = 256;

impl Validated {
    /// The message, where there is one.
    pub(crate) fn message(&self) -> Option<&Message> {
        match &self.resolved.ask {
            Ask::Message(message) => Some(message),
            Ask::Stream | Ask::End => None,
        }
    }

    /// Whether anything could be asked for in the caller's tenant.
    pub(crate) fn may_wait(&self, world: &World) -> bool {
        world.access(&self.resolved.principal).is_some()
    }

    /// Checks dialect, method, shape, session, target and mirrored headers.
    pub(crate) fn check(mut resolved: Resolved, gateway: &Gateway) -> Result<Self, Box<Refused>> {
        let dialect = match dialect(&resolved) {
            Ok(dialect) => dialect,
            Err(denial) => return Err(Refused::new(denial, resolved.facts)),
        };
        resolved.facts.dialect = Some(dialect);
        let ticket = match ticket(&mut resolved, dialect, gateway) {
            Ok(ticket) => ticket,
            Err(denial) => return Err(Refused::new(denial, resolved.facts)),
        };
        let examined = examine(&mut resolved, dialect, gateway);
        let Examined {
            method,
            effect,
            named: (session, declared),
            wanted,
        } = match examined {
            Ok(examined) => examined,
            Err(denial) => return Err(Refused::new(denial, resolved.facts)),
        };
        let Some(known) = resolved.known.take() else {
            let denial = match wanted.first() {
                Some((Action::Extension, _)) => unknown_method(&resolved.facts.method, dialect.era)
                    .detail("the tenant has no such upstream"),
                _ => unknown_upstream(),
            };
            return Err(Refused::new(denial, resolved.facts));
        };
        let questions = questions(&mut resolved, &known, wanted);
        Ok(Self {
            resolved,
            known,
            dialect,
            method,
            effect,
            session,
            declared,
            ticket,
            questions,
        })
    }
}

/// As a refusal by policy: what a tenant may not see does not exist for it.
fn unknown_upstream() -> Denial {
    Denial::not_permitted(Code::PolicyDenied).detail("the tenant has no such upstream")
}

fn dialect(resolved: &Resolved) -> Result<Dialect, Denial> {
    match &resolved.ask {
        Ask::Message(message) => Dialect::of_message(&resolved.head.headers, message),
        Ask::Stream | Ask::End => Dialect::of_headers(&resolved.head.headers),
    }
}

pub(super) type Wanted = Vec<(Action, Target)>;

/// What was found in a message.
struct Examined {
    method: Option<&'static Method>,
    effect: Effect,
    /// The legacy session, and what its client declared.
    named: (Session, Declared),
    wanted: Wanted,
}

impl Examined {
    fn new(
        method: Option<&'static Method>,
        effect: Effect,
        named: (Session, Declared),
        wanted: Wanted,
    ) -> Self {
        Self {
            method,
            effect,
            named,
            wanted,
        }
    }
}

fn examine(
    resolved: &mut Resolved,
    dialect: Dialect,
    gateway: &Gateway,
) -> Result<Examined, Denial> {
    let named = session(resolved, dialect, &gateway.sealer)?;
    let connect = || vec![(Action::Connect, Target::Upstream)];
    let message = match &resolved.ask {
        Ask::Message(message) => message,
        Ask::Stream | Ask::End if dialect.era == Era::Modern => {
            return Err(Denial::new(
                Code::HttpMethod,
                "this version has no streams or sessions of their own",
            )
            .help("use `subscriptions/listen`"));
        }
        Ask::Stream | Ask::End => {
            return Ok(Examined::new(None, Effect::Possible, named, connect()));
        }
    };
    // Whatever it is taken for here: it must not be another message to the server.
    unambiguous(message.lookalike())?;
    if matches!(message.kind(), Kind::Result | Kind::Error) {
        if dialect.era == Era::Modern {
            return Err(Denial::new(
                Code::EnvelopeInvalid,
                "this version has no responses from the client",
            )
            .help("answer input requests in `inputResponses`"));
        }
        let wanted = response(resolved, &named.0, &gateway.asked)?;
        return Ok(Examined::new(None, Effect::Possible, named, wanted));
    }
    let Some(method) = method::lookup(message.method(), dialect.era) else {
        if method::is_core(message.method()) {
            return Err(unknown_method(message.method(), dialect.era));
        }
        // Records and policies know a method by this much of its name; a longer one is nobody's.
        if message.method().chars().count() > METHOD_CHARS_MAX {
            return Err(unknown_method(message.method(), dialect.era)
                .detail(format!("its name is over {METHOD_CHARS_MAX} characters")));
        }
        check_params(message.method(), message)?;
        let mut wanted = vec![(Action::Extension, Target::Upstream)];
        wanted.extend(input_responses(message)?);
        return Ok(Examined::new(None, Effect::Possible, named, wanted));
    };
    unambiguous(message.lookalike_in_body())?;
    let is_request = message.kind() == Kind::Request;
    if is_request != (method.shape == Shape::Request) {
        let what = if is_request {
            "a notification, without an `id`"
        } else {
            "a request, with an `id`"
        };
        return Err(Denial::new(
            Code::EnvelopeInvalid,
            format!("`{}` is {what}", method.name),
        ));
    }
    check_params(method.name, message)?;
    let mut wanted = targets(method, message)?;
    wanted.extend(input_responses(message)?);
    Ok(Examined::new(Some(method), method.effect, named, wanted))
}

/// Refuses what is not as the protocol has it: some servers end for all their clients over one.
fn check_params(method: &str, message: &Message) -> Result<(), Denial> {
    params::check(method, message)
        .map_err(|mistake| Denial::new(Code::ParamsInvalid, mistake).help("mend the request"))
}

/// Refuses a member that one reader takes for a name of the protocol and another does not.
fn unambiguous(alike: Option<String>) -> Result<(), Denial> {
    let Some(alike) = alike else {
        return Ok(());
    };
    Err(Denial::new(
        Code::ParamsInvalid,
        format!(
            "`{}` differs from a name of the protocol by its case only",
            alike.escape_debug()
        ),
    )
    .help("spell it as the protocol does, or leave it out"))
}

/// The ticket of a call that is tried again. What the gateway asked for is between it and the client: the upstream gets
/// the call as it was.
fn ticket(
    resolved: &mut Resolved,
    dialect: Dialect,
    gateway: &Gateway,
) -> Result<Option<Redeemed>, Denial> {
    let (Ask::Message(message), Some(upstream)) = (&resolved.ask, &resolved.asked) else {
        return Ok(None);
    };
    if dialect.era != Era::Modern || message.kind() != Kind::Request {
        return Ok(None);
    }
    let now_s = gateway.clock.unix_s();
    let redeemed = gateway.tickets.redeem(
        &gateway.sealer,
        &resolved.principal,
        upstream,
        message,
        now_s,
    )?;
    if redeemed.is_some() {
        let mut message = message.clone();
        for key in ["requestState", "inputResponses"] {
            if let Some(text) = message.without_member(key) {
                message = reread(text)?;
            }
        }
        resolved.facts.arguments = message
            .body("arguments")
            .or_else(|| message.top("params"))
            .map(|raw| message.text().slice_ref(raw.as_bytes()));
        resolved.ask = Ask::Message(message);
    }
    Ok(redeemed)
}

/// A message of which a member was taken out: it was checked before.
fn reread(text: Vec<u8>) -> Result<Message, Denial> {
    let limits = cardea_mcp::Limits {
        depth_max: usize::MAX,
    };
    Message::parse(text.into(), &limits)
        .map_err(|e| Denial::new(Code::Internal, "the call could not be read again").detail(e))
}

/// The legacy session that is named, and whether its client opens addresses.
fn session(
    resolved: &Resolved,
    dialect: Dialect,
    sealer: &Sealer,
) -> Result<(Session, Declared), Denial> {
    // The modern era has none: the header is ignored (2026-07-28, Earlier Streamable HTTP Revisions).
    let Some(sealed) = resolved
        .head
        .headers
        .get(header::SESSION_ID)
        .filter(|_| dialect.era == Era::Legacy)
    else {
        return Ok((Session::None, Declared::default()));
    };
    let upstream = resolved.asked.as_ref().ok_or_else(unknown_session)?;
    sealed
        .to_str()
        .ok()
        .and_then(|s| sealer.open(Purpose::Session, &resolved.principal, upstream, s))
        .and_then(|text| SealedSession::read(&text))
        .map(|session| (Session::Named(session.id), session.declared))
        .ok_or_else(unknown_session)
}

/// One text for sessions that ended, that never were, and that belong to somebody else.
pub(crate) fn unknown_session() -> Denial {
    Denial::new(
        Code::SessionUnknown,
        "this session does not exist or has ended",
    )
    .help("send `initialize` again")
}

fn targets(method: &Method, message: &Message) -> Result<Wanted, Denial> {
    let text = |key: &str| {
        message.body_str(key).ok_or_else(|| {
            Denial::new(
                Code::ParamsInvalid,
                format!("`params.{key}` must be a string"),
            )
        })
    };
    let invalid = |e: cardea_domain::InvalidId| Denial::new(Code::ParamsInvalid, e.to_string());
    let target = match method.target {
        TargetSource::Upstream => Target::Upstream,
        TargetSource::ToolName => Target::Tool(ToolName::parse(&text("name")?).map_err(invalid)?),
        TargetSource::PromptName => {
            Target::Prompt(PromptName::parse(&text("name")?).map_err(invalid)?)
        }
        TargetSource::Uri => Target::Resource(ResourceUri::parse(&text("uri")?).map_err(invalid)?),
        TargetSource::Ref => reference(message)?,
        TargetSource::Filter => return filter(message),
    };
    Ok(vec![(method.action, target)])
}

/// `params.ref` of `completion/complete`.
fn reference(message: &Message) -> Result<Target, Denial> {
    let wrong = || {
        Denial::new(
            Code::ParamsInvalid,
            "`params.ref` must be of type `ref/prompt` with a `name`, or `ref/resource` with a `uri`",
        )
    };
    let value: Value =
        serde_json::from_str(message.body("ref").ok_or_else(wrong)?).map_err(|_| wrong())?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).ok_or_else(wrong);
    match text("type")? {
        "ref/prompt" => PromptName::parse(text("name")?)
            .map(Target::Prompt)
            .map_err(|_| wrong()),
        "ref/resource" => ResourceUri::parse(text("uri")?)
            .map(Target::Template)
            .map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// `params.notifications` of `subscriptions/listen`: the upstream, and each resource.
fn filter(message: &Message) -> Result<Wanted, Denial> {
    let wrong = || {
        Denial::new(
            Code::ParamsInvalid,
            format!(
                "`params.notifications.resourceSubscriptions` must be at most {FILTER_URIS_MAX} URIs"
            ),
        )
    };
    let mut wanted = vec![(Action::Connect, Target::Upstream)];
    let Some(raw) = message.body("notifications") else {
        return Ok(wanted);
    };
    let value: Value = serde_json::from_str(raw).map_err(|_| wrong())?;
    if !value.is_object() {
        return Err(Denial::new(
            Code::ParamsInvalid,
            "`params.notifications` must be an object",
        ));
    }
    let uris = match value.get("resourceSubscriptions") {
        None | Some(Value::Null) => return Ok(wanted),
        Some(Value::Array(uris)) if uris.len() <= FILTER_URIS_MAX => uris,
        Some(_) => return Err(wrong()),
    };
    for uri in uris {
        let uri = uri.as_str().ok_or_else(wrong)?;
        let uri = ResourceUri::parse(uri).map_err(|_| wrong())?;
        wanted.push((Action::SubscribeResource, Target::Resource(uri)));
    }
    Ok(wanted)
}

/// `Mcp-Param-*` headers must repeat the arguments that the tool's definition mirrors.
pub(crate) fn check_mirrored(
    known: &Known,
    headers: &HeaderMap,
    message: &Message,
) -> Result<(), Denial> {
    let name = message.body_str("name").unwrap_or_default();
    let Some(tool) = known.definitions().tool(&name) else {
        return Ok(());
    };
    if tool.mirrored.is_empty() {
        return Ok(());
    }
    let arguments = match message.body("arguments") {
        Some(raw) => serde_json::from_str(raw).map_err(|_| {
            Denial::new(Code::ParamsInvalid, "`params.arguments` must be an object")
        })?,
        None => Value::Null,
    };
    param_header::compare(&tool.mirrored, headers, &arguments).map_err(|e| mismatch(e.to_string()))
}

fn questions(resolved: &mut Resolved, known: &Known, wanted: Wanted) -> Vec<Question> {
    if let Some((action, target)) = wanted.first() {
        resolved.facts.action = Some(*action);
        resolved.facts.target = Some(target.clone());
    }
    let method = resolved.facts.method.clone();
    wanted
        .into_iter()
        .map(|(action, target)| {
            let method = match action {
                // As if the server asked: its request's method is the action's name.
                Action::Sample | Action::Elicit | Action::ListRoots => action.as_str().into(),
                _ => method.clone(),
            };
            Question::new(&resolved.principal, action, known.id(), target, method)
        })
        .collect()
}
