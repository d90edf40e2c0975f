//! What the gateway has learnt of an upstream's definitions from its own lists.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cardea_mcp::param_header::{self, InvalidAnnotation, Mirrored};
use parking_lot::RwLock;
use serde_json::Value;

use crate::definition::{Definition, DefinitionKind, digest_of};

/// The definitions of one upstream for one tenant.
#[derive(Debug, Default)]
pub struct Definitions {
    tools: Seen,
    prompts: Seen,
    templates: Seen,
    instructions: Seen,
}

/// What was seen of one kind.
#[derive(Debug, Default)]
struct Seen {
    by_name: RwLock<HashMap<String, Arc<Definition>>>,
    /// The server has said that its list is another one by now.
    is_doubted: AtomicBool,
}

/// What came of learning a definition.
#[derive(Debug, Default)]
pub struct Learnt {
    /// Its server had another one under this name before.
    pub is_changed: bool,
    /// Why the protocol calls a tool's whole definition invalid; such a tool must not be listed, and is not known.
    pub invalid: Option<InvalidAnnotation>,
}

/// A server that shows more of one kind than this is not learnt any further.
const NAMES_MAX: usize = 10_000;

impl Definitions {
    /// Learns a definition.
    pub fn learn(&self, kind: DefinitionKind, name: &str, raw: &str) -> Learnt {
        let seen = self.of(kind);
        let before = seen.by_name.read().get(name).cloned();
        // Nearly every list repeats the one before.
        if before.as_ref().is_some_and(|t| &*t.raw == raw) {
            return Learnt::default();
        }
        // Most tools mirror nothing: their schemas are not looked at. A key may be spelt with escapes.
        let may_mirror =
            kind == DefinitionKind::Tool && (raw.contains("x-mcp-header") || raw.contains("\\u"));
        let mirrored = match may_mirror.then(|| mirrored(raw)).transpose() {
            Ok(mirrored) => mirrored.unwrap_or_default(),
            // What was known of it is what its server shows no more: nobody may go on calling it by that.
            Err(invalid) => {
                let before = seen.by_name.write().remove(name);
                return Learnt {
                    is_changed: before.is_some(),
                    invalid: Some(invalid),
                };
            }
        };
        let learnt = Arc::new(Definition {
            mirrored,
            raw: raw.into(),
            digest: digest_of(raw),
        });
        let is_changed = before.is_some_and(|before| before.digest != learnt.digest);
        let mut by_name = seen.by_name.write();
        if by_name.len() < NAMES_MAX || by_name.contains_key(name) {
            by_name.insert(name.to_owned(), learnt);
        }
        Learnt {
            is_changed,
            invalid: None,
        }
    }

    /// What is known of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Arc<Definition>> {
        self.definition(DefinitionKind::Tool, name)
    }

    /// What is known under a name.
    #[must_use]
    pub fn definition(&self, kind: DefinitionKind, name: &str) -> Option<Arc<Definition>> {
        self.of(kind).by_name.read().get(name).cloned()
    }

    /// Notes that a list may be another one by now.
    pub fn doubt(&self, kind: DefinitionKind) {
        self.of(kind).is_doubted.store(true, Ordering::Release);
    }

    /// Notes that a list is about to be read from its beginning: what changes from now on is another doubt.
    pub fn trust(&self, kind: DefinitionKind) {
        self.of(kind).is_doubted.store(false, Ordering::Release);
    }

    /// Whether a list may be another one by now.
    #[must_use]
    pub fn is_doubted(&self, kind: DefinitionKind) -> bool {
        self.of(kind).is_doubted.load(Ordering::Acquire)
    }

    fn of(&self, kind: DefinitionKind) -> &Seen {
        match kind {
            DefinitionKind::Tool => &self.tools,
            DefinitionKind::Prompt => &self.prompts,
            DefinitionKind::Template => &self.templates,
            DefinitionKind::Instructions => &self.instructions,
        }
    }
}

/// The arguments that headers repeat.
fn mirrored(raw: &str) -> Result<Vec<Mirrored>, InvalidAnnotation> {
    let definition: Value = serde_json::from_str(raw)
        .map_err(|e| InvalidAnnotation(format!("the definition is not JSON: {e}")))?;
    param_header::of_schema(definition.get("inputSchema").unwrap_or(&Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(definitions: &Definitions, raw: &str) -> bool {
        let learnt = definitions.learn(DefinitionKind::Tool, "t", raw);
        assert!(learnt.invalid.is_none());
        learnt.is_changed
    }

    #[test]
    fn a_definition_is_the_same_however_it_is_spelt() {
        let definitions = Definitions::default();
        let digest = |raw: &str| {
            learn(&definitions, raw);
            definitions.tool("t").unwrap().digest.unwrap()
        };
        let first = digest(r#"{"name":"t","description":"reads"}"#);
        assert_eq!(
            first,
            digest(r#"{ "description": "re\u0061ds", "name":"t" }"#)
        );
        let other = r#"{"name":"t","description":"writes"}"#;
        assert!(learn(&definitions, other), "it is another one");
        assert!(!learn(&definitions, other));
        assert_ne!(first, digest(other));
    }

    #[test]
    fn nothing_can_be_bound_to_a_definition_that_two_could_read_differently() {
        let definitions = Definitions::default();
        for raw in [
            r#"{"name":"t","x":12345678901234567890}"#,
            r#"{"name":"t","name":"u"}"#,
        ] {
            learn(&definitions, raw);
            assert_eq!(definitions.tool("t").unwrap().digest, None, "{raw}");
        }
    }

    #[test]
    fn what_was_known_of_a_tool_is_forgotten_when_its_definition_becomes_invalid() {
        let definitions = Definitions::default();
        learn(&definitions, r#"{"name":"t"}"#);
        let invalid =
            r#"{"name":"t","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":7}}}}"#;
        let learnt = definitions.learn(DefinitionKind::Tool, "t", invalid);
        assert!(learnt.is_changed && learnt.invalid.is_some());
        assert!(definitions.tool("t").is_none());
        let again = definitions.learn(DefinitionKind::Tool, "t", invalid);
        assert!(!again.is_changed && again.invalid.is_some());
    }

    #[test]
    fn a_prompt_is_not_the_tool_of_its_name() {
        let definitions = Definitions::default();
        learn(&definitions, "{}");
        assert!(
            definitions
                .definition(DefinitionKind::Prompt, "t")
                .is_none()
        );
    }
}
