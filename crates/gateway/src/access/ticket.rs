//! `requestState` of the gateway's own: what a client hands back when it tries again.
//!
//! It allows nothing. Whether the call may be made is decided anew by the grants; the ticket only says
//! which request is waited for, so that a client that tries again does not ask twice.
//!
//! # Source
//! MCP 2026-07-28, basic/patterns/mrtr: `requestState` is the attacker's to change, so it is sealed, bound to the
//! principal, the upstream and the call, ends by itself, and is good once.

use std::time::Duration;

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Code, Denial, Principal, UpstreamId};
use cardea_mcp::{Limits as JsonLimits, Message, canonical::canonical};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::seal::{Purpose, Sealer};

/// Tells the gateway's own state from an upstream's.
const PREFIX: &str = "cardea-access.";

/// As long as a request waits for its decision.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// Tickets that are remembered as used; one that is forgotten early is of no more use than a new try.
const USED_MAX: u64 = 100_000;

const NONCE_BYTES: usize = 16;

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    request: String,
    run: String,
    call: String,
    issued_s: u64,
    nonce: String,
}

/// A ticket that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redeemed {
    /// The request that is waited for.
    pub(crate) request: String,
    /// Whether the page was opened; otherwise the client's person said no to that.
    pub(crate) was_opened: bool,
}

/// Which tickets were used.
#[derive(Debug)]
pub(crate) struct Tickets(Cache<String, ()>);

impl Default for Tickets {
    fn default() -> Self {
        let used = Cache::builder()
            .max_capacity(USED_MAX)
            .time_to_live(GOOD_FOR)
            .build();
        Self(used)
    }
}

impl Tickets {
    /// A ticket for this call; `None` when there is no randomness, or the call has no one reading.
    pub(crate) fn issue(
        &self,
        sealer: &Sealer,
        principal: &Principal,
        upstream: &UpstreamId,
        message: &Message,
        request: &str,
        now_s: u64,
    ) -> Option<String> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).ok()?;
        let ticket = Ticket {
            request: request.to_owned(),
            run: principal.run.as_str().to_owned(),
            call: digest_of(message)?,
            issued_s: now_s,
            nonce: URL_SAFE_NO_PAD.encode(nonce),
        };
        let text = serde_json::to_string(&ticket).ok()?;
        let sealed = sealer.seal(Purpose::Access, principal, upstream, &text)?;
        Some(format!("{PREFIX}{sealed}"))
    }

    /// The ticket that a call brings; `None` when it brings none of ours. It is used up with this.
    ///
    /// # Errors
    /// [`Code::ParamsInvalid`] when it is another principal's, another call's, too old or used.
    pub(crate) fn redeem(
        &self,
        sealer: &Sealer,
        principal: &Principal,
        upstream: &UpstreamId,
        message: &Message,
        now_s: u64,
    ) -> Result<Option<Redeemed>, Denial> {
        let Some(state) = message.body_str("requestState") else {
            return Ok(None);
        };
        let Some(sealed) = state.strip_prefix(PREFIX) else {
            return Ok(None);
        };
        let ticket = sealer
            .open(Purpose::Access, principal, upstream, sealed)
            .and_then(|text| serde_json::from_str::<Ticket>(&text).ok())
            .filter(|ticket| ticket.run == principal.run.as_str())
            .filter(|ticket| digest_of(message).is_some_and(|call| call == ticket.call))
            .ok_or_else(|| unusable("is not one for this call"))?;
        let age_s = now_s.saturating_sub(ticket.issued_s);
        if age_s >= GOOD_FOR.as_secs() {
            return Err(unusable("is too old"));
        }
        if !self.0.entry(ticket.nonce.clone()).or_insert(()).is_fresh() {
            return Err(unusable("was used already"));
        }
        Ok(Some(Redeemed {
            request: ticket.request,
            was_opened: was_opened(message),
        }))
    }
}

/// Whether the answer says that the page was opened. It is no word about the request: that is decided on the page.
fn was_opened(message: &Message) -> bool {
    let answers: Option<Value> = message
        .body("inputResponses")
        .and_then(|raw| serde_json::from_str(raw).ok());
    answers.is_some_and(|answers| {
        let action = answers.pointer(&format!("/{}/action", super::offer::INPUT));
        action.and_then(Value::as_str) == Some("accept")
    })
}

fn unusable(why: &str) -> Denial {
    Denial::new(Code::ParamsInvalid, format!("`params.requestState` {why}"))
        .help("make the call again without `requestState` and `inputResponses`")
}

/// SHA-256, in base64url, of what the call is: its method, what it is about, and its arguments in canonical form.
fn digest_of(message: &Message) -> Option<String> {
    let limits = JsonLimits {
        depth_max: usize::MAX,
    };
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(message.method().as_bytes());
    for key in ["name", "uri", "arguments"] {
        let value = match message.body(key) {
            Some(raw) => canonical(raw, &limits).ok()?,
            None => String::new(),
        };
        // No JSON text holds a NUL.
        context.update(b"\0");
        context.update(value.as_bytes());
    }
    Some(URL_SAFE_NO_PAD.encode(context.finish()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use cardea_domain::{ActorId, KeyBinding, RunId, RunSource, SubjectId, TenantId};

    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn principal(subject: &str, run: &str) -> Principal {
        Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse(subject).unwrap(),
            actor: ActorId::parse("bot").unwrap(),
            run: RunId::parse(run).unwrap(),
            run_source: RunSource::Token,
            standing: Arc::default(),
            binding: KeyBinding::NONE,
            groups: Arc::from([]),
            task: None,
            chain: Arc::from([]),
        }
    }

    fn call(name: &str, arguments: &str, state: Option<&str>) -> Message {
        let state = state.map_or(String::new(), |s| format!(r#","requestState":"{s}""#));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}{state}}}}}"#
        );
        Message::parse(Bytes::from(text), &JsonLimits::default()).unwrap()
    }

    struct Desk {
        sealer: Sealer,
        tickets: Tickets,
        files: UpstreamId,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                sealer: Sealer::new(&[7; 32]).unwrap(),
                tickets: Tickets::default(),
                files: UpstreamId::parse("files").unwrap(),
            }
        }

        fn issue(&self) -> String {
            let message = call("write", r#"{"a":1,"b":2}"#, None);
            let ada = principal("ada", "r1");
            self.tickets
                .issue(&self.sealer, &ada, &self.files, &message, "q-1", NOW_S)
                .unwrap()
        }

        fn redeem(
            &self,
            who: &Principal,
            message: &Message,
            now_s: u64,
        ) -> Result<Option<Redeemed>, Denial> {
            self.tickets
                .redeem(&self.sealer, who, &self.files, message, now_s)
        }
    }

    #[test]
    fn a_ticket_is_good_once_for_its_call_however_that_is_spelt() {
        let desk = Desk::new();
        let state = desk.issue();
        let again = call("write", r#"{ "b": 2.0, "a": 1 }"#, Some(&state));
        let ada = principal("ada", "r1");
        let ticket = desk.redeem(&ada, &again, NOW_S + 60).unwrap().unwrap();
        assert_eq!(ticket.request, "q-1");
        let refused = desk.redeem(&ada, &again, NOW_S + 61).unwrap_err();
        assert!(refused.message.contains("used already"), "{refused}");
    }

    #[test]
    fn a_ticket_is_nothing_for_anybody_or_anything_else() {
        let desk = Desk::new();
        let state = desk.issue();
        let same = r#"{"a":1,"b":2}"#;
        let ada = principal("ada", "r1");
        let late = NOW_S + GOOD_FOR.as_secs();
        let cases = [
            (principal("bob", "r1"), "write", same, NOW_S),
            (principal("ada", "r2"), "write", same, NOW_S),
            (ada.clone(), "read", same, NOW_S),
            (ada.clone(), "write", r#"{"a":1,"b":3}"#, NOW_S),
            (ada.clone(), "write", same, late),
        ];
        for (who, name, arguments, now_s) in cases {
            let refused = desk.redeem(&who, &call(name, arguments, Some(&state)), now_s);
            assert_eq!(refused.unwrap_err().code, Code::ParamsInvalid);
        }
        let message = call("write", same, Some(&format!("{PREFIX}nonsense")));
        assert!(desk.redeem(&ada, &message, NOW_S).is_err());
        assert!(
            desk.redeem(&ada, &call("write", same, Some(&state)), NOW_S)
                .is_ok()
        );
    }

    #[test]
    fn the_state_of_an_upstream_is_its_own() {
        let desk = Desk::new();
        let ada = principal("ada", "r1");
        for state in [None, Some("theirs"), Some("")] {
            let found = desk.redeem(&ada, &call("write", "{}", state), NOW_S);
            assert_eq!(found.unwrap(), None);
        }
    }
}
