//! From an upstream's reply to a reply of ours: what may be seen, recorded, then released.

mod lens;

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::Bytes;
use cardea_domain::Denial;
use cardea_mcp::{Kind, Limits as JsonLimits, Message, header, reply};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode};

use crate::{
    access::Declared,
    facts::Outcome,
    refusal,
    relay::Relay,
    results::ResultOf,
    seal::Purpose,
    upstream::{Reply, Upstream, malformed},
    way::{Ask, Authorised, Recorded, SealedSession},
    world::{Gateway, World},
};

pub(crate) use lens::{Filtered, Lens};

/// Carries an authorised call out and gives the reply that may leave.
pub(crate) async fn answer(
    gateway: &Arc<Gateway>,
    world: &Arc<World>,
    upstream: &Arc<Upstream>,
    mut call: Authorised,
) -> Recorded {
    let mut cut = pin!(call.cut(world));
    let sent = tokio::select! {
        biased;
        denial = &mut cut => Err(denial),
        sent = send(gateway, world, upstream, &mut call) => sent,
    };
    match sent {
        Ok(Reply::Whole {
            status,
            session,
            text,
        }) => whole(gateway, world, call, status, session, text, cut).await,
        Ok(Reply::Stream { session, source }) => {
            let sealed = seal_session(gateway, &call, session.as_deref());
            let mut recorded = Relay::begin(gateway, world, upstream, call, source).await;
            set_session(&mut recorded, sealed);
            recorded
        }
        Ok(Reply::Empty { status }) => empty(call, status).await,
        Err(denial) => failed(call, denial).await,
    }
}

async fn send(
    gateway: &Arc<Gateway>,
    world: &World,
    upstream: &Upstream,
    call: &mut Authorised,
) -> Result<Reply, Denial> {
    call.settle(gateway, world, upstream).await?;
    upstream.send(gateway, call).await
}

async fn whole(
    gateway: &Gateway,
    world: &World,
    call: Authorised,
    status: StatusCode,
    session: Option<String>,
    text: Bytes,
    cut: Pin<&mut impl Future<Output = Denial>>,
) -> Recorded {
    let Some(awaited) = awaited(&call) else {
        return if status.is_success() {
            empty(call, status).await
        } else {
            refused_upstream(call, status, Some(text)).await
        };
    };
    let json = JsonLimits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    let message = match Message::parse(text, &json) {
        Ok(message) => message,
        Err(_) if status.is_client_error() => return refused_upstream(call, status, None).await,
        Err(error) => return failed(call, malformed(error)).await,
    };
    if let Err(denial) = call.learn(&message).await {
        return failed(call, denial).await;
    }
    let of = ResultOf::call(&call);
    let lens = Lens {
        world,
        principal: call.principal(),
        known: call.known(),
        era: call.dialect().era,
        guard: call.guard(),
        of: &of,
        is_first_page: is_first_page(&call),
    };
    let asked = call.asked_as(&awaited);
    let filtered = match lens.answer(call.method(), asked, &message).await {
        Ok(filtered) => filtered.put_back(&call),
        Err(denial) => return failed(call, denial).await,
    };
    // Looking at a long answer takes its time.
    if let Some(denial) = cut.now_or_never() {
        return failed(call, denial).await;
    }
    if let Err(denial) = call.spend(filtered.text.len()) {
        return failed(call, denial).await;
    }
    let sealed = seal_session(gateway, &call, session.as_deref());
    let outcome = Outcome {
        status: status.as_u16(),
        ..filtered.outcome
    };
    match close(call, outcome).await {
        Ok((receipt, _)) => {
            let mut recorded = Recorded::whole(&receipt, status, filtered.text);
            set_session(&mut recorded, sealed);
            recorded
        }
        Err(unrecordable) => unrecordable,
    }
}

/// Whether a list is asked for from its beginning.
pub(crate) fn is_first_page(call: &Authorised) -> bool {
    match call.ask() {
        Ask::Message(message) => message.body("cursor").is_none_or(|raw| raw == "null"),
        Ask::Stream | Ask::End => false,
    }
}

/// Results of servers nest deeper than requests; the bound is for the stack alone.
pub(crate) const ANSWER_DEPTH_MAX: usize = 256;

/// The raw id that an answer must carry; `None` when no answer is due.
pub(crate) fn awaited(call: &Authorised) -> Option<String> {
    match call.ask() {
        Ask::Message(message) if message.kind() == Kind::Request => {
            message.id().map(|id| id.raw().to_owned())
        }
        _ => None,
    }
}

async fn empty(call: Authorised, status: StatusCode) -> Recorded {
    let due = awaited(&call).is_some();
    if !status.is_success() {
        return refused_upstream(call, status, None).await;
    }
    if due {
        return failed(
            call,
            malformed(format!("status {status} without an answer")),
        )
        .await;
    }
    let status = match call.ask() {
        Ask::Message(_) => StatusCode::ACCEPTED,
        Ask::Stream | Ask::End => status,
    };
    let outcome = Outcome {
        word: "accepted",
        status: status.as_u16(),
        ..Outcome::default()
    };
    match close(call, outcome).await {
        Ok((receipt, _)) => Recorded::empty(&receipt, status),
        Err(unrecordable) => unrecordable,
    }
}

/// The server said no by status. The status is handed on: clients choose the protocol's era and
/// begin sessions anew by it.
async fn refused_upstream(call: Authorised, status: StatusCode, text: Option<Bytes>) -> Recorded {
    if !status.is_client_error() {
        return failed(call, malformed(format!("status {status}"))).await;
    }
    let bare = matches!(call.ask(), Ask::Stream | Ask::End);
    let json = JsonLimits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    let theirs = text
        .and_then(|text| Message::parse(text, &json).ok())
        .filter(|message| message.kind() == Kind::Error);
    if let Some(message) = &theirs
        && let Err(denial) = call.learn(message).await
    {
        return failed(call, denial).await;
    }
    let theirs = theirs.map(|message| message.text().clone());
    let text = theirs.unwrap_or_else(|| {
        let message = format!("the server answered with status {}", status.as_u16());
        let id = awaited(&call);
        let era = call.dialect().era;
        reply::error(id.as_deref(), era, reply::code::BAD_GATEWAY, &message, None).into()
    });
    let outcome = Outcome {
        word: "error",
        status: status.as_u16(),
        bytes: text.len(),
        ..Outcome::default()
    };
    match close(call, outcome).await {
        Ok((receipt, _)) if bare => Recorded::empty(&receipt, status),
        Ok((receipt, _)) => Recorded::whole(&receipt, status, text),
        Err(unrecordable) => unrecordable,
    }
}

/// Ends a call that its upstream did not answer as it should.
pub(crate) async fn failed(call: Authorised, denial: Denial) -> Recorded {
    let era = call.dialect().era;
    let id = awaited(&call);
    let mut status = refusal::wire(denial.code, era).status;
    if id.is_none() && status == StatusCode::OK {
        // Without an answer the status alone says that it failed.
        status = StatusCode::BAD_GATEWAY;
    }
    let text = Bytes::from(refusal::text(&denial, era, id.as_deref(), call.call().id()));
    let outcome = Outcome {
        word: "failed",
        status: status.as_u16(),
        bytes: text.len(),
        denial: Some(denial),
        ..Outcome::default()
    };
    match close(call, outcome).await {
        Ok((receipt, _)) => Recorded::whole(&receipt, status, text),
        Err(unrecordable) => unrecordable,
    }
}

async fn close(
    call: Authorised,
    outcome: Outcome,
) -> Result<(cardea_audit::Receipt, Outcome), Recorded> {
    let era = call.dialect().era;
    let id = awaited(&call);
    match call.into_call().close(&outcome).await {
        Ok(receipt) => Ok((receipt, outcome)),
        Err(denial) => Err(Recorded::unrecordable(&denial, era, id.as_deref())),
    }
}

/// The session that an `initialize` opened, sealed for its principal.
fn seal_session(gateway: &Gateway, call: &Authorised, session: Option<&str>) -> Option<String> {
    let session = session.filter(|_| call.method().is_some_and(|m| m.name == "initialize"))?;
    let capabilities = match call.ask() {
        Ask::Message(message) => message.body("capabilities"),
        Ask::Stream | Ask::End => None,
    };
    let text = SealedSession {
        id: session.to_owned(),
        declared: Declared::of(capabilities),
    };
    gateway.sealer.seal(
        Purpose::Session,
        call.principal(),
        call.known().id(),
        &text.write(),
    )
}

fn set_session(recorded: &mut Recorded, sealed: Option<String>) {
    if let Some(value) = sealed.and_then(|s| HeaderValue::from_str(&s).ok()) {
        recorded.header(header::SESSION_ID, value);
    }
}
