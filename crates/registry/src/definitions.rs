//! What the gateway has learnt of an upstream's tools from its own lists.

use std::{collections::HashMap, sync::Arc};

use cardea_mcp::param_header::{self, InvalidAnnotation, Mirrored};
use parking_lot::RwLock;
use serde_json::Value;

/// One tool's definition, as far as the gateway acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// Arguments that must be repeated in headers.
    pub mirrored: Vec<Mirrored>,
}

/// The tools of one upstream for one tenant.
#[derive(Debug, Default)]
pub struct Definitions {
    tools: RwLock<HashMap<String, Arc<ToolDefinition>>>,
}

/// A server that lists more tools than this is not learnt any further.
const TOOLS_MAX: usize = 10_000;

impl Definitions {
    /// Learns a tool from its raw definition.
    ///
    /// # Errors
    /// [`InvalidAnnotation`] when the protocol calls the whole definition invalid; such a tool
    /// must not be listed.
    pub fn learn(&self, name: &str, definition: &str) -> Result<(), InvalidAnnotation> {
        // Most tools mirror nothing: their schemas are not looked at. A key may be spelt with escapes.
        let may_mirror = definition.contains("x-mcp-header") || definition.contains("\\u");
        let mirrored = if may_mirror {
            let definition: Value = serde_json::from_str(definition)
                .map_err(|e| InvalidAnnotation(format!("the definition is not JSON: {e}")))?;
            param_header::of_schema(definition.get("inputSchema").unwrap_or(&Value::Null))?
        } else {
            Vec::new()
        };
        let known = self.tool(name).is_some_and(|t| t.mirrored == mirrored);
        if !known {
            let mut tools = self.tools.write();
            if tools.len() < TOOLS_MAX || tools.contains_key(name) {
                tools.insert(name.to_owned(), Arc::new(ToolDefinition { mirrored }));
            }
        }
        Ok(())
    }

    /// What is known of a tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Arc<ToolDefinition>> {
        self.tools.read().get(name).cloned()
    }
}
