//! What a client says of itself that decides how it is told that something has to be granted.

use serde_json::Value;

/// Declared capabilities; a claim, which gives nothing but another form of a refusal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// It opens addresses (2026-07-28 and 2025-11-25, client/elicitation).
    pub(crate) opens_urls: bool,
    /// It reads the `authorization_details` (RFC 9396) of a 403.
    pub(crate) reads_details: bool,
}

/// The name by which a client says that it reads `authorization_details`.
const DETAILS: &str = "dev.cardea~1authorization-details";

impl Declared {
    /// Of the raw capabilities of a client.
    pub(crate) fn of(capabilities: Option<&str>) -> Self {
        let capabilities: Option<Value> =
            capabilities.and_then(|raw| serde_json::from_str(raw).ok());
        let has = |pointer: &str| {
            let found = capabilities.as_ref().and_then(|c| c.pointer(pointer));
            found.is_some_and(Value::is_object)
        };
        Self {
            opens_urls: has("/elicitation/url"),
            reads_details: ["extensions", "experimental"]
                .iter()
                .any(|map| has(&format!("/{map}/{DETAILS}"))),
        }
    }

    /// One character, for a sealed session id.
    pub(crate) fn mark(self) -> char {
        match (self.opens_urls, self.reads_details) {
            (false, false) => '-',
            (true, false) => 'u',
            (false, true) => 'd',
            (true, true) => 'b',
        }
    }

    /// What such a character says.
    pub(crate) fn of_mark(mark: char) -> Option<Self> {
        let (opens_urls, reads_details) = match mark {
            '-' => (false, false),
            'u' => (true, false),
            'd' => (false, true),
            'b' => (true, true),
            _ => return None,
        };
        Some(Self {
            opens_urls,
            reads_details,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_declared_counts() {
        let opens = Declared::of(Some(r#"{"elicitation":{"url":{}}}"#));
        assert_eq!((opens.opens_urls, opens.reads_details), (true, false));
        for map in ["extensions", "experimental"] {
            let text = format!(r#"{{"{map}":{{"dev.cardea/authorization-details":{{}}}}}}"#);
            let reads = Declared::of(Some(&text));
            assert_eq!(
                (reads.opens_urls, reads.reads_details),
                (false, true),
                "{map}"
            );
        }
        for other in [
            None,
            Some("{}"),
            Some(r#"{"elicitation":{}}"#),
            Some(r#"{"elicitation":{"form":{}}}"#),
            Some(r#"{"elicitation":{"url":false}}"#),
            Some(r#"{"extensions":{"dev.cardea/authorization-details":true}}"#),
            Some(r#"{"dev.cardea/authorization-details":{}}"#),
            Some("nonsense"),
        ] {
            assert_eq!(Declared::of(other), Declared::default(), "{other:?}");
        }
    }

    #[test]
    fn a_mark_says_what_was_declared() {
        for mark in ['-', 'u', 'd', 'b'] {
            assert_eq!(Declared::of_mark(mark).unwrap().mark(), mark);
        }
        assert_eq!(Declared::of_mark('x'), None);
    }
}
