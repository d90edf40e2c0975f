//! Kinds of action, by the verbs that people use for them.
//!
//! Coarse on purpose: `pay`, `refund` and `transfer` are one kind. It is a signal beside where values came from, and never
//! the only wall.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use crate::records::parts;

pub(crate) const PAY: u8 = 1;
pub(crate) const TELL: u8 = 1 << 1;
pub(crate) const SHARE: u8 = 1 << 2;
pub(crate) const ADD: u8 = 1 << 3;
pub(crate) const REMOVE: u8 = 1 << 4;
pub(crate) const UPDATE: u8 = 1 << 5;
pub(crate) const CREATE: u8 = 1 << 6;
pub(crate) const RUN: u8 = 1 << 7;

/// Verbs, and nouns made from them, with the kinds that they mean.
const VERBS: [(&str, u8); 119] = [
    ("accept", UPDATE),
    ("access", SHARE),
    ("add", ADD | CREATE | UPDATE),
    ("adjust", UPDATE),
    ("amend", UPDATE),
    ("announce", TELL),
    ("answer", TELL),
    ("append", UPDATE | ADD),
    ("approve", UPDATE),
    ("archive", REMOVE),
    ("ask", TELL),
    ("assign", ADD),
    ("attach", ADD),
    ("book", CREATE),
    ("broadcast", TELL),
    ("buy", PAY),
    ("cancel", REMOVE),
    ("change", UPDATE),
    ("clear", REMOVE),
    ("clone", CREATE),
    ("close", UPDATE),
    ("comment", TELL),
    ("commit", UPDATE),
    ("contact", TELL),
    ("copy", CREATE),
    ("correct", UPDATE),
    ("create", CREATE),
    ("creation", CREATE),
    ("delete", REMOVE),
    ("deploy", RUN),
    ("disable", UPDATE),
    ("dm", TELL),
    ("donate", PAY),
    ("drop", REMOVE),
    ("duplicate", CREATE),
    ("edit", UPDATE),
    ("email", TELL),
    ("enable", UPDATE),
    ("enrol", ADD),
    ("erase", REMOVE),
    ("evaluate", RUN),
    ("exec", RUN),
    ("execute", RUN),
    ("fix", UPDATE),
    ("forward", TELL | SHARE),
    ("generate", CREATE),
    ("give", SHARE),
    ("grant", SHARE),
    ("include", ADD),
    ("inform", TELL),
    ("insert", ADD | UPDATE),
    ("install", RUN),
    ("invitation", ADD | SHARE),
    ("invite", ADD | SHARE),
    ("join", ADD),
    ("kick", REMOVE),
    ("launch", RUN),
    ("mail", TELL),
    ("make", CREATE),
    ("merge", UPDATE),
    ("message", TELL),
    ("modify", UPDATE),
    ("move", UPDATE),
    ("new", CREATE),
    ("notify", TELL),
    ("onboard", ADD),
    ("open", CREATE),
    ("order", PAY | CREATE),
    ("organize", CREATE),
    ("overwrite", UPDATE),
    ("patch", UPDATE),
    ("pay", PAY),
    ("payment", PAY),
    ("plan", CREATE),
    ("post", TELL | CREATE),
    ("postpone", UPDATE),
    ("publish", TELL | SHARE),
    ("purchase", PAY),
    ("purge", REMOVE),
    ("push", TELL | UPDATE),
    ("put", UPDATE | ADD),
    ("refund", PAY),
    ("register", CREATE | ADD),
    ("reimburse", PAY),
    ("remit", PAY),
    ("remove", REMOVE),
    ("rename", UPDATE),
    ("repay", PAY),
    ("replace", UPDATE),
    ("reply", TELL),
    ("reschedule", UPDATE),
    ("reservation", CREATE),
    ("reserve", CREATE),
    ("reset", UPDATE),
    ("respond", TELL),
    ("restore", UPDATE),
    ("revoke", REMOVE),
    ("run", RUN),
    ("save", CREATE | UPDATE),
    ("schedule", CREATE),
    ("send", TELL | SHARE | PAY),
    ("set", UPDATE | CREATE),
    ("settle", PAY),
    ("setup", CREATE),
    ("share", SHARE | TELL),
    ("start", RUN),
    ("store", CREATE | UPDATE),
    ("submit", TELL | CREATE),
    ("subscribe", ADD),
    ("tell", TELL),
    ("text", TELL),
    ("transaction", PAY),
    ("transfer", PAY),
    ("trash", REMOVE),
    ("unsubscribe", REMOVE),
    ("update", UPDATE),
    ("upload", CREATE | SHARE),
    ("wire", PAY),
    ("write", TELL | CREATE | UPDATE),
];

/// Verbs for going to an address.
const FETCH: [&str; 15] = [
    "access", "browse", "call", "check", "click", "download", "fetch", "follow", "get", "go",
    "load", "navigate", "open", "read", "visit",
];

/// Nouns that make an action one about money.
const MONEY: [&str; 7] = [
    "fund",
    "invoice",
    "money",
    "payment",
    "salary",
    "transaction",
    "transfer",
];

/// Words that only tell.
const READ: [&str; 22] = [
    "check", "count", "describe", "diff", "download", "explain", "fetch", "find", "get", "inspect",
    "list", "lookup", "preview", "query", "read", "retrieve", "search", "show", "stat", "status",
    "view", "whoami",
];

/// A word without its ending: alike for the forms of a verb, and never longer than the word.
pub(crate) fn stem(word: &str) -> Cow<'_, str> {
    if let Some(stem) = word
        .strip_suffix("ied")
        .or_else(|| word.strip_suffix("ies"))
    {
        return format!("{stem}y").into();
    }
    let is_left = |stem: &&str| stem.chars().count() >= 3;
    let cut = match word.ends_with("ss") {
        true => None,
        false => ["ing", "ed", "es", "s"]
            .iter()
            .find_map(|ending| word.strip_suffix(ending).filter(is_left)),
    };
    let mut stem = cut.unwrap_or(word);
    if let Some(shorter) = stem.strip_suffix('e').filter(is_left) {
        stem = shorter;
    }
    let mut last = stem.chars().rev();
    match (last.next(), last.next()) {
        // `cancelling`, `running`: a letter that the ending has doubled. `accesses` and `calls` keep theirs.
        (Some(a), Some(b))
            if a == b && !matches!(a, 's' | 'l') && cut.is_some() && stem.chars().count() > 3 =>
        {
            let mut chars = stem.chars();
            chars.next_back();
            chars.as_str().into()
        }
        (Some('l'), Some('l')) if stem.chars().count() > 5 => {
            let mut chars = stem.chars();
            chars.next_back();
            chars.as_str().into()
        }
        _ => stem.into(),
    }
}

/// The words of the tables by their stems.
struct Stems {
    verbs: HashMap<String, u8>,
    fetch: HashSet<String>,
    read: HashSet<String>,
    money: HashSet<String>,
}

static STEMS: LazyLock<Stems> = LazyLock::new(|| {
    let all = |words: &[&str]| words.iter().map(|word| stem(word).into_owned()).collect();
    let mut verbs = HashMap::new();
    for (verb, kinds) in VERBS {
        *verbs.entry(stem(verb).into_owned()).or_insert(0) |= kinds;
    }
    Stems {
        verbs,
        fetch: all(&FETCH),
        read: all(&READ),
        money: all(&MONEY),
    }
});

/// The kinds of action that a stem means.
pub(crate) fn kinds_of(stem: &str) -> u8 {
    STEMS.verbs.get(stem).copied().unwrap_or_default()
}

/// Whether a stem means to go to an address.
pub(crate) fn is_fetch(stem: &str) -> bool {
    STEMS.fetch.contains(stem)
}

/// Whether a stem means only to tell.
fn is_read(stem: &str) -> bool {
    STEMS.read.contains(stem)
}

/// What a tool does, as its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    /// The kinds that it is one of; none when its verb is not known.
    pub(crate) kinds: u8,
    /// The stem of the verb.
    pub(crate) verb: String,
    /// The stems of the other words of its name.
    pub(crate) nouns: Vec<String>,
}

impl Action {
    /// Reads a tool's name, such as `send_money` or `calendar.createEvent`.
    pub(crate) fn of_tool(name: &str) -> Self {
        let stems: Vec<String> = parts(name)
            .iter()
            .map(|part| stem(part).into_owned())
            .collect();
        // The verb stands first in most names, and behind the name of a service in others.
        let at = stems
            .iter()
            .position(|stem| kinds_of(stem) != 0 || is_read(stem))
            .unwrap_or_default();
        let verb = stems.get(at).cloned().unwrap_or_default();
        let nouns: Vec<String> = stems
            .iter()
            .enumerate()
            .filter(|(index, stem)| *index != at && !SMALL.contains(&stem.as_str()))
            .map(|(_, stem)| stem.clone())
            .collect();
        let mut kinds = kinds_of(&verb);
        let is_money = nouns.iter().any(|noun| STEMS.money.contains(noun));
        // What is sent says what sending is.
        kinds = match (verb.as_str(), is_money) {
            ("send", true) => PAY | TELL,
            ("send", false) => TELL | SHARE,
            (_, true) => kinds | PAY,
            (_, false) => kinds,
        };
        Self { kinds, verb, nouns }
    }

    /// Whether it only tells, as its name says.
    pub(crate) fn only_tells(&self) -> bool {
        is_read(&self.verb)
    }
}

/// Words of names that mean nothing by themselves.
const SMALL: [&str; 12] = [
    "a", "all", "an", "by", "for", "from", "in", "of", "on", "the", "to", "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_verb_have_one_stem() {
        for (forms, kind) in [
            (["delete", "deletes", "deleted", "deleting"], REMOVE),
            (["cancel", "cancels", "cancelled", "cancelling"], REMOVE),
            (["pay", "pays", "paying", "payment"], PAY),
            (["notify", "notifies", "notified", "notifying"], TELL),
            (["access", "accesses", "accessed", "accessing"], SHARE),
            (["share", "shares", "shared", "sharing"], SHARE),
            (["send", "sends", "sending", "send"], TELL),
            (["schedule", "schedules", "scheduled", "scheduling"], CREATE),
        ] {
            for form in forms {
                assert_ne!(kinds_of(&stem(form)) & kind, 0, "{form}");
            }
        }
    }

    #[test]
    fn names_of_tools_say_what_they_do() {
        let action = Action::of_tool("send_money");
        assert_eq!(action.kinds, PAY | TELL);
        assert_eq!(action.nouns, ["money"]);
        assert_eq!(Action::of_tool("calendar.createEvent").kinds, CREATE);
        assert_ne!(Action::of_tool("schedule_transaction").kinds & PAY, 0);
        assert!(Action::of_tool("get_webpage").only_tells());
        assert!(Action::of_tool("gitlab_list_issues").only_tells());
        assert_eq!(Action::of_tool("frobnicate_all").kinds, 0);
    }
}
