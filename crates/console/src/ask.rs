//! One request, taken apart: its parameters are those that its route knows, each at most once.

use http::{HeaderMap, Method, header, request::Parts};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    field::{Field, Kind},
    refusal::Refusal,
};

/// A request whose parameters were checked against its route.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) headers: HeaderMap,
    pub(crate) path: String,
    /// The query as it was sent, without `?`.
    pub(crate) query: String,
    params: Values,
    fields: Values,
}

/// Texts by name. A number is kept as its text, too.
#[derive(Debug, Default)]
struct Values(Vec<(String, String)>);

/// The form token travels in each form, beside the fields of its route.
pub(crate) const FORM: &str = "form";

impl Ask {
    /// Checks query and body against what the route takes.
    ///
    /// # Errors
    /// [`Refusal`] for a parameter that is unknown, missing, there twice, or no good.
    pub(crate) fn read(
        head: Parts,
        body: &[u8],
        query: &'static [Field],
        fields: &'static [Field],
    ) -> Result<Self, Refusal> {
        let text = head.uri.query().unwrap_or_default().to_owned();
        let params = Values::form(text.as_bytes())?;
        params.check(query)?;
        let given = match head.method {
            Method::POST if is_type(&head.headers, "application/json") => Values::json(body)?,
            Method::POST if body.is_empty() => Values::default(),
            Method::POST if is_type(&head.headers, "application/x-www-form-urlencoded") => {
                Values::form(body)?
            }
            Method::POST => {
                return Err(Refusal::new(
                    http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "E_CONTENT_TYPE",
                    "the body is of a type that is not read here",
                    "send `application/json`",
                ));
            }
            _ => Values::default(),
        };
        given.check(fields)?;
        Ok(Self {
            path: head.uri.path().to_owned(),
            query: text,
            headers: head.headers,
            params,
            fields: given,
        })
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.find(name)
    }

    /// A field of the body.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.find(name)
    }

    /// A number of the body.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// Whether a page of this origin made the browser send this. A request that says nothing of
    /// where it comes from is not taken for one.
    pub(crate) fn is_same_origin(&self, origin: &str) -> bool {
        let one = |name| {
            let mut values = self.headers.get_all(name).iter();
            (
                values.next().map(http::HeaderValue::as_bytes),
                values.next(),
            )
        };
        match (one("sec-fetch-site"), one("origin")) {
            ((_, Some(_)), _) | (_, (_, Some(_))) => false,
            ((site, None), (from, None)) => {
                let from_here = |from: &[u8]| from.eq_ignore_ascii_case(origin.as_bytes());
                (site.is_some() || from.is_some())
                    && site.is_none_or(|site| site == b"same-origin")
                    && from.is_none_or(from_here)
            }
        }
    }
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}

/// No route has more than about ten.
const VALUES_MAX: usize = 32;

impl Values {
    /// Reads `application/x-www-form-urlencoded`; an empty value is none, as forms send it.
    fn form(text: &[u8]) -> Result<Self, Refusal> {
        let mut values = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            values.add(name.into_owned(), value.into_owned())?;
        }
        values.0.retain(|(_, value)| !value.is_empty());
        Ok(values)
    }

    /// Reads one flat JSON object.
    fn json(body: &[u8]) -> Result<Self, Refusal> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let pairs = reader.deserialize_map(Pairs).and_then(|pairs| {
            reader.end()?;
            Ok(pairs)
        });
        let pairs = pairs.map_err(|error| {
            Refusal::new(
                http::StatusCode::BAD_REQUEST,
                "E_BODY_INVALID",
                format!("the body is not a JSON object as it is wanted here: {error}"),
                "see /api/v1/openapi.json",
            )
        })?;
        let mut values = Self::default();
        for (name, value) in pairs {
            match value {
                Value::Null => {}
                Value::String(text) => values.add(name, text)?,
                other => values.add(name, other.to_string())?,
            }
        }
        Ok(values)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), Refusal> {
        if self.find(&name).is_some() {
            let next = "send it once";
            return Err(Refusal::field(shown(&name), "this is there twice", next));
        }
        if self.0.len() >= VALUES_MAX {
            let next = "see /api/v1/openapi.json";
            return Err(Refusal::field(
                shown(&name),
                "there are too many of these",
                next,
            ));
        }
        self.0.push((name, value));
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn check(&self, known: &'static [Field]) -> Result<(), Refusal> {
        for (name, value) in &self.0 {
            if name == FORM {
                continue;
            }
            let Some(field) = known.iter().find(|field| field.name == name) else {
                let next = "see /api/v1/openapi.json for what there is";
                return Err(Refusal::field(shown(name), "this is not known here", next));
            };
            field.check(value)?;
        }
        let missing = known
            .iter()
            .find(|field| field.required && self.find(field.name).is_none());
        match missing {
            Some(field) => Err(Refusal::field(field.name, "this is missing", field.rule())),
            None => Ok(()),
        }
    }
}

/// A name that somebody typed, short and without surprises.
fn shown(name: &str) -> String {
    crate::text::visible(name, 64, crate::text::Breaks::Shown)
}

/// A JSON object whose keys differ; of two equal ones two readers could take different ones.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Self::Value = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom("a key is there twice"));
            }
            if pairs.len() >= VALUES_MAX {
                return Err(de::Error::custom("there are too many keys"));
            }
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

impl Field {
    fn check(&self, value: &str) -> Result<(), Refusal> {
        let fits = match self.kind {
            Kind::Text { chars_max } => value.chars().count() <= chars_max,
            Kind::Number { max } => value.parse().is_ok_and(|n: u64| (1..=max).contains(&n)),
            Kind::Choice(choices) => choices.contains(&value),
        };
        match fits {
            true => Ok(()),
            false => Err(Refusal::field(self.name, "this is no good", self.rule())),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const FIELDS: &[Field] = &[
        Field::text("reason", 5, "why"),
        Field::number("minutes", 10, "how long").needed(),
    ];

    fn read(kind: &str, body: &str) -> Result<Ask, Refusal> {
        let request = Request::post("/x?kind=a").header(header::CONTENT_TYPE, kind);
        let (head, ()) = request.body(()).unwrap().into_parts();
        const QUERY: &[Field] = &[Field::choice("kind", &["a"], "which")];
        Ask::read(head, body.as_bytes(), QUERY, FIELDS)
    }

    #[test]
    fn a_form_and_an_object_say_the_same() {
        for (kind, body) in [
            (
                "application/json; charset=utf-8",
                r#"{"minutes":7,"reason":"ü"}"#,
            ),
            (
                "application/x-www-form-urlencoded",
                "minutes=7&reason=%C3%BC&form=x",
            ),
        ] {
            let ask = read(kind, body).unwrap();
            assert_eq!(
                (ask.number("minutes"), ask.field("reason")),
                (Some(7), Some("ü"))
            );
            assert_eq!(ask.param("kind"), Some("a"));
        }
    }

    #[test]
    fn what_is_unknown_missing_doubled_or_no_good_is_refused_by_name() {
        for (body, field) in [
            (r#"{"minutes":7,"more":1}"#, Some("more")),
            (r#"{"reason":"a"}"#, Some("minutes")),
            (r#"{"minutes":null}"#, Some("minutes")),
            (r#"{"minutes":0}"#, Some("minutes")),
            (r#"{"minutes":11}"#, Some("minutes")),
            (r#"{"minutes":1.5}"#, Some("minutes")),
            (r#"{"minutes":[1]}"#, Some("minutes")),
            (r#"{"minutes":1,"reason":"toolong"}"#, Some("reason")),
            (r#"{"minutes":1,"minutes":2}"#, None),
            (r#"{"minutes":1} {}"#, None),
            ("[]", None),
            ("", None),
        ] {
            let refusal = read("application/json", body).unwrap_err();
            assert_eq!(refusal.field.as_deref(), field, "{body}");
        }
        let twice = read("application/x-www-form-urlencoded", "minutes=1&minutes=2");
        assert_eq!(twice.unwrap_err().field.as_deref(), Some("minutes"));
        assert_eq!(
            read("text/plain", "minutes=1").unwrap_err().code,
            "E_CONTENT_TYPE"
        );
    }

    #[test]
    fn only_what_shows_that_it_comes_from_here_does() {
        let origin = "https://gw.example.com";
        let ask = |headers: &[(&str, &str)]| {
            let mut request = Request::get("/x");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            Ask::read(head, b"", &[], &[])
                .unwrap()
                .is_same_origin(origin)
        };
        let (site, from) = ("sec-fetch-site", "origin");
        assert!(ask(&[(site, "same-origin"), (from, origin)]));
        assert!(ask(&[(site, "same-origin")]));
        assert!(ask(&[(from, origin)]));
        for bad in [
            &[][..],
            &[(site, "same-site")],
            &[(site, "cross-site"), (from, origin)],
            &[(site, "none")],
            &[(site, "same-origin"), (from, "null")],
            &[(from, "https://evil.example")],
            &[(from, origin), (from, "https://evil.example")],
            &[(site, "same-origin"), (site, "cross-site")],
        ] {
            assert!(!ask(bad), "{bad:?}");
        }
    }
}
