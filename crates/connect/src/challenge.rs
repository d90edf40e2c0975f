//! `WWW-Authenticate`: what a server says it wants.
//!
//! # Source
//! RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728 section 5.1, RFC 9449 section 7.1.

use http::{HeaderMap, header};

/// One challenge of a 401 or 403.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The scheme, in lower case.
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// What the challenges of one answer come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where the resource's metadata is.
    pub(crate) resource_metadata: Option<String>,
    /// The scopes that are needed.
    pub(crate) scope: Option<String>,
    /// What was wrong with the token.
    pub(crate) error: Option<String>,
}

impl Wanted {
    /// Reads the challenges of the schemes that this program can answer.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        let texts = headers.get_all(header::WWW_AUTHENTICATE).iter();
        for challenge in texts.filter_map(|v| v.to_str().ok()).flat_map(parse) {
            if !matches!(challenge.scheme.as_str(), "bearer" | "dpop") {
                continue;
            }
            // A server may offer both schemes; what one of them leaves out, the other may say.
            for (member, name) in [
                (&mut wanted.resource_metadata, "resource_metadata"),
                (&mut wanted.scope, "scope"),
                (&mut wanted.error, "error"),
            ] {
                if member.is_none() {
                    *member = challenge.parameter(name).map(str::to_owned);
                }
            }
        }
        wanted
    }

    /// Whether the token lacks scopes, and which.
    pub(crate) fn insufficient_scope(&self) -> Option<&str> {
        (self.error.as_deref() == Some("insufficient_scope"))
            .then(|| self.scope.as_deref().unwrap_or_default())
    }
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The challenges of one header value; what cannot be read ends the list.
fn parse(text: &str) -> Vec<Challenge> {
    let mut rest = Cursor(text);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip(|c| matches!(c, ' ' | '\t' | ','));
        let Some(word) = rest.token() else {
            return challenges;
        };
        rest.skip(|c| matches!(c, ' ' | '\t'));
        if !rest.eat('=') {
            challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: Vec::new(),
            });
            continue;
        }
        rest.skip(|c| matches!(c, ' ' | '\t'));
        let (Some(value), Some(challenge)) = (rest.value(), challenges.last_mut()) else {
            return challenges;
        };
        challenge
            .parameters
            .push((word.to_ascii_lowercase(), value));
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self, blank: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(blank);
    }

    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(values: &[&str]) -> Wanted {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Wanted::read(&headers)
    }

    #[test]
    fn the_specifications_example_is_read() {
        let read = wanted(&[
            r#"Bearer error="insufficient_scope", scope="files:read files:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", error_description="Additional file write permission required""#,
        ]);
        assert_eq!(read.insufficient_scope(), Some("files:read files:write"));
        assert_eq!(
            read.resource_metadata.as_deref(),
            Some("https://mcp.example.com/.well-known/oauth-protected-resource")
        );
    }

    #[test]
    fn several_schemes_in_one_or_two_headers_come_to_the_same() {
        let one = wanted(&[r#"Basic realm="a, b", DPoP algs="ES256", Bearer scope="x""#]);
        let two = wanted(&[r#"DPoP algs="ES256""#, r#"Bearer scope="x""#, "Negotiate"]);
        assert_eq!(one, two);
        assert_eq!(one.scope.as_deref(), Some("x"));
    }

    #[test]
    fn a_scheme_that_is_not_ours_says_nothing() {
        assert_eq!(wanted(&[r#"Basic scope="x""#]), Wanted::default());
    }

    #[test]
    fn quoted_pairs_and_unquoted_values_are_read() {
        let read = wanted(&[r#"bearer Error = "a\"b" , scope=x"#]);
        assert_eq!(read.error.as_deref(), Some("a\"b"));
        assert_eq!(read.scope.as_deref(), Some("x"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_an_end(text in "[ -~]{0,80}") {
            parse(&text);
        }
    }
}
