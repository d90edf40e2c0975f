//! Forms by which servers ask people for something: none may ask for a secret.
//!
//! What a person types into a form goes through the client, its model's context perhaps, the gateway and its records.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, client/elicitation: servers must not ask for sensitive information by forms, and send
//! people to an address of their own instead.

use serde_json::Value;

/// Words that name a secret wherever they stand.
const SECRETS: [&str; 24] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
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
];
/// Words that name a secret when they are the name of a field or in its title.
const SECRET_FIELDS: [&str; 9] = [
    "token", "pin", "otp", "cvv", "cvc", "ssn", "mfa", "iban", "2fa",
];

/// The field, or the word of the message, by which the `params` of an `elicitation/create` ask for a secret.
///
/// Addresses that a person opens are another way, and not looked at.
#[must_use]
pub fn secret_asked_for(params: &Value) -> Option<String> {
    if params.get("mode").is_some_and(|mode| mode == "url") {
        return None;
    }
    let text = |value: Option<&Value>| words(value.and_then(Value::as_str).unwrap_or_default());
    let message = text(params.get("message"));
    if let Some(word) = named(&message, &SECRETS) {
        return Some(format!("`{word}` in the message"));
    }
    let fields = params.pointer("/requestedSchema/properties");
    let fields = fields.and_then(Value::as_object)?;
    fields.iter().find_map(|(name, field)| {
        let label = format!("{}{}", words(name), text(field.get("title")));
        let description = text(field.get("description"));
        let is_hidden = field
            .get("format")
            .is_some_and(|format| format == "password");
        let asks = is_hidden
            || named(&label, &SECRETS).is_some()
            || named(&label, &SECRET_FIELDS).is_some()
            || named(&description, &SECRETS).is_some();
        asks.then(|| format!("the field `{}`", crate::schema::shown(name)))
    })
}

fn named<'w>(text: &str, wanted: &[&'w str]) -> Option<&'w str> {
    let mut wanted = wanted.iter();
    wanted
        .find(|word| text.contains(&format!(" {word} ")))
        .copied()
}

/// The words of a text or a name in lower case, each between blanks: `apiKey` is ` api key `.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    let mut was_lower = false;
    for c in text.chars() {
        let breaks = !c.is_alphanumeric() || c.is_uppercase() && was_lower;
        if breaks && !out.ends_with(' ') {
            out.push(' ');
        }
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
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
    }
}
