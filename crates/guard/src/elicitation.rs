//! Forms by which servers ask people for something: none may ask for a secret.
//!
//! What a person types into a form goes through the client, its model's context perhaps, the gateway and its records.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, client/elicitation: servers must not ask for sensitive information by forms, and send
//! people to an address of their own instead.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

use crate::skeleton::is_unseen;

/// Words that name a secret wherever they stand.
const SECRETS: [&str; 33] = [
    "passwd",
    "pwd",
    "passcode",
    "secret",
    "credential",
    "credentials",
    "apikey",
    "api key",
    "access key",
    "private key",
    "secret key",
    "signing key",
    "access token",
    "auth token",
    "bearer token",
    "refresh token",
    "seed phrase",
    "recovery phrase",
    "card number",
    "social security",
    "one time code",
    "security code",
    // In other languages that people are asked in.
    "mot de passe",
    "phrase secrète",
    "clave secreta",
    "clave de acceso",
    "senha",
    "parola d ordine",
    "parola chiave",
    "geheimzahl",
    "zugangsdaten",
    "hasło",
    "şifre",
];
/// Words that name one within longer words as well, or in scripts without blanks.
const STEMS: [&str; 13] = [
    "password",
    "passphrase",
    "passwort",
    "kennwort",
    "wachtwoord",
    "contraseña",
    "lösenord",
    "пароль",
    "密码",
    "密碼",
    "パスワード",
    "暗証番号",
    "비밀번호",
];
/// Words that name a secret when they are the name of a field or in its title.
const SECRET_FIELDS: [&str; 9] = [
    "token", "pin", "otp", "cvv", "cvc", "ssn", "mfa", "iban", "2fa",
];

/// The field, or the word of the message, by which the `params` of an `elicitation/create` ask for a secret.
///
/// A detector: it knows words of a few languages, however they are spelt, and no other way to ask. An address that a person
/// opens is another way and not looked at, unless there is a form beside it: clients of versions without `mode` show that.
#[must_use]
pub fn secret_asked_for(params: &Value) -> Option<String> {
    let form = params.get("requestedSchema");
    let is_address = params.get("mode").is_some_and(|mode| mode == "url");
    if is_address && form.is_none() {
        return None;
    }
    // Whatever it asks for: nobody reads it, and looking at it takes as long as it is.
    if texts(params) > TEXT_BYTES_MAX {
        return Some(format!("more than {TEXT_BYTES_MAX} bytes of text"));
    }
    let message = params.get("message").and_then(Value::as_str);
    if let Some(word) = message.and_then(|message| Text::of(message).secret()) {
        return Some(format!("`{word}` in the message"));
    }
    within("", form?)
}

/// A form that people fill in has a few sentences.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// The bytes of all texts in a value, names of members among them.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| name.len() + texts(member))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// As deep as `serde_json` reads, which is a bounded depth.
fn within(field: &str, value: &Value) -> Option<String> {
    let found = || match field {
        "" => "the form's own words".to_owned(),
        field => format!("the field `{}`", crate::schema::shown(field)),
    };
    match value {
        Value::String(text) => Text::of(text).secret().map(|_| found()),
        Value::Array(items) => items.iter().find_map(|item| within(field, item)),
        Value::Object(members) => members.iter().find_map(|(key, member)| {
            if key == "format" && member == "password" {
                return Some(found());
            }
            match (key.as_str(), member) {
                ("properties", Value::Object(fields)) => fields.iter().find_map(|(name, field)| {
                    labelled(name, field).or_else(|| within(name, field))
                }),
                _ => within(field, member),
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A field whose name or title names a secret.
fn labelled(name: &str, field: &Value) -> Option<String> {
    let title = field.get("title").and_then(Value::as_str);
    let mut labels = [Some(name), title].into_iter().flatten().map(Text::of);
    labels
        .any(|label| label.secret().is_some() || label.names(&SECRET_FIELDS).is_some())
        .then(|| format!("the field `{}`", crate::schema::shown(name)))
}

/// A text as it reads: without case, unseen characters and letters that look like others.
struct Text {
    /// Its words, each between blanks: `apiKey` is ` api key `.
    words: String,
    /// What stands between blanks in one piece, and letters that stand alone as one word: `pass-word` is ` password `.
    joined: String,
}

impl Text {
    fn of(text: &str) -> Self {
        let seen: String = text
            .nfkc()
            .filter(|c| c.is_whitespace() || !is_unseen(*c))
            .collect();
        let mut joined = String::from(" ");
        let mut was_letter = false;
        for token in seen.split_whitespace() {
            let token: String = token.chars().filter(|c| c.is_alphanumeric()).collect();
            let is_letter = token.chars().count() == 1;
            if was_letter && is_letter {
                joined.pop();
            }
            joined.push_str(&token);
            joined.push(' ');
            was_letter = is_letter;
        }
        Self {
            words: alike(&words(&seen)),
            joined: alike(&joined),
        }
    }

    fn secret(&self) -> Option<&'static str> {
        let is_within = |stem: &&&str| self.joined.contains(&alike(stem));
        let stem = STEMS.iter().find(is_within).copied();
        stem.or_else(|| self.names(&SECRETS))
    }

    fn names(&self, wanted: &[&'static str]) -> Option<&'static str> {
        let is_there = |word: &&&str| {
            let word = format!(" {} ", alike(word));
            self.words.contains(&word) || self.joined.contains(&word)
        };
        wanted.iter().find(is_there).copied()
    }
}

/// In lower case, each letter as the one that it looks like.
///
/// # Source
/// UTS #39, section 4, Confusable Detection.
fn alike(text: &str) -> String {
    skeleton(&text.to_lowercase()).collect()
}

/// The words of a text or a name, each between blanks.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    let mut was_lower = false;
    for c in text.chars() {
        let breaks = !c.is_alphanumeric() || c.is_uppercase() && was_lower;
        if breaks && !out.ends_with(' ') {
            out.push(' ');
        }
        if c.is_alphanumeric() {
            out.push(c);
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(message: &str, name: &str, field: Value) -> Option<String> {
        secret_asked_for(&json!({
            "message": message, "requestedSchema": {"type": "object", "properties": {name: field}},
        }))
    }

    #[test]
    fn forms_that_ask_for_secrets_are_told() {
        for name in [
            "password",
            "userPassword",
            "API_KEY",
            "apiKey",
            "token",
            "pin",
            "card-number",
            "OTP",
            "privateKey",
        ] {
            assert!(
                form("Go on", name, json!({"type": "string"})).is_some(),
                "{name}"
            );
        }
        for field in [
            json!({"type": "string", "title": "Your passphrase"}),
            json!({"type": "string", "description": "The API key of your account"}),
            json!({"type": "string", "format": "password"}),
        ] {
            assert!(form("Go on", "value", field.clone()).is_some(), "{field}");
        }
        assert!(form("Please enter your password:", "value", json!({})).is_some());
    }

    #[test]
    fn a_form_that_nobody_would_read_is_none() {
        let fits = "word ".repeat(TEXT_BYTES_MAX / 6);
        assert!(form(&fits, "value", json!({})).is_none());
        assert!(form(&fits, "value", json!({"enum": [fits]})).is_some());
        let address =
            json!({"mode": "url", "url": "https://example.com", "message": fits.repeat(2)});
        assert!(secret_asked_for(&address).is_none());
    }

    #[test]
    fn other_forms_and_addresses_are_not() {
        for (message, name) in [
            ("Which branch?", "branch"),
            ("How many tokens at most?", "max_tokens"),
            ("Pinned version?", "pinned"),
            ("Your name", "name"),
            ("Which key should the rows be sorted by?", "sort_key"),
            ("Spin?", "spinning"),
        ] {
            assert_eq!(
                form(message, name, json!({"type": "string"})),
                None,
                "{name}"
            );
        }
        let url =
            json!({"mode": "url", "message": "Enter your password there", "url": "https://a.test"});
        assert_eq!(secret_asked_for(&url), None);
        assert_eq!(secret_asked_for(&json!(null)), None);
        assert_eq!(form("Which letters? A B C", "name", json!({})), None);
        assert_eq!(form("Name of the secretary", "name", json!({})), None);
    }

    #[test]
    fn a_form_is_one_whatever_it_says_it_is() {
        let params = json!({
            "mode": "url", "url": "https://x.example", "elicitationId": "1", "message": "Sign in",
            "requestedSchema": {"type": "object", "properties": {"password": {"type": "string"}}},
        });
        assert!(secret_asked_for(&params).is_some());
    }

    #[test]
    fn secrets_are_told_however_they_are_spelt() {
        for name in [
            "p\u{430}ssword",
            "pass\u{200b}word",
            "\u{ff50}assword",
            "pass-word",
            "PassWord",
            "userpassword",
            "p a s s w o r d",
            "Passwort",
            "Benutzerkennwort",
            "mot de passe",
            "contrase\u{f1}a",
            "contrasen\u{303}a",
            "Введите пароль",
            "请输入密码",
        ] {
            assert!(form(name, "value", json!({})).is_some(), "message {name:?}");
            for field in [
                json!({"title": name}),
                json!({"description": name}),
                json!({"enum": ["a"], "enumNames": [name]}),
                json!({"oneOf": [{"const": "a", "title": name}]}),
            ] {
                assert!(form("Go on", "value", field.clone()).is_some(), "{field}");
            }
        }
        let titled =
            json!({"requestedSchema": {"title": "Your password", "properties": {"a": {}}}});
        assert!(secret_asked_for(&titled).is_some());
    }
}
