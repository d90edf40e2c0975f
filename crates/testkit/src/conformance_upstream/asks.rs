//! Tools that ask the client something while they run: sampling and elicitation, as it was until 2025-11-25.

use rmcp::{ErrorData, RoleServer, model::*, service::RequestContext};
use serde_json::{Value, json};

use super::{argument, bare_tool, fixture, text, tool, unknown};

pub(super) fn catalogue() -> Vec<Tool> {
    vec![
        tool(
            "test_sampling",
            "Asks the client's model",
            json!({
                "type": "object",
                "properties": { "prompt": { "type": "string", "description": "What to ask the model" } },
                "required": ["prompt"]
            }),
        ),
        tool(
            "test_elicitation",
            "Asks the client's person",
            json!({
                "type": "object",
                "properties": { "message": { "type": "string", "description": "What to ask the person" } },
                "required": ["message"]
            }),
        ),
        bare_tool(
            "test_elicitation_sep1034_defaults",
            "Asks with a default for each primitive type",
        ),
        bare_tool(
            "test_elicitation_sep1330_enums",
            "Asks with each kind of enumeration",
        ),
    ]
}

pub(super) async fn call(
    request: &CallToolRequestParams,
    cx: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    match request.name.as_ref() {
        "test_sampling" => Ok(sample(cx, argument(request, "prompt", "Hello")).await),
        "test_elicitation" => {
            let message = argument(request, "message", "Who are you?");
            Ok(elicit(cx, "User response:", message, person_schema()).await)
        }
        "test_elicitation_sep1034_defaults" => Ok(elicit(
            cx,
            "Elicitation completed:",
            "Each field has a default",
            defaults_schema(),
        )
        .await),
        "test_elicitation_sep1330_enums" => Ok(elicit(
            cx,
            "Elicitation completed:",
            "Each field is an enumeration",
            enums_schema(),
        )
        .await),
        other => Err(unknown("tool", other)),
    }
}

async fn sample(cx: &RequestContext<RoleServer>, prompt: &str) -> CallToolResult {
    let question = fixture(json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100
    }));
    match cx.peer.create_message(question).await {
        Ok(answer) => {
            let said = answer
                .message
                .content
                .first()
                .and_then(|content| content.as_text());
            text(format!(
                "LLM response: {}",
                said.map_or("(no text)", |content| content.text.as_str())
            ))
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(format!(
            "sampling failed: {error}"
        ))]),
    }
}

async fn elicit(
    cx: &RequestContext<RoleServer>,
    opening: &str,
    message: &str,
    schema: Value,
) -> CallToolResult {
    let question = fixture(json!({ "message": message, "requestedSchema": schema }));
    match cx.peer.create_elicitation(question).await {
        Ok(answer) => {
            let action = fixture::<String>(json!(answer.action));
            text(format!(
                "{opening} action={action}, content={}",
                json!(answer.content)
            ))
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(format!(
            "elicitation failed: {error}"
        ))]),
    }
}

fn person_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" }
        },
        "required": ["username", "email"]
    })
}

fn defaults_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true }
        }
    })
}

fn enums_schema() -> Value {
    let choices = |noun: &str| {
        json!([
            { "const": "value1", "title": format!("First {noun}") },
            { "const": "value2", "title": format!("Second {noun}") },
            { "const": "value3", "title": format!("Third {noun}") }
        ])
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
            "titledSingle": { "type": "string", "oneOf": choices("Option") },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]
            },
            "untitledMulti": {
                "type": "array",
                "items": { "type": "string", "enum": ["option1", "option2", "option3"] }
            },
            "titledMulti": { "type": "array", "items": { "anyOf": choices("Choice") } }
        }
    })
}
