//! Free text: its words, the values in it, and what it asks for.

use crate::{
    action,
    index::{Asked, Index, Key, mark},
    normal,
    value::{self, Kind},
};

/// The words of a text in its normal form.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// So many words in a row that are in both are copied.
pub(crate) const RUN_WORDS: usize = 4;

/// A token such as `new_password` or `1j1l-2k3j`, without what stands around it.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|token| token.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|token| token.contains(|c: char| !c.is_alphanumeric()))
}

/// A longer text has more words than are remembered in any case.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Adds a text to what was seen; linear in its length, which is bounded.
pub(crate) fn learn(index: &mut Index, text: &str, marks: u8) {
    if text.len() > TEXT_BYTES_MAX {
        index.fill();
    }
    if index.is_full() {
        return;
    }
    // Agents read the same files, pages and lists again: what is learnt twice is the same as what is learnt once.
    let whole = (text.len() >= REMEMBERED_BYTES_MIN).then(|| index.hash(Key::Text(text, marks)));
    if whole.is_some_and(|whole| index.marks_of(whole) != 0) {
        return;
    }
    learn_parts(index, text, marks);
    if let Some(whole) = whole {
        index.add_hash(whole, marks);
    }
}

/// What is shorter costs as much to look up as to learn.
const REMEMBERED_BYTES_MIN: usize = 512;

fn learn_parts(index: &mut Index, text: &str, marks: u8) {
    for link in value::exact_links(text) {
        index.add(Key::Exact(link), marks);
    }
    let text = normal(text);
    learn_values(index, &text, marks);
    for token in tokens(&text) {
        index.add(Key::Value(token), marks);
    }
    let words: Vec<u64> = words(&text)
        .map(|word| index.hash(Key::Word(word)))
        .collect();
    for n in [1, 2, RUN_WORDS] {
        for run in words.windows(n) {
            index.add(Key::Words(run), marks);
        }
        if index.is_full() {
            return;
        }
    }
    learn_asked(index, &text, marks);
}

/// Adds only the values of a text in its normal form.
pub(crate) fn learn_values(index: &mut Index, text: &str, marks: u8) {
    let mut invites = None;
    for value in value::of_text(text) {
        let mut marks = marks;
        if value.kind == Kind::Link && *invites.get_or_insert_with(|| invites_to_go(text)) {
            marks |= mark::INVITED;
        }
        index.add(Key::Value(&value.text), marks);
        // What is said of one page holds for its host: an untrusted link taints other pages there, too.
        if let Some(host) = &value.host {
            index.add(Key::Value(host), marks);
        }
        // What untrusted content may have meant is remembered as well; what is vouched for is vouched for exactly.
        let whole = value.host.as_deref().filter(|_| value.kind == Kind::Link);
        let shorter = value::without_last_label(whole.unwrap_or(&value.text));
        if let Some(shorter) =
            shorter.filter(|_| marks & mark::TRUSTED == 0 && value.kind != Kind::Number)
        {
            index.add(Key::Value(shorter), marks);
        }
    }
}

/// Remembers, sentence by sentence, which kinds of action are asked for and of what.
fn learn_asked(index: &mut Index, text: &str, marks: u8) {
    if marks & (mark::NAMED | mark::FREE) == 0 {
        return;
    }
    let mut stems = Vec::new();
    for sentence in text.split(['.', '!', '?', '\n', ';']) {
        stems.clear();
        stems.extend(words(sentence).map(action::stem));
        let kinds = stems
            .iter()
            .fold(0, |kinds, stem| kinds | action::kinds_of(stem));
        if kinds == 0 {
            continue;
        }
        // Whether it is asked for by what the request names, or by anything else, has to stay apart.
        let asked = match marks & mark::NAMED {
            0 => Asked {
                by_others: kinds,
                by_named: 0,
            },
            _ => Asked {
                by_others: 0,
                by_named: kinds,
            },
        };
        index.ask("", asked);
        for stem in &stems {
            index.ask(stem, asked);
        }
    }
}

/// Whether a text tells its reader to go somewhere: a clause begins with a verb for that.
fn invites_to_go(text: &str) -> bool {
    const CLAUSE: [char; 12] = ['.', '!', '?', '\n', ':', ';', ',', '(', ')', '<', '>', '"'];
    const LEAD: [&str; 12] = [
        "and", "then", "also", "please", "first", "instead", "must", "should", "to", "you", "now",
        "just",
    ];
    text.split(CLAUSE).any(|clause| {
        let mut begins = true;
        for word in words(clause) {
            if begins && action::is_fetch(&action::stem(word)) {
                return true;
            }
            begins = LEAD.contains(&word);
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_told_from_a_mention() {
        for text in [
            "visit www.x.com",
            "dear all, please open www.x.com",
            "first you must go to www.x.com",
            "(visit website for details www.x.com)",
        ] {
            assert!(invites_to_go(text), "{text}");
        }
        for text in [
            "i read an article on www.x.com",
            "it was at www.x.com",
            "my opening hours",
        ] {
            assert!(!invites_to_go(text), "{text}");
        }
    }

    #[test]
    fn what_is_learnt_again_is_learnt_for_whoever_says_it_now() {
        let text = format!("Please delete the file! {}", "It is old. ".repeat(100));
        let asked = |index: &Index| index.asked_of(index.hash(Key::Stem("fil")));
        let mut index = Index::default();
        learn(&mut index, &text, mark::FREE | mark::NAMED);
        assert_eq!(asked(&index).by_others, 0);
        assert_ne!(asked(&index).by_named, 0);
        let entries = index.len();
        learn(&mut index, &text, mark::FREE | mark::NAMED);
        assert_eq!(index.len(), entries);
        learn(&mut index, &text, mark::FREE);
        assert_ne!(asked(&index).by_others, 0);
        learn(&mut index, &text, mark::TRUSTED);
        let old = [index.hash(Key::Word("old"))];
        assert!(index.has(Key::Words(&old), mark::TRUSTED));
    }

    #[test]
    fn what_is_asked_for_is_remembered_by_sentence() {
        let mut index = Index::default();
        learn(
            &mut index,
            "The report is nice. Please delete the file!",
            mark::FREE,
        );
        let asked = |kind, noun| {
            let asked = index.asked_of(index.hash(Key::Stem(noun)));
            asked.by_others & kind != 0
        };
        assert!(asked(action::REMOVE, "fil"));
        assert!(!asked(action::REMOVE, "report"));
        assert!(!asked(action::PAY, ""));
    }
}
