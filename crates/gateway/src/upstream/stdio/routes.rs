//! Who waits for what on the one channel of a process.
//!
//! Request ids and progress tokens are replaced on the way in and put back on the way out, so
//! that two clients of one principal may use the same ones, and so that a server can only answer
//! what it was asked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use cardea_mcp::{
    Era, Kind, Message,
    json::{self, Level},
    meta,
};
use serde::{Deserialize, de::IgnoredAny};
use tokio::sync::mpsc;

use super::process::Process;

/// One message for one waiter.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) text: Bytes,
    /// Whether it is the answer after which nothing follows.
    pub(crate) is_answer: bool,
}

/// Messages under way to one waiter.
const WAITING_MAX: usize = 64;
/// Requests of the server that the client has not answered.
const SERVER_REQUESTS_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Routes {
    next: u64,
    calls: HashMap<u64, Waiting>,
    listener: Option<(u64, mpsc::Sender<Routed>)>,
    server_requests: HashSet<String>,
    over: bool,
}

#[derive(Debug)]
struct Waiting {
    /// The client's own id, raw.
    id: String,
    /// The client's own progress token, raw.
    progress: Option<String>,
    is_subscription: bool,
    messages: mpsc::Sender<Routed>,
}

/// Where one message of the process goes.
pub(super) enum Route {
    To(mpsc::Sender<Routed>, Routed),
    /// A request of the server that nobody is there to answer.
    Unanswerable,
    Nowhere(&'static str),
}

impl Routes {
    /// Registers a request; gives its new id and the text to write. `None` when it is all over.
    pub(super) fn register(
        &mut self,
        message: &Message,
    ) -> Option<(u64, Bytes, mpsc::Receiver<Routed>)> {
        if self.over {
            return None;
        }
        self.next += 1;
        let ours = self.next.to_string();
        let id = message.id_span()?;
        let token = message.span(Level::Meta, meta::PROGRESS_TOKEN);
        let mut edits = vec![(id, ours.as_bytes())];
        if let Some(token) = token {
            edits.push((token, ours.as_bytes()));
        }
        edits.sort_by_key(|(span, _)| span.start);
        let text = json::splice(message.text(), &edits);
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        self.calls.insert(
            self.next,
            Waiting {
                id: message.id()?.raw().to_owned(),
                progress: message.meta(meta::PROGRESS_TOKEN).map(str::to_owned),
                is_subscription: message.method() == "subscriptions/listen",
                messages: sender,
            },
        );
        Some((self.next, text.into(), messages))
    }

    /// Registers the session's own stream; an older one ends.
    pub(super) fn listen(&mut self) -> (u64, mpsc::Receiver<Routed>) {
        self.next += 1;
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        if !self.over {
            self.listener = Some((self.next, sender));
        }
        (self.next, messages)
    }

    /// Forgets a call or a listener; whether it was still waiting.
    pub(super) fn forget(&mut self, number: u64) -> bool {
        if self.listener.as_ref().is_some_and(|(n, _)| *n == number) {
            self.listener = None;
            return false;
        }
        self.calls.remove(&number).is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.listener.is_none()
    }

    /// Ends every wait.
    pub(super) fn end(&mut self) {
        self.over = true;
        self.calls.clear();
        self.listener = None;
    }

    /// The text of a client's notification or response as the process must see it; `None` when
    /// it is about nothing that is under way.
    pub(super) fn inbound(&mut self, message: &Message) -> Option<Bytes> {
        match message.kind() {
            Kind::Result | Kind::Error => {
                let id = message.id()?;
                self.server_requests
                    .remove(id.raw())
                    .then(|| message.text().clone())
            }
            _ if message.method() == "notifications/cancelled" => {
                let theirs = message.body("requestId")?;
                let number = self
                    .calls
                    .iter()
                    .find(|(_, waiting)| waiting.id == theirs)
                    .map(|(number, _)| number.to_string())?;
                let span = message.span(Level::Body, "requestId")?;
                Some(json::splice(message.text(), &[(span, number.as_bytes())]).into())
            }
            _ => Some(message.text().clone()),
        }
    }

    /// Finds who a message of the process is for.
    pub(super) fn outbound(&mut self, message: &Message) -> Route {
        match message.kind() {
            Kind::Result | Kind::Error => self.answer(message),
            Kind::Notification => self.notification(message),
            Kind::Request => self.server_request(message),
        }
    }

    /// The call that a line answers which is no message, such as one with a key twice: it fails by what the line says, and at once.
    pub(super) fn broken(&mut self, line: &[u8]) -> Option<(mpsc::Sender<Routed>, Routed)> {
        #[derive(Deserialize)]
        struct Answer {
            id: u64,
            method: Option<IgnoredAny>,
        }
        let answer: Answer = serde_json::from_slice(line).ok()?;
        let waiting = match answer.method {
            None => self.calls.remove(&answer.id)?,
            Some(_) => return None,
        };
        let routed = Routed {
            text: Bytes::copy_from_slice(line),
            is_answer: true,
        };
        Some((waiting.messages, routed))
    }

    fn answer(&mut self, message: &Message) -> Route {
        let number = message.id().and_then(|id| id.raw().parse::<u64>().ok());
        let Some(waiting) = number.and_then(|n| self.calls.remove(&n)) else {
            return Route::Nowhere("an answer to nothing that was asked");
        };
        let Some(span) = message.id_span() else {
            return Route::Nowhere("an answer without an id");
        };
        let mut edits = vec![(span, waiting.id.as_bytes())];
        if let Some(span) = message.span(Level::Meta, meta::SUBSCRIPTION_ID) {
            edits.push((span, waiting.id.as_bytes()));
        }
        edits.sort_by_key(|(span, _)| span.start);
        let routed = Routed {
            text: json::splice(message.text(), &edits).into(),
            is_answer: true,
        };
        Route::To(waiting.messages, routed)
    }

    fn notification(&self, message: &Message) -> Route {
        if message.method() == "notifications/progress" {
            let number = message
                .body(meta::PROGRESS_TOKEN)
                .and_then(|raw| raw.parse::<u64>().ok());
            let waiting = number.and_then(|n| self.calls.get(&n));
            return match waiting.map(|w| (w, w.progress.as_deref())) {
                Some((waiting, Some(token))) => {
                    put_back(waiting, message, Level::Body, meta::PROGRESS_TOKEN, token)
                }
                _ => Route::Nowhere("progress of nothing that was asked"),
            };
        }
        if let Some(number) = message.meta(meta::SUBSCRIPTION_ID) {
            let waiting = number.parse::<u64>().ok().and_then(|n| self.calls.get(&n));
            return match waiting {
                Some(waiting) => put_back(
                    waiting,
                    message,
                    Level::Meta,
                    meta::SUBSCRIPTION_ID,
                    &waiting.id,
                ),
                None => Route::Nowhere("a notification for no subscription"),
            };
        }
        // Nothing says which call a log message belongs to; the latest is the likeliest.
        let about_a_call = message.method() == "notifications/message";
        let sender = match (self.latest().filter(|_| about_a_call), &self.listener) {
            (Some(waiting), _) => &waiting.messages,
            (None, Some((_, listener))) => listener,
            (None, None) => return Route::Nowhere("a notification that nobody listens for"),
        };
        Route::To(sender.clone(), as_is(message))
    }

    fn server_request(&mut self, message: &Message) -> Route {
        let sender = match (self.latest(), &self.listener) {
            (Some(waiting), _) => waiting.messages.clone(),
            (None, Some((_, listener))) => listener.clone(),
            (None, None) => return Route::Unanswerable,
        };
        let Some(id) = message.id() else {
            return Route::Nowhere("a request without an id");
        };
        if self.server_requests.len() >= SERVER_REQUESTS_MAX {
            return Route::Unanswerable;
        }
        self.server_requests.insert(id.raw().to_owned());
        Route::To(sender, as_is(message))
    }

    fn latest(&self) -> Option<&Waiting> {
        self.calls
            .iter()
            .filter(|(_, waiting)| !waiting.is_subscription)
            .max_by_key(|(number, _)| **number)
            .map(|(_, waiting)| waiting)
    }
}

fn as_is(message: &Message) -> Routed {
    Routed {
        text: message.text().clone(),
        is_answer: false,
    }
}

fn put_back(waiting: &Waiting, message: &Message, level: Level, key: &str, theirs: &str) -> Route {
    let Some(span) = message.span(level, key) else {
        return Route::Nowhere("a notification without its key");
    };
    let routed = Routed {
        text: json::splice(message.text(), &[(span, theirs.as_bytes())]).into(),
        is_answer: false,
    };
    Route::To(waiting.messages.clone(), routed)
}

/// A registered wait; when it is dropped the process is told that nobody waits any more, in the
/// era where that is the rule.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) process: Arc<Process>,
    pub(super) number: u64,
    pub(super) era: Era,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.process.forget(self.number) && self.era == Era::Modern {
            self.process.cancel(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use cardea_mcp::Limits;

    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap()
    }

    fn text_of(route: Route) -> String {
        match route {
            Route::To(_, routed) => String::from_utf8(routed.text.to_vec()).unwrap(),
            Route::Unanswerable => "unanswerable".into(),
            Route::Nowhere(why) => why.into(),
        }
    }

    #[test]
    fn ids_and_tokens_are_replaced_and_put_back() {
        let mut routes = Routes::default();
        let request = message(
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p"}}}"#,
        );
        let (number, text, _messages) = routes.register(&request).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"t","_meta":{{"progressToken":{number}}}}}}}"#
            )
        );
        let progress = message(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{number},"progress":1}}}}"#
        ));
        assert!(text_of(routes.outbound(&progress)).contains(r#""progressToken":"p""#));
        let answer = message(&format!(
            r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#
        ));
        assert_eq!(
            text_of(routes.outbound(&answer)),
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#
        );
        assert!(text_of(routes.outbound(&answer)).contains("nothing that was asked"));
    }

    #[test]
    fn a_server_cannot_answer_what_it_was_not_asked() {
        let mut routes = Routes::default();
        for id in ["1", "\"1\"", "99"] {
            let answer = message(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
            assert!(
                matches!(routes.outbound(&answer), Route::Nowhere(_)),
                "{id}"
            );
        }
    }

    #[test]
    fn a_client_cannot_answer_what_the_server_did_not_ask() {
        let mut routes = Routes::default();
        let (_, _messages) = routes.listen();
        let answer = message(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert_eq!(routes.inbound(&answer), None);
        let asked = message(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#);
        assert!(matches!(routes.outbound(&asked), Route::To(..)));
        assert!(routes.inbound(&answer).is_some());
        assert_eq!(routes.inbound(&answer), None);
    }

    #[test]
    fn a_cancellation_names_the_replaced_id() {
        let mut routes = Routes::default();
        let request =
            message(r#"{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"t"}}"#);
        let (number, _, _messages) = routes.register(&request).unwrap();
        let cancel = |id: &str| {
            message(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
            ))
        };
        let text = routes.inbound(&cancel("41")).unwrap();
        assert!(String::from_utf8_lossy(&text).contains(&format!(r#""requestId":{number}"#)));
        assert_eq!(routes.inbound(&cancel("42")), None);
    }
}
