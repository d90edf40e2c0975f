//! Identifiers: one newtype each, parsed at the edge, cheap to clone.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Why a text is not an identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// What was expected, in words (`tenant id`).
    pub kind: &'static str,
    /// The offending text, cut to 64 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// [`InvalidId`] when the text breaks the rule of this kind of identifier.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId {
                        kind: $kind,
                        text: text.chars().take(64).collect(),
                        rule: $rule,
                    })
                }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The identifier as text that is shared with it.
            #[must_use]
            pub fn as_shared(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A tenant: the hard boundary between organisations behind one gateway.
    TenantId, "tenant id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// An MCP server behind the gateway, unique within a tenant.
    UpstreamId, "upstream id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// The person on whose behalf a call is made, unique within a tenant.
    SubjectId, "subject id", is_label, "1 to 255 bytes without control characters"
);
id!(
    /// The agent that makes the call: a verified client identity, unique within a tenant.
    ActorId, "actor id", is_label, "1 to 255 bytes without control characters"
);
id!(
    /// One task of an agent. Always bound to the principal that it belongs to.
    RunId, "run id", is_label, "1 to 255 bytes without control characters"
);
id!(
    /// A tool's name as its server spells it.
    ToolName, "tool name", is_label, "1 to 255 bytes without control characters"
);
id!(
    /// A prompt's name as its server spells it.
    PromptName, "prompt name", is_label, "1 to 255 bytes without control characters"
);
id!(
    /// A resource's URI, or a resource template, as its server spells it.
    ResourceUri, "resource URI", is_uri, "1 to 4096 bytes without control characters"
);
id!(
    /// An entitlement: who may ask for what, unique within a tenant.
    EntitlementId, "entitlement id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// One access request, unique within a tenant.
    RequestId, "request id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// One grant, unique within a tenant.
    GrantId, "grant id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// One lock, unique within a tenant.
    LockId, "lock id", is_slug,
    "1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit"
);
id!(
    /// One call on its way through the gateway; ties an intent record to its outcome.
    CallId, "call id", is_label, "1 to 255 bytes without control characters"
);

/// Lower-case, so that no two ids differ by case alone; no `_`, which is kept free as a
/// separator for names that join an upstream's id and a tool's name.
fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

fn is_label(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_uri(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_that_differ_by_case_or_hold_a_separator_are_refused() {
        assert!(TenantId::parse("acme-2").is_ok());
        for bad in ["", "Acme", "a/b", "a_b", "-a", "a b", &"x".repeat(64)] {
            assert!(TenantId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn control_characters_never_enter_a_name() {
        assert!(ToolName::parse("read\nfile").is_err());
        assert!(SubjectId::parse("ada\u{0}").is_err());
        assert!(SubjectId::parse("auth0|ada@example.com").is_ok());
    }
}
