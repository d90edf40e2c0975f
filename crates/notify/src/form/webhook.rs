//! For programs.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    Notice,
    text::{SAID_CHARS_MAX, WORD_CHARS_MAX},
};

/// The body of a webhook. Texts are JSON strings, cut to their bounds and otherwise as they are: whoever shows them
/// escapes them.
pub(crate) fn webhook(notice: &Notice) -> Value {
    let mut data = Map::new();
    data.insert("tenant".to_owned(), notice.tenant.as_str().into());
    for words in &notice.words {
        let value = match &words.value {
            Value::String(text) => cut(text, WORD_CHARS_MAX),
            Value::Array(all) => all
                .iter()
                .map(|one| cut(one.as_str().unwrap_or_default(), WORD_CHARS_MAX))
                .collect(),
            other => other.clone(),
        };
        data.insert(words.name.to_owned(), value);
    }
    for said in &notice.said {
        data.insert(said.name.to_owned(), cut(&said.text, SAID_CHARS_MAX));
    }
    if let Some(page) = &notice.page {
        data.insert("url".to_owned(), page.as_str().into());
    }
    json!({
        "type": notice.kind.as_str(),
        "timestamp": time(notice.at_ms),
        "data": data,
    })
}

fn cut(text: &str, chars_max: usize) -> Value {
    text.chars().take(chars_max).collect::<String>().into()
}

fn time(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).map_or(String::new(), |at| at.to_string())
}
