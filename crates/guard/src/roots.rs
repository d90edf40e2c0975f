//! Which of a client's roots a server may see.
//!
//! A root is the address of a folder that the person has opened. It is compared step by step once it has its normal form, so
//! that neither `..` nor an encoded slash leads out of what a pattern names.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, client/roots; RFC 3986, section 6.2.2, for the normal form.

use serde_json::Value;
use thiserror::Error;
use url::Url;

/// Roots that a server may see: the folder that it names, and all below. A step that is `*` is any one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPattern(Place);

/// A text that names no folder.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no address of a folder such as `file:///srv/work` or `file:///home/*/work`")]
pub struct InvalidRoot(String);

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    scheme: String,
    authority: String,
    steps: Vec<String>,
}

impl RootPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidRoot`].
    pub fn parse(text: &str) -> Result<Self, InvalidRoot> {
        let invalid = || InvalidRoot(crate::schema::shown(text));
        let place = Place::of(text).ok_or_else(invalid)?;
        // A star within a name would look as if it meant something.
        let is_plain = |step: &String| step == "*" || !step.contains('*');
        match place.steps.iter().all(is_plain) {
            true => Ok(Self(place)),
            false => Err(invalid()),
        }
    }

    fn matches(&self, place: &Place) -> bool {
        let Self(own) = self;
        own.scheme == place.scheme
            && own.authority == place.authority
            && own.steps.len() <= place.steps.len()
            && own
                .steps
                .iter()
                .zip(&place.steps)
                .all(|(own, step)| own == "*" || own == step)
    }
}

impl Place {
    /// `None` when it leads nowhere that can be compared.
    fn of(text: &str) -> Option<Self> {
        // What addresses of files leave out or turn round before anybody sees it.
        if text.contains(['\\', '\0', '\t', '\n', '\r']) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        if url.cannot_be_a_base() || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let mut steps = Vec::new();
        for step in url.path_segments()?.filter(|step| !step.is_empty()) {
            let step = percent_encoding::percent_decode_str(step)
                .decode_utf8()
                .ok()?;
            let leads_elsewhere = matches!(&*step, "." | "..");
            if leads_elsewhere || step.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
                return None;
            }
            steps.push(step.into_owned());
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            authority: url.authority().to_owned(),
            steps,
        })
    }
}

/// What is left of a list of roots, as raw JSON, and how many are left out; `None` when nothing is.
///
/// What is no list of objects with a `uri` holds no root that may be seen, and is left out too.
#[must_use]
pub fn filter(patterns: &[RootPattern], raw: &str) -> Option<(String, usize)> {
    let roots = match serde_json::from_str(raw) {
        Ok(Value::Array(roots)) => roots,
        _ => return Some(("[]".to_owned(), 1)),
    };
    let before = roots.len();
    let kept: Vec<Value> = roots
        .into_iter()
        .filter(|root| {
            let place = root.get("uri").and_then(Value::as_str).and_then(Place::of);
            place.is_some_and(|place| patterns.iter().any(|pattern| pattern.matches(&place)))
        })
        .collect();
    let left_out = before - kept.len();
    (left_out > 0).then(|| (Value::Array(kept).to_string(), left_out))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sees(patterns: &[&str], uri: &str) -> bool {
        let patterns: Vec<_> = patterns
            .iter()
            .map(|pattern| RootPattern::parse(pattern).unwrap())
            .collect();
        let raw = json!([{ "uri": uri, "name": "x" }]).to_string();
        filter(&patterns, &raw).is_none()
    }

    #[test]
    fn a_folder_and_what_is_below_it_are_seen() {
        for uri in [
            "file:///srv/work",
            "file:///srv/work/",
            "file:///srv/work/a/b",
            "file://localhost/srv/work",
            "file:///srv/other/../work/a",
            "file:///srv/w%6frk",
        ] {
            assert!(sees(&["file:///srv/work"], uri), "{uri}");
        }
        assert!(sees(&["file:///home/*/work"], "file:///home/ada/work/x"));
        assert!(sees(
            &["file:///a", "https://x.test/b"],
            "https://x.test/b/c"
        ));
    }

    #[test]
    fn nothing_leads_out_of_it() {
        for uri in [
            "file:///srv/workshop",
            "file:///srv",
            "file:///srv/work/../secret",
            "file:///srv/work/%2e%2e/secret",
            "file:///srv/work%2f..%2fsecret",
            "file:///srv/work/..%5csecret",
            "file:///srv/work\\..\\secret",
            "file:///Srv/work",
            "file://host/srv/work",
            "https:///srv/work",
            "file:///srv/work?x",
            "/srv/work",
            "",
        ] {
            assert!(!sees(&["file:///srv/work"], uri), "{uri}");
        }
        assert!(!sees(&["file:///home/*/work"], "file:///home/work"));
        assert!(!sees(&["file:///home/*/work"], "file:///home/a/b/work"));
        assert!(!sees(&[], "file:///srv/work"));
    }

    #[test]
    fn what_is_no_root_is_left_out() {
        let patterns = [RootPattern::parse("file:///a").unwrap()];
        let raw = json!([{"uri": "file:///a"}, {"uri": 7}, "file:///a", null]).to_string();
        let (kept, left_out) = filter(&patterns, &raw).unwrap();
        assert_eq!(kept, r#"[{"uri":"file:///a"}]"#);
        assert_eq!(left_out, 3);
        assert_eq!(filter(&patterns, "{}"), Some(("[]".to_owned(), 1)));
        assert!(RootPattern::parse("file:///a*").is_err());
        assert!(RootPattern::parse("work").is_err());
    }
}
