//! What the person asked for, as the host has declared it: trusted, and the measure of what a run should do.

use std::collections::HashSet;

use crate::{
    action::{self, Action},
    normal, text,
    value::{self, Kind, Value},
};

/// A declared request, read once.
#[derive(Debug, Clone)]
pub struct Request {
    text: String,
    /// The words with one space around each.
    phrase: String,
    stems: HashSet<String>,
    values: HashSet<String>,
    kinds_of_values: HashSet<Kind>,
    kinds_of_action: u8,
    delegates: bool,
}

/// What is longer is a document and no request; the rest of it counts for nothing.
const CHARS_MAX: usize = 16 << 10;

impl Request {
    /// Reads a request.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text: String = text.chars().take(CHARS_MAX).collect();
        let text = normal(&text);
        let words: Vec<&str> = text::words(&text).collect();
        let stems: HashSet<String> = words
            .iter()
            .map(|word| action::stem(word).into_owned())
            .collect();
        let values = value::of_text(&text);
        Self {
            phrase: format!(" {} ", words.join(" ")),
            delegates: delegates(&words),
            kinds_of_action: stems
                .iter()
                .fold(0, |all, stem| all | action::kinds_of(stem)),
            kinds_of_values: values.iter().map(|v| v.kind).collect(),
            values: values
                .into_iter()
                .flat_map(|v| [Some(v.text), v.host])
                .flatten()
                .collect(),
            stems,
            text,
        }
    }

    /// Whether it says this, word for word.
    #[must_use]
    pub fn names(&self, what: &str) -> bool {
        let what = normal(what);
        let words: Vec<&str> = text::words(&what).collect();
        !words.is_empty() && self.phrase.contains(&format!(" {} ", words.join(" ")))
    }

    pub(crate) fn names_value(&self, value: &Value) -> bool {
        self.values.contains(&value.text) || self.has_within(&value.text)
    }

    /// Whether it names any address, link or number of this kind: then others of the kind are not left open.
    pub(crate) fn has_any(&self, kind: Kind) -> bool {
        self.kinds_of_values.contains(&kind)
    }

    /// Whether it asks for this kind of action, or for whatever a document says.
    pub(crate) fn asks_for(&self, action: &Action) -> bool {
        self.delegates
            || self.kinds_of_action & action.kinds != 0
            || self.stems.contains(&action.verb)
    }

    /// Whether the request names one of the texts, and not by a mere number: then what that brings is what was meant.
    pub(crate) fn names_one(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| {
            text.chars().filter(|c| c.is_alphabetic()).count() >= NAME_LETTERS_MIN
                && (self.names(text)
                    || value::of_text(&normal(text))
                        .iter()
                        .any(|v| self.names_value(v)))
        })
    }

    /// A value that stands in the text with something glued to its end, such as a full stop and the next sentence.
    fn has_within(&self, value: &str) -> bool {
        self.text.match_indices(value).any(|(at, found)| {
            let before = self
                .text
                .get(..at)
                .and_then(|before| before.chars().next_back());
            let after = self
                .text
                .get(at + found.len()..)
                .and_then(|after| after.chars().next());
            let begins = before
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '@' | '.'))
                || self
                    .text
                    .get(..at)
                    .is_some_and(|before| before.ends_with("www."));
            begins && after.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '@'))
        })
    }
}

const NAME_LETTERS_MIN: usize = 3;

/// Whether a request tells to do what is written elsewhere.
fn delegates(words: &[&str]) -> bool {
    const VERBS: [&str; 6] = ["do", "follow", "execute", "complete", "carry", "perform"];
    const NOUNS: [&str; 11] = [
        "instruction",
        "instructions",
        "task",
        "tasks",
        "action",
        "actions",
        "todo",
        "todos",
        "step",
        "steps",
        "orders",
    ];
    const WITHIN: usize = 8;
    words.iter().enumerate().any(|(at, word)| {
        VERBS.contains(word)
            && words
                .iter()
                .skip(at + 1)
                .take(WITHIN)
                // `Perform the following tasks`: they are in the request itself.
                .take_while(|word| **word != "following")
                .any(|word| NOUNS.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        value::of_text(&normal(text)).remove(0)
    }

    #[test]
    fn what_a_request_names_it_names_word_for_word() {
        let request = Request::of(
            "Pay 'bill-december-2023.txt' and write to Jane@Example.org. See www.our-company.com.Thanks",
        );
        assert!(request.names("bill-december-2023.TXT"));
        assert!(!request.names("december bill") && !request.names(" ") && !request.names("ill"));
        assert!(request.names_value(&one("jane@example.org")));
        assert!(request.names_value(&one("https://www.our-company.com/")));
        assert!(!request.names_value(&one("ane@example.org")));
        assert!(!request.names_value(&one("company.com")));
        assert!(!request.names_value(&one("example.org")));
    }

    #[test]
    fn a_request_asks_for_kinds_of_action() {
        let request = Request::of("Please refund my friend");
        assert!(request.asks_for(&Action::of_tool("send_money")));
        assert!(!request.asks_for(&Action::of_tool("delete_file")));
        assert!(!request.asks_for(&Action::of_tool("frobnicate")));
        assert!(Request::of("frobnicate it").asks_for(&Action::of_tool("frobnicate")));
    }

    #[test]
    fn a_request_can_leave_everything_to_a_document() {
        for text in [
            "Follow the instructions in notes.txt",
            "do all the tasks on my list",
            "Please do the actions in the mail",
        ] {
            assert!(Request::of(text).delegates, "{text}");
        }
        for text in [
            "Perform the following tasks in order: 1. Read x",
            "Read the tasks",
            "do it",
        ] {
            assert!(!Request::of(text).delegates, "{text}");
        }
    }
}
