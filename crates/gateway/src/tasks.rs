//! Which tool each task came of: its result comes by a method that names none.
//!
//! In memory and bounded. What is not known any more, after a restart or because there were too many, is a task whose result
//! cannot be checked; the gateway then does not pass it on.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use aws_lc_rs::digest;
use cardea_domain::{Principal, UpstreamId};
use parking_lot::Mutex;

use crate::owner::owner;

/// Tasks of one tenant that are known; the oldest make room. A task lives for minutes to hours.
const TASKS_MAX: usize = 10_000;
/// Tools that one task can have come of: a server that gives one id again and again means no good.
const TOOLS_MAX: usize = 8;

/// The tasks of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    tools: HashMap<Key, BTreeSet<Arc<str>>>,
    oldest_first: VecDeque<Key>,
}

/// A hash of whose task it is, at which server, and of its id there.
type Key = [u8; 32];

impl Tasks {
    /// Notes that a call of this tool has become a task; `false` when its id stands for too many tools already.
    #[must_use]
    pub(crate) fn add(&self, of: &Principal, upstream: &UpstreamId, id: &str, tool: &str) -> bool {
        let key = key(of, upstream, id);
        let mut known = self.0.lock();
        if let Some(tools) = known.tools.get_mut(&key) {
            return tools.contains(tool)
                || tools.len() < TOOLS_MAX && tools.insert(Arc::from(tool));
        }
        while known.tools.len() >= TASKS_MAX {
            let Some(oldest) = known.oldest_first.pop_front() else {
                break;
            };
            known.tools.remove(&oldest);
        }
        known.tools.insert(key, [Arc::from(tool)].into());
        known.oldest_first.push_back(key);
        true
    }

    /// The tools that a task may be of; none where that is not known.
    pub(crate) fn tools(&self, of: &Principal, upstream: &UpstreamId, id: &str) -> Vec<Arc<str>> {
        let known = self.0.lock();
        let tools = known.tools.get(&key(of, upstream, id));
        tools.into_iter().flatten().cloned().collect()
    }
}

fn key(of: &Principal, upstream: &UpstreamId, id: &str) -> Key {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&owner(of, upstream));
    context.update(id.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::tests::principal;

    #[test]
    fn a_task_is_its_owners_at_one_server() {
        let [files, mail] = ["files", "mail"].map(|id| UpstreamId::parse(id).unwrap());
        let (ada, bob) = (
            principal("acme", "ada", "bot"),
            principal("acme", "bob", "bot"),
        );
        let tasks = Tasks::default();
        assert!(tasks.add(&ada, &files, "1", "read"));
        assert_eq!(tasks.tools(&ada, &files, "1"), [Arc::<str>::from("read")]);
        assert!(tasks.tools(&bob, &files, "1").is_empty());
        assert!(tasks.tools(&ada, &mail, "1").is_empty());
        assert!(tasks.tools(&ada, &files, "2").is_empty());
    }

    #[test]
    fn an_id_that_stands_for_two_tools_stands_for_both() {
        let files = UpstreamId::parse("files").unwrap();
        let ada = principal("acme", "ada", "bot");
        let tasks = Tasks::default();
        for n in 0..TOOLS_MAX {
            assert!(tasks.add(&ada, &files, "1", &n.to_string()));
        }
        assert!(!tasks.add(&ada, &files, "1", "one more"));
        assert!(tasks.add(&ada, &files, "1", "0"));
        assert_eq!(tasks.tools(&ada, &files, "1").len(), TOOLS_MAX);
    }

    #[test]
    fn the_oldest_make_room() {
        let files = UpstreamId::parse("files").unwrap();
        let ada = principal("acme", "ada", "bot");
        let tasks = Tasks::default();
        for n in 0..=TASKS_MAX {
            assert!(tasks.add(&ada, &files, &n.to_string(), "read"));
        }
        assert!(tasks.tools(&ada, &files, "0").is_empty());
        assert!(!tasks.tools(&ada, &files, "1").is_empty());
        let known = tasks.0.lock();
        assert_eq!(known.tools.len(), TASKS_MAX);
        assert_eq!(known.oldest_first.len(), TASKS_MAX);
    }
}
