//! Values that lead somewhere: addresses, links, accounts, numbers of phones and cards.

use std::borrow::Cow;

use crate::normal::decoded;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Email,
    Link,
    /// A bank account, a card, a phone: letters and digits whose separators do not matter.
    Number,
}

impl Kind {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Email => "an email address",
            Self::Link => "an address",
            Self::Number => "a number",
        }
    }
}

/// One value in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Of a link, where it leads; of an email address, `@` and its domain, unless everybody has addresses there.
    pub(crate) host: Option<String>,
}

/// The values in a text in its [`normal`](crate::normal()) form, each once for each time that it stands there.
pub(crate) fn of_text(text: &str) -> Vec<Value> {
    let mut values = numbers(text);
    for token in text.split(|c: char| c.is_whitespace() || SEPARATORS.contains(&c)) {
        values.extend(of_token(token));
    }
    values
}

/// The links in a text, exactly as they stand but for their scheme.
pub(crate) fn exact_links(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || SEPARATORS.contains(&c))
        .filter(|token| token.contains('.'))
        .map(exact)
}

/// A link without its scheme, and without what stands around it.
pub(crate) fn exact(link: &str) -> &str {
    let link = link.trim().trim_matches(ENDS);
    let link = link.strip_prefix("https://").unwrap_or(link);
    link.strip_prefix("http://").unwrap_or(link)
}

/// What cannot stand within an address.
const SEPARATORS: [char; 14] = [
    '<', '>', '"', '`', '(', ')', '[', ']', '{', '}', '|', ',', ';', '\\',
];

/// What may stand at an end of an address and does not belong to it.
const ENDS: [char; 14] = [
    '.', ':', '!', '?', '\'', '*', '_', '-', '#', '=', '&', '/', '’', '‘',
];

fn of_token(token: &str) -> Option<Value> {
    let token = token.trim_matches(ENDS);
    if !token.contains(['.', '@', '%']) && !token.contains("://") {
        return None;
    }
    let whole = decoded(token);
    let token = whole.trim_matches(ENDS);
    let token = token.strip_prefix("mailto:").unwrap_or(token);
    match token.contains("://") {
        true => link(token),
        false => email(token).or_else(|| link(token)),
    }
}

fn email(token: &str) -> Option<Value> {
    let (name, domain) = token.rsplit_once('@')?;
    // `key=value@domain` and `to:name@domain's` hold an address, too.
    let is_of_name =
        |c: char| c.is_alphanumeric() || matches!(c, '.' | '+' | '-' | '_' | '%' | '~');
    let name = name.rsplit(|c| !is_of_name(c)).next()?;
    let domain = domain
        .split(|c| !is_of_host(c))
        .next()?
        .trim_end_matches('.');
    // One mailbox has many names: by a tag, and at one provider by dots.
    let (name, domain) = match domain {
        "gmail.com" | "googlemail.com" => (Cow::Owned(name.replace('.', "")), "gmail.com"),
        domain => (Cow::Borrowed(name), domain),
    };
    let name = name.split_once('+').map_or(&*name, |(name, _)| name);
    (!name.is_empty() && is_domain(domain)).then(|| Value {
        kind: Kind::Email,
        text: format!("{name}@{domain}"),
        host: (!PROVIDERS.contains(&domain)).then(|| format!("@{domain}")),
    })
}

/// Domains in which everybody has addresses: that one is untrusted says nothing of another.
const PROVIDERS: [&str; 16] = [
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.ru",
    "msn.com",
    "outlook.com",
    "proton.me",
    "protonmail.com",
    "web.de",
    "yahoo.com",
];

fn link(token: &str) -> Option<Value> {
    let (is_link, rest) = match token.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (token.starts_with("www."), token),
    };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(host_end)?;
    let (user, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = authority.split(|c| !is_of_host(c)).next()?;
    let port = authority
        .get(host.len()..)
        .filter(|port| !matches!(*port, "" | ":80" | ":443"));
    let host = host
        .strip_prefix("www.")
        .unwrap_or(host)
        .trim_end_matches('.');
    let is_host = match is_link {
        true => !host.is_empty(),
        false => is_domain(host) && is_top_level(host),
    };
    if !is_host {
        return None;
    }
    Some(Value {
        kind: Kind::Link,
        text: format!(
            "{user}{}{host}{}{}",
            if user.is_empty() { "" } else { "@" },
            port.unwrap_or_default(),
            path.trim_end_matches(ENDS)
        ),
        host: Some(host.to_owned()),
    })
}

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// An address or a host without its last label: where a sentence goes on without a space, that is the next word.
pub(crate) fn without_last_label(text: &str) -> Option<&str> {
    let (name, host) = text
        .rsplit_once('@')
        .map_or(("", text), |(name, host)| (name, host));
    let (before, _) = host.rsplit_once('.')?;
    before.contains('.').then(|| match name {
        "" => Some(before),
        _ => text.get(..name.len() + 1 + before.len()),
    })?
}

fn is_domain(text: &str) -> bool {
    let mut labels = text.split('.');
    let fits = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.contains('.') && labels.all(fits)
}

/// Whether a bare name is that of a host and not of a file: by its last label.
fn is_top_level(host: &str) -> bool {
    const LONG: [&str; 34] = [
        "academy", "agency", "app", "biz", "blog", "cloud", "club", "com", "dev", "digital", "edu",
        "email", "gov", "group", "host", "info", "int", "live", "mil", "name", "net", "news",
        "online", "org", "page", "pro", "shop", "site", "space", "store", "tech", "top", "website",
        "xyz",
    ];
    const FILES: [&str; 14] = [
        "7z", "cc", "cs", "db", "gz", "hs", "js", "md", "pl", "ps", "py", "rb", "rs", "ts",
    ];
    let Some(last) = host.rsplit('.').next() else {
        return false;
    };
    // Punycode, and every country.
    last.starts_with("xn--")
        || LONG.contains(&last)
        || (last.len() == 2
            && last.chars().all(|c| c.is_ascii_lowercase())
            && !FILES.contains(&last))
        || (!last.is_ascii() && last.chars().all(char::is_alphabetic))
}

/// Digits, or letters and digits, in groups or not: eight of them at least.
fn numbers(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut group = String::new();
    for word in text.split_whitespace() {
        // Most words have no digit, and belong to a number only within one.
        if group.is_empty() && !word.bytes().any(|b| b.is_ascii_digit()) {
            continue;
        }
        // `+49 (0)170` is read without what is dialled within the country.
        let inland = word.contains("(0)").then(|| word.replace("(0)", ""));
        let word = inland.as_deref().unwrap_or(word);
        for (n, token) in word.split(parts_numbers).enumerate() {
            if n > 0 {
                take(&mut group, &mut found);
            }
            number_token(token, &mut group, &mut found);
        }
    }
    take(&mut group, &mut found);
    found
}

/// Whether a sign stands between two values, and in none: `account=1,2;3`, `"1"`, `<td>1</td>`.
fn parts_numbers(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '-' | '.' | '/' | '+' | '(' | ')')
}

/// A piece of text without blanks, which may be a number, or go on with one.
fn number_token(token: &str, group: &mut String, found: &mut Vec<Value>) {
    if token.is_empty() {
        return;
    }
    let token = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '+');
    let compact = alphanumeric(token);
    let joined = token
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '+' | '(' | ')'));
    let digits = compact.chars().filter(char::is_ascii_digit).count();
    if !joined || compact.is_empty() || is_date(token) || token.contains("..") {
        return take(group, found);
    }
    // An account with a bank behind a slash is no longer account.
    let slashed = token.split('/').map(alphanumeric);
    found.extend(
        slashed
            .filter(|part| part.len() < compact.len() && is_account(part))
            .map(|part| number(&part)),
    );
    let is_iban = is_account(&compact);
    let is_digits = digits == compact.len();
    if is_iban || (is_digits && digits >= NUMBER_DIGITS_MIN) {
        found.push(number(&compact));
    }
    // Groups, as accounts, cards and phones are written.
    let begins = group.is_empty() && (is_digits || starts_account(&compact));
    // Of letters alone only the second group is, which names the bank.
    let is_bank = digits == 0 && compact.len() == 4 && group.len() == 4 && starts_account(group);
    let goes_on = !group.is_empty() && (is_digits || is_bank || (digits > 0 && compact.len() <= 4));
    if compact.len() < NUMBER_DIGITS_MIN && (begins || goes_on) {
        group.push_str(&compact);
        if group.len() > GROUP_CHARS_MAX {
            group.clear();
        }
    } else {
        take(group, found);
    }
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

const NUMBER_DIGITS_MIN: usize = 8;
/// The longest IBAN has 34 characters.
const GROUP_CHARS_MAX: usize = 40;

fn take(group: &mut String, found: &mut Vec<Value>) {
    let is_number = group.len() >= NUMBER_DIGITS_MIN
        && (group.chars().all(|c| c.is_ascii_digit()) || is_account(group));
    if is_number {
        found.push(number(group));
    }
    group.clear();
}

fn number(text: &str) -> Value {
    Value {
        kind: Kind::Number,
        text: text.to_owned(),
        host: None,
    }
}

fn starts_account(text: &str) -> bool {
    let bytes = text.as_bytes();
    let letters = bytes
        .iter()
        .take(2)
        .filter(|b| b.is_ascii_alphabetic())
        .count();
    let digits = bytes
        .iter()
        .skip(2)
        .take(2)
        .filter(|b| b.is_ascii_digit())
        .count();
    letters == 2 && digits == 2
}

/// Two letters, two digits and more, as international account numbers are.
fn is_account(text: &str) -> bool {
    (12..=GROUP_CHARS_MAX).contains(&text.len())
        && starts_account(text)
        && text.chars().filter(char::is_ascii_digit).count() >= 6
}

/// A day, with or without a time: no number of anything else.
fn is_date(token: &str) -> bool {
    let mut parts = token.split(['-', '/', '.', 't']);
    let lengths: Vec<usize> = parts.by_ref().take(3).map(str::len).collect();
    matches!(
        lengths.as_slice(),
        [4, 1..=2, 1..=2] | [1..=2, 1..=2, 2 | 4]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(Kind, String)> {
        let values = of_text(&crate::normal(text));
        values.into_iter().map(|v| (v.kind, v.text)).collect()
    }

    fn one(kind: Kind, text: &str) -> Vec<(Kind, String)> {
        vec![(kind, text.to_owned())]
    }

    #[test]
    fn addresses_are_found_however_they_are_written() {
        for text in [
            "write to Jane@Example.org.",
            "(mailto:jane@example.org)",
            "jane%40example.org",
            "to=jane@example.org&x=1",
            "jane[at]example[.]org!",
        ] {
            assert_eq!(of(text), one(Kind::Email, "jane@example.org"), "{text}");
        }
        for text in [
            "mallory.x@gmail.com",
            "malloryx+anything@GoogleMail.com",
            "Mal.Lory.X@gmail.com",
        ] {
            assert_eq!(of(text), one(Kind::Email, "malloryx@gmail.com"), "{text}");
        }
        assert_eq!(
            of("jane.doe+x@example.org"),
            one(Kind::Email, "jane.doe@example.org")
        );
        for text in [
            "see www.evil.com/a.",
            "HTTPS://evil.com/a/",
            "[here](http://www.evil.com/a)",
            "hxxp://evil[.]com:80/a?",
            "evil.com/a",
        ] {
            assert_eq!(of(text), one(Kind::Link, "evil.com/a"), "{text}");
        }
        let [value] = &of_text("http://10.0.0.1:8080/x")[..] else {
            panic!("not one")
        };
        assert_eq!(value.host.as_deref(), Some("10.0.0.1"));
        // What could carry something away is part of it.
        assert_eq!(
            of("http://secret@evil.com:81/a"),
            one(Kind::Link, "secret@evil.com:81/a")
        );
    }

    #[test]
    fn numbers_are_the_same_with_and_without_separators() {
        for text in [
            "GB29NWBK60161331926819",
            "gb29 nwbk 6016 1331 9268 19",
            "(GB29-NWBK-6016-1331-9268-19)",
        ] {
            assert!(
                of(text).contains(&(Kind::Number, "gb29nwbk60161331926819".into())),
                "{text}"
            );
        }
        for text in [
            "4237-4252-7456-2574",
            "4237 4252 7456 2574",
            "4237425274562574",
        ] {
            assert_eq!(of(text), one(Kind::Number, "4237425274562574"), "{text}");
        }
        assert_eq!(of("+49 170 1234567"), one(Kind::Number, "491701234567"));
        assert_eq!(
            of("tel:+49 (0)170 1234567"),
            one(Kind::Number, "491701234567")
        );
        for text in [
            "IBAN:GB29NWBK60161331926819",
            "iban=GB29NWBK60161331926819;",
            "Bob,GB29NWBK60161331926819,100",
            "{\"iban\":\"GB29NWBK60161331926819\"}",
            "<td>GB29NWBK60161331926819</td>",
            "|GB29NWBK60161331926819|",
            "—GB29NWBK60161331926819—",
            "GB29NWBK60161331926819/NWBKGB2L",
            r"to:\nGB29NWBK60161331926819",
        ] {
            assert!(
                of(text).contains(&(Kind::Number, "gb29nwbk60161331926819".into())),
                "{text}: {:?}",
                of(text)
            );
        }
    }

    #[test]
    fn other_texts_hold_no_values() {
        for text in [
            "bill-december-2023.txt",
            "main.rs",
            "e.g. this",
            "2024-05-19 10:00",
            "12/05/2024",
            "version 1.2.3",
            "it costs 1200.50",
            "team-building-activities.docx",
            "a sentence.Then another",
            "3.14159",
            "12,345,678",
            "a1,b2,c3;d4",
            "x=10:20:30",
        ] {
            assert_eq!(of(text), vec![], "{text}");
        }
    }
}
