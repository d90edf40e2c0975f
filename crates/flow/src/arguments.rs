//! The arguments of a call, leaf by leaf.

use serde_json::Value;

use crate::{records, text};

/// One value of the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    /// The nearest name above it.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) is_number: bool,
}

/// More values than this are not looked at one by one: the call as a whole is in doubt.
pub(crate) const ARGUMENTS_MAX: usize = 4096;

/// What has more words than this is a text, whatever its name.
const NAME_WORDS_MAX: usize = 8;

/// The leaves of arguments as JSON text; `None` when they cannot be read or are too many.
pub(crate) fn leaves(arguments: &str) -> Option<Vec<Argument>> {
    let value: Value = serde_json::from_str(arguments).ok()?;
    let mut leaves = Vec::new();
    walk("", &value, &mut leaves);
    (leaves.len() <= ARGUMENTS_MAX).then_some(leaves)
}

/// As deep as `serde_json` reads, which is a bounded depth.
fn walk(name: &str, value: &Value, leaves: &mut Vec<Argument>) {
    let (text, is_number) = match value {
        Value::Null | Value::Bool(_) => return,
        Value::Array(items) => return items.iter().for_each(|item| walk(name, item, leaves)),
        Value::Object(members) => {
            for (key, member) in members {
                // Where keys are data, they are looked at as such.
                if !key
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
                {
                    leaves.push(Argument {
                        name: name.to_owned(),
                        text: key.clone(),
                        is_number: false,
                    });
                }
                walk(key, member, leaves);
            }
            return;
        }
        Value::String(text) => (text.clone(), false),
        Value::Number(number) => (number.to_string(), true),
    };
    leaves.push(Argument {
        name: name.to_owned(),
        text,
        is_number,
    });
}

impl Argument {
    /// Whether it is what people read, and no reference.
    pub(crate) fn is_content(&self) -> bool {
        records::is_content_key(&self.name) || self.text.split_whitespace().count() > NAME_WORDS_MAX
    }

    /// Whether it is an id, by its name.
    pub(crate) fn is_id(&self) -> bool {
        records::is_id_key(&self.name)
    }

    /// Whether it is a plain number, a date or a time that is no id.
    pub(crate) fn is_amount(&self) -> bool {
        !self.is_id()
            && self.text.chars().all(|c| {
                c.is_ascii_digit()
                    || matches!(c, ' ' | '.' | ',' | ':' | '/' | '-' | '+' | 'T' | 'Z')
            })
    }

    /// Whether it is a number of an account, a card or a phone, by its name.
    pub(crate) fn is_account(&self) -> bool {
        const ACCOUNT: [&str; 8] = [
            "account", "accounts", "card", "cards", "iban", "phone", "phones", "tel",
        ];
        let parts = records::parts(&self.name);
        parts.iter().any(|part| ACCOUNT.contains(&part.as_str()))
    }

    /// Whether a number could be that of an account or of a person, by its name or its length.
    pub(crate) fn leads_somewhere(&self) -> bool {
        self.is_account() || (self.text.len() >= 8 && self.text.bytes().all(|b| b.is_ascii_digit()))
    }

    /// Whether it is one word of letters only: a name as everybody has it, or `general`.
    pub(crate) fn is_plain_word(&self) -> bool {
        text::words(&self.text).count() == 1 && self.text.trim().chars().all(char::is_alphabetic)
    }
}
