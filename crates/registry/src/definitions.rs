//! What the gateway has learnt of an upstream's tools from its own lists.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest;
use cardea_mcp::{
    Limits,
    canonical::canonical,
    param_header::{self, InvalidAnnotation, Mirrored},
};
use parking_lot::RwLock;
use serde_json::Value;

/// One tool's definition as its server listed it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// Arguments that must be repeated in headers.
    pub mirrored: Vec<Mirrored>,
    /// The definition as raw JSON, exactly as it was listed.
    pub raw: Arc<str>,
    /// SHA-256 of the definition's canonical form (RFC 8785); `None` when it has none, so that
    /// nothing can be bound to it.
    pub digest: Option<[u8; 32]>,
}

/// The tools of one upstream for one tenant.
#[derive(Debug, Default)]
pub struct Definitions {
    tools: RwLock<HashMap<String, Arc<ToolDefinition>>>,
}

/// A server that lists more tools than this is not learnt any further.
const TOOLS_MAX: usize = 10_000;

/// Definitions nest by their schemas; the bound is for the stack alone.
const DEPTH_MAX: usize = 256;

impl Definitions {
    /// Learns a tool from its raw definition; tells whether it had another one before.
    ///
    /// # Errors
    /// [`InvalidAnnotation`] when the protocol calls the whole definition invalid; such a tool
    /// must not be listed.
    pub fn learn(&self, name: &str, definition: &str) -> Result<bool, InvalidAnnotation> {
        let before = self.tool(name);
        // Nearly every list repeats the one before.
        if before.as_ref().is_some_and(|t| &*t.raw == definition) {
            return Ok(false);
        }
        // Most tools mirror nothing: their schemas are not looked at. A key may be spelt with escapes.
        let may_mirror = definition.contains("x-mcp-header") || definition.contains("\\u");
        let mirrored = if may_mirror {
            let definition: Value = serde_json::from_str(definition)
                .map_err(|e| InvalidAnnotation(format!("the definition is not JSON: {e}")))?;
            param_header::of_schema(definition.get("inputSchema").unwrap_or(&Value::Null))?
        } else {
            Vec::new()
        };
        let learnt = Arc::new(ToolDefinition {
            mirrored,
            raw: definition.into(),
            digest: digest_of(definition),
        });
        let is_changed = before.is_some_and(|before| before.digest != learnt.digest);
        let mut tools = self.tools.write();
        if tools.len() < TOOLS_MAX || tools.contains_key(name) {
            tools.insert(name.to_owned(), learnt);
        }
        Ok(is_changed)
    }

    /// What is known of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Arc<ToolDefinition>> {
        self.tools.read().get(name).cloned()
    }
}

fn digest_of(definition: &str) -> Option<[u8; 32]> {
    let limits = Limits {
        depth_max: DEPTH_MAX,
    };
    let text = canonical(definition, &limits).ok()?;
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_the_same_however_it_is_spelt() {
        let definitions = Definitions::default();
        let digest = |raw: &str| {
            definitions.learn("t", raw).unwrap();
            definitions.tool("t").unwrap().digest.unwrap()
        };
        let first = digest(r#"{"name":"t","description":"reads"}"#);
        assert_eq!(
            first,
            digest(r#"{ "description": "re\u0061ds", "name":"t" }"#)
        );
        let other = r#"{"name":"t","description":"writes"}"#;
        assert!(definitions.learn("t", other).unwrap(), "it is another one");
        assert!(!definitions.learn("t", other).unwrap());
        assert_ne!(first, digest(other));
    }

    #[test]
    fn nothing_can_be_bound_to_a_definition_that_two_could_read_differently() {
        let definitions = Definitions::default();
        for raw in [
            r#"{"name":"t","x":12345678901234567890}"#,
            r#"{"name":"t","name":"u"}"#,
        ] {
            definitions.learn("t", raw).unwrap();
            assert_eq!(definitions.tool("t").unwrap().digest, None, "{raw}");
        }
    }
}
