//! Tells a client, as often as is polite, that its call waits for people.
//!
//! # Source
//! MCP 2026-07-28 and 2025-11-25, basic/utilities/progress: only for a token that the request carries, with a number
//! that grows. The server may go on with the same token, so the numbers are small.

use std::time::Duration;

use bytes::Bytes;
use cardea_mcp::{Kind, Message, sse::Event};
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, oneshot},
    time::{Instant, MissedTickBehavior},
};

use super::holds::Hold;
use crate::{
    body::{Messages, Outlet},
    way::Released,
};

/// Often enough for whoever watches, and for clients that take silence for an end.
const EVERY: Duration = Duration::from_secs(5);

/// What one notification moves on.
const STEP: f64 = 0.001;

/// Where the client of one call hears that it waits.
#[derive(Debug)]
pub(crate) struct Progress {
    token: Value,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    /// Takes the stream, once there is something to tell.
    begin: Option<oneshot::Sender<Messages>>,
    outlet: Option<Outlet>,
    times: u32,
}

impl Progress {
    /// For a request that asks for it; the stream comes by the receiver as soon as the call waits.
    pub(crate) fn wanted(message: &Message) -> Option<(Self, oneshot::Receiver<Messages>)> {
        if message.kind() != Kind::Request {
            return None;
        }
        let token: Value = serde_json::from_str(message.meta("progressToken")?).ok()?;
        if !token.is_string() && !token.is_number() {
            return None;
        }
        let (begin, begun) = oneshot::channel();
        let told = Told {
            begin: Some(begin),
            outlet: None,
            times: 0,
        };
        let told = Mutex::new(told);
        Some((Self { token, told }, begun))
    }

    /// Tells it again and again; ready when the client has gone away.
    pub(crate) async fn tell(&self, hold: &Hold, page: &str, within: Duration) {
        self.tell_every(EVERY, hold, page, within).await;
    }

    async fn tell_every(&self, every: Duration, hold: &Hold, page: &str, within: Duration) {
        let began = Instant::now();
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let left_s = within.saturating_sub(began.elapsed()).as_secs();
            let words = format!("Waiting {left_s} s more for a decision by people: {page}");
            let mut told = self.told.lock().await;
            let event = told.event(&self.token, &words);
            let Some(outlet) = told.outlet() else { return };
            if outlet
                .send(Released::while_held(hold, event))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl Told {
    fn event(&mut self, token: &Value, words: &str) -> Bytes {
        self.times = self.times.saturating_add(1);
        let message = json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {
                "progressToken": token,
                "progress": f64::from(self.times) * STEP,
                "message": words,
            },
        });
        Event::message(message.to_string().into()).encode()
    }

    /// The way to the client; the first look begins the stream.
    fn outlet(&mut self) -> Option<&Outlet> {
        if let Some(begin) = self.begin.take() {
            let (outlet, messages) = Outlet::new();
            begin.send(messages).ok()?;
            self.outlet = Some(outlet);
        }
        self.outlet.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{access::Holds, body::ReplyBody};

    fn call(meta: &str) -> Message {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","_meta":{{{meta}}}}}}}"#
        );
        Message::parse(text.into(), &cardea_mcp::Limits::default()).unwrap()
    }

    #[test]
    fn only_a_token_asks_for_progress() {
        assert!(Progress::wanted(&call(r#""progressToken":"p""#)).is_some());
        assert!(Progress::wanted(&call(r#""progressToken":7"#)).is_some());
        for other in ["", r#""progressToken":null"#, r#""progressToken":{}"#] {
            assert!(Progress::wanted(&call(other)).is_none(), "{other}");
        }
    }

    #[tokio::test]
    async fn it_is_told_at_once_and_then_again_and_again_with_numbers_that_grow() {
        let (progress, begun) = Progress::wanted(&call(r#""progressToken":7"#)).unwrap();
        let holds = Holds::default();
        let hold = holds
            .enter(&crate::access::holds::tests::principal("ada"))
            .unwrap();
        let within = Duration::from_secs(30);
        let page = "https://gw.example/console/requests/q-1";
        let told = progress.tell_every(Duration::from_millis(5), &hold, page, within);
        let timed = tokio::time::timeout(Duration::from_millis(100), told).await;
        assert!(timed.is_err(), "it goes on as long as the call waits");
        drop(progress);
        let body = ReplyBody::Stream(begun.await.unwrap());
        let text = body.collect().await.unwrap().to_bytes();
        let events: Vec<Value> = std::str::from_utf8(&text)
            .unwrap()
            .split("\n\n")
            .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
            .collect();
        let numbers: Vec<_> = events
            .iter()
            .map(|e| e["params"]["progress"].as_f64().unwrap())
            .collect();
        assert!(numbers.len() >= 2, "{events:?}");
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(events[0]["params"]["progressToken"], 7);
        let words = events[1]["params"]["message"].as_str().unwrap();
        assert!(
            words.contains("s more") && words.contains("/requests/q-1"),
            "{words}"
        );
    }
}
