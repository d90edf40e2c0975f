//! A call against what its run has seen.

use crate::{
    Call, Facts, Finding, Labels, Origin, Request,
    action::Action,
    arguments::{self, Argument},
    index::{Asked, Key, mark},
    memory::Memory,
    normal,
    text::{self, RUN_WORDS},
    value::{self, Value},
};

/// What a call is held against.
pub(crate) struct Check<'a> {
    pub(crate) seen: &'a Memory,
    pub(crate) request: Option<&'a Request>,
    pub(crate) labels: Labels,
    pub(crate) action: Action,
    pub(crate) is_tainted: bool,
    pub(crate) is_contested: bool,
    /// What was seen is not known: whatever the request does not name is in doubt.
    pub(crate) is_doubtful: bool,
}

/// Who asks for this kind of action.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Nobody,
    /// A document that the request names.
    Named,
    /// Content that nobody pointed to.
    Anybody,
}

/// A text of fewer words says too little to be copied.
const COPIED_WORDS_MIN: usize = 6;

impl Check<'_> {
    /// The findings of a call's arguments, and whether content asks for the call.
    pub(crate) fn run(&self, call: &Call<'_>, facts: &mut Facts) {
        let asker = self.asker();
        facts.asked_by_content = !self.labels.read_only
            && match asker {
                Asker::Nobody => false,
                Asker::Named => self.request.is_none(),
                Asker::Anybody => true,
            };
        let Some(arguments) = arguments::leaves(call.arguments) else {
            facts.doubtful = true;
            return;
        };
        for argument in &arguments {
            if let Some(finding) = self.argument(argument, &arguments, asker, facts.requested) {
                facts.findings.push(finding);
            }
        }
    }

    fn argument(
        &self,
        argument: &Argument,
        all: &[Argument],
        asker: Asker,
        requested: bool,
    ) -> Option<Finding> {
        let found = |origin, what| {
            Some(Finding {
                argument: argument.name.clone(),
                origin,
                what,
            })
        };
        if argument.is_number && argument.is_amount() && !argument.leads_somewhere() {
            return None;
        }
        let text = normal(&argument.text);
        let is_content = argument.is_content();
        let values = value::of_text(&text);
        let mut delegated = None;
        for value in &values {
            match self.value(value, argument, is_content) {
                None => {}
                Some(Origin::Untrusted)
                    if !is_content && requested && self.is_delegated(value, argument, all) =>
                {
                    delegated = Some(value.kind.in_words());
                }
                // Numbers are computed, too: times, sums, offsets.
                Some(Origin::Unexplained) if argument.is_number && !argument.is_account() => {}
                Some(origin) => return found(origin, value.kind.in_words()),
            }
        }
        if let Some(what) = delegated {
            return found(Origin::Delegated, what);
        }
        if self.labels.read_only {
            return None;
        }
        if asker == Asker::Named && !is_content && self.is_left_to_content(argument, &text) {
            return found(Origin::Untrusted, "what the content asks for");
        }
        if self.is_vouched_for(argument, &text) {
            return None;
        }
        if is_content {
            return match self.is_copied(&text, asker) {
                true => found(Origin::Untrusted, "a copied text"),
                false => None,
            };
        }
        let is_amount = argument.is_amount() && !argument.is_account();
        if !values.is_empty() || is_amount || argument.is_plain_word() {
            return None;
        }
        let words: Vec<&str> = text::words(&text).collect();
        if !self.is_seen(&text, &words, mark::FREE) {
            return None;
        }
        if requested
            && asker == Asker::Nobody
            && is_plain(&words)
            && self.is_seen(&text, &words, mark::NAMED)
        {
            return found(Origin::Delegated, "words");
        }
        found(
            Origin::Untrusted,
            if words.len() > 1 { "words" } else { "a value" },
        )
    }

    /// Where a value came from; `None` from where it may.
    fn value(&self, value: &Value, argument: &Argument, is_content: bool) -> Option<Origin> {
        if self
            .request
            .is_some_and(|request| request.names_value(value))
        {
            return None;
        }
        if self.is_doubtful {
            return Some(Origin::Untrusted);
        }
        let host = value.host.as_deref().map_or(0, |host| self.host(host));
        let mut marks = self.seen.marks(Key::Value(&value.text));
        if marks == 0 && value.kind == value::Kind::Number {
            // It may have stood where no number was seen to be.
            let word = self.seen.words(&[value.text.as_str()]);
            marks |= match self.seen.has(Key::Words(&word), mark::FREE) {
                true => mark::FREE,
                false => 0,
            };
        }
        if marks & (mark::TYPED | mark::TRUSTED) != 0 {
            return None;
        }
        // Another page of a host that only untrusted content has named.
        let vouching = mark::TRUSTED | mark::TYPED;
        if marks & mark::FREE == 0 && host & (mark::FREE | vouching) == mark::FREE {
            marks |= mark::FREE | mark::OUTSIDE;
        }
        if marks & mark::FREE != 0 {
            let is_mention = marks & (mark::OUTSIDE | mark::INVITED) == 0
                && !self.is_contested
                && self.is_exact(argument);
            // To follow a link as it stands carries nothing away.
            return (!self.labels.read_only || is_content || !is_mention)
                .then_some(Origin::Untrusted);
        }
        if host & vouching != 0 || self.is_vouched_for(argument, &normal(&argument.text)) {
            return None;
        }
        let is_watched = self.is_tainted && (self.request.is_some() || self.is_contested);
        is_watched.then_some(Origin::Unexplained)
    }

    /// The marks of a host, or of a domain of email; that a domain above it is untrusted counts for it, too.
    fn host(&self, host: &str) -> u8 {
        let mut marks = self.seen.marks(Key::Value(host));
        let (sign, mut domain) = match host.strip_prefix('@') {
            Some(domain) => ("@", domain),
            None => ("", host),
        };
        loop {
            let links = self.seen.marks(Key::Value(domain));
            let emails = match sign {
                "" => 0,
                _ => self.seen.marks(Key::Value(&format!("@{domain}"))),
            };
            marks |= (links | emails) & mark::FREE;
            match domain.split_once('.') {
                Some((_, above)) if above.contains('.') => domain = above,
                _ => return marks,
            }
        }
    }

    /// Whether an argument is a link exactly as it stood in a text.
    fn is_exact(&self, argument: &Argument) -> bool {
        self.seen
            .has(Key::Exact(value::exact(&argument.text)), mark::FREE)
    }

    /// Whether the request, a typed field or trusted content has the argument as a whole.
    fn is_vouched_for(&self, argument: &Argument, text: &str) -> bool {
        self.request
            .is_some_and(|request| request.names(&argument.text))
            || self
                .seen
                .has(Key::Value(text.trim()), mark::TYPED | mark::TRUSTED)
    }

    /// Whether, of a call that a named document asks for, the request does not say about what. That the system knows such a thing is
    /// not enough then, but for ids, which no request names.
    fn is_left_to_content(&self, argument: &Argument, text: &str) -> bool {
        let Some(request) = self.request else {
            return false;
        };
        let is_id = argument.is_id() && self.seen.has(Key::Value(text.trim()), mark::TYPED);
        !(is_id
            || argument.is_amount()
            || request.names(&argument.text)
            || request.names_one(&[&argument.text]))
    }

    /// Whether the request leaves a place open for such a value, and points to where this one was.
    fn is_delegated(&self, value: &Value, argument: &Argument, all: &[Argument]) -> bool {
        let Some(request) = self.request.filter(|_| !self.is_doubtful) else {
            return false;
        };
        if request.has_any(value.kind) {
            return false;
        }
        let marks = self.seen.marks(Key::Value(&value.text));
        // Whoever wrote may be answered, where that kind of action is what was asked for.
        if marks & mark::AUTHORED != 0 {
            return true;
        }
        if marks & mark::NAMED == 0 {
            return false;
        }
        // What may do harm must be about something that the request names itself.
        (self.labels.read_only && self.is_exact(argument))
            || all.iter().any(|other| {
                other.name != argument.name
                    && !other.is_content()
                    && request.names_one(&[&other.text])
            })
    }

    /// Whether a text of people's is for the most part copied, where that matters: it reaches others, or was asked for.
    fn is_copied(&self, text: &str, asker: Asker) -> bool {
        let words: Vec<&str> = text::words(text).collect();
        let words_min = match asker {
            Asker::Nobody if !self.labels.external => return false,
            Asker::Nobody => COPIED_WORDS_MIN,
            Asker::Named | Asker::Anybody => RUN_WORDS,
        };
        if words.len() < words_min {
            return false;
        }
        let words = self.seen.words(&words);
        let runs = words.windows(RUN_WORDS);
        let all = runs.len();
        let copied = runs
            .filter(|run| self.seen.has(Key::Words(run), mark::FREE))
            .count();
        copied * 2 >= all
    }

    /// Whether words stand somewhere in the same order.
    fn is_seen(&self, text: &str, words: &[&str], mark: u8) -> bool {
        if self.is_doubtful {
            return mark == mark::FREE;
        }
        let words = self.seen.words(words);
        let has = |run: &[u64]| self.seen.has(Key::Words(run), mark);
        self.seen.has(Key::Value(text.trim()), mark)
            || match words.len() {
                0 => false,
                1 => has(&words),
                2..RUN_WORDS => words.windows(2).all(has),
                _ => words.windows(RUN_WORDS).all(has),
            }
    }

    fn asker(&self) -> Asker {
        if self.is_doubtful {
            return Asker::Nobody;
        }
        let nouns = self.action.nouns.iter().map(String::as_str);
        let nouns: Vec<&str> = match self.action.nouns.is_empty() {
            true => vec![""],
            false => nouns.chain(["it", "them"]).collect(),
        };
        let asked = nouns.iter().fold(Asked::default(), |asked, noun| {
            asked.and(self.seen.asked(noun))
        });
        match self.action.kinds {
            kinds if asked.by_others & kinds != 0 => Asker::Anybody,
            kinds if asked.by_named & kinds != 0 => Asker::Named,
            _ => Asker::Nobody,
        }
    }
}

/// Whether words are no address, no id and no number that would lead somewhere.
fn is_plain(words: &[&str]) -> bool {
    words.len() > 1
        && words.iter().all(|word| {
            let digits = word.chars().filter(char::is_ascii_digit).count();
            digits == 0 || (digits == word.len() && digits <= 5)
        })
}
