//! The ids under which requests go to a server over HTTP.
//!
//! Clients count 0, 1, 2, and a server that mixes its clients up by their ids (CVE-2026-25536) would answer one with
//! what another asked for. An id of the gateway's own is no other request's, whoever made that; an answer under
//! another one, the client's included, is refused. It is put back in what leaves.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use cardea_domain::{ActorId, SubjectId};
use memchr::memmem;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::way::{Authorised, Session};

/// The aliases of one upstream.
#[derive(Debug)]
pub(super) struct Aliases {
    /// Of this process and upstream alone.
    prefix: u64,
    next: AtomicU64,
    /// Requests under way, by whose they are and what their client calls them.
    open: Mutex<HashMap<Asked, Vec<u64>>>,
}

/// A request, as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    subject: SubjectId,
    actor: ActorId,
    session: Option<String>,
    /// Raw.
    id: String,
}

/// The alias of one request, and what it stands for.
#[derive(Debug)]
pub(crate) struct Alias {
    /// As it stands in messages: a JSON text with its quotes.
    ours: String,
    /// The client's own id, raw.
    theirs: String,
    registered: Option<(Arc<Aliases>, Asked, u64)>,
}

impl Aliases {
    pub(super) fn new() -> Self {
        Self {
            prefix: Uuid::new_v4().as_u64_pair().0,
            next: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    /// An alias for a request of this call's client, under way until it is dropped.
    pub(super) fn give(self: &Arc<Self>, call: &Authorised, id: &str) -> Alias {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let asked = Asked::of(call, id);
        let mut open = self.open.lock();
        open.entry(asked.clone()).or_default().push(number);
        drop(open);
        Alias {
            ours: self.named(number),
            theirs: id.to_owned(),
            registered: Some((Arc::clone(self), asked, number)),
        }
    }

    /// The alias of the newest request of this call's client that it calls so; `None` when there is none under way.
    pub(super) fn find(&self, call: &Authorised, id: &str) -> Option<String> {
        let open = self.open.lock();
        let number = open.get(&Asked::of(call, id))?.last().copied()?;
        Some(self.named(number))
    }

    fn named(&self, number: u64) -> String {
        format!("\"g{:016x}.{number:x}\"", self.prefix)
    }
}

impl Asked {
    fn of(call: &Authorised, id: &str) -> Self {
        let principal = call.principal();
        Self {
            subject: principal.subject.clone(),
            actor: principal.actor.clone(),
            session: match call.session() {
                Session::Named(session) => Some(session.clone()),
                _ => None,
            },
            id: id.to_owned(),
        }
    }
}

impl Alias {
    /// That of a request whose stream is resumed.
    pub(crate) fn resumed(ours: String, theirs: String) -> Self {
        Self {
            ours,
            theirs,
            registered: None,
        }
    }

    /// As it goes upstream.
    pub(crate) fn ours(&self) -> &str {
        &self.ours
    }

    /// A message of the server with the client's own id wherever the alias stands as a value.
    ///
    /// Within a text its quotes would be escaped, so that nothing but whole values is replaced; after the quote that ends
    /// another text the result is no JSON, and refused.
    pub(crate) fn put_back(&self, text: Bytes) -> Bytes {
        let mut left = 0;
        let mut put = Vec::new();
        for at in memmem::find_iter(&text, self.ours.as_bytes()) {
            put.extend_from_slice(text.get(left..at).unwrap_or_default());
            put.extend_from_slice(self.theirs.as_bytes());
            left = at + self.ours.len();
        }
        if left == 0 {
            return text;
        }
        put.extend_from_slice(text.get(left..).unwrap_or_default());
        put.into()
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        let Some((aliases, asked, number)) = &self.registered else {
            return;
        };
        let mut open = aliases.open.lock();
        if let Some(numbers) = open.get_mut(asked) {
            numbers.retain(|n| n != number);
            if numbers.is_empty() {
                open.remove(asked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_the_alias_is_said_of_the_clients_id() {
        let aliases = Aliases::new();
        let alias = Alias::resumed(aliases.named(1), "7".to_owned());
        let back = |text: String| alias.put_back(text.into());
        let ours = alias.ours().to_owned();
        let answer = format!(r#"{{"jsonrpc":"2.0","result":{{"a":{ours}}},"id":{ours}}}"#);
        assert_eq!(back(answer), r#"{"jsonrpc":"2.0","result":{"a":7},"id":7}"#);
        let other = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
            aliases.named(2)
        );
        assert_eq!(back(other.clone()), other);
        let quoted = serde_json::json!({ "text": format!("my id is {ours}") }).to_string();
        assert_eq!(back(quoted.clone()), quoted);
        assert_eq!(back(String::new()), "");
    }

    #[test]
    fn no_two_aliases_are_alike() {
        let (one, other) = (Aliases::new(), Aliases::new());
        let all = [one.named(1), one.named(2), other.named(1), other.named(2)];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4, "{all:?}");
    }
}
