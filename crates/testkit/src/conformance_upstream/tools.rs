//! Tools that answer at once, or send notifications on the way to their answer.

use std::time::Duration;

use rmcp::{ErrorData, RoleServer, model::*, service::RequestContext};
use serde_json::{Value, json};

use super::{PNG, SuiteServer, WAV, bare_tool, fixture, text, tool, unknown};

/// Closes its stream before it answers; see [`super::sessions`].
pub(super) const RECONNECTION: &str = "test_reconnection";

/// The suite asks for about this long between two notifications.
const PAUSE: Duration = Duration::from_millis(50);

/// Longer than a client needs to see its stream close, shorter than the suite waits for the answer.
const RECONNECTION_PAUSE: Duration = Duration::from_millis(300);

pub(super) fn catalogue() -> Vec<Tool> {
    vec![
        bare_tool("test_simple_text", "Answers with one text"),
        bare_tool("test_image_content", "Answers with an image"),
        bare_tool("test_audio_content", "Answers with a sound"),
        bare_tool(
            "test_embedded_resource",
            "Answers with an embedded resource",
        ),
        bare_tool(
            "test_multiple_content_types",
            "Answers with a text, an image and a resource",
        ),
        bare_tool("test_error_handling", "Always fails"),
        bare_tool("test_tool_with_logging", "Logs three messages on its way"),
        bare_tool(
            "test_tool_with_progress",
            "Reports its progress three times",
        ),
        bare_tool(
            "test_logging_tool",
            "Logs one message if the request asks for logs",
        ),
        bare_tool(
            "test_trigger_tool_change",
            "Tells listeners that the list of tools changed",
        ),
        bare_tool(
            "test_trigger_prompt_change",
            "Tells listeners that the list of prompts changed",
        ),
        bare_tool(
            "test_missing_capability",
            "Refuses clients that do not declare sampling",
        ),
        bare_tool(RECONNECTION, "Loses its stream before it answers"),
        tool(
            "test_custom_header",
            "Has an argument that is mirrored in a header",
            json!({
                "type": "object",
                "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
                "required": ["value"]
            }),
        ),
        tool(
            "json_schema_2020_12_tool",
            "Has a schema of many keywords",
            rich_schema(),
        ),
    ]
}

/// The schema whose keywords must survive, word for word as the suite compares it.
fn rich_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "address",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
            }
        },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
        "if": { "required": ["address"] },
        "then": { "properties": { "address": { "required": ["street"] } } },
        "else": { "required": ["name"] },
        "additionalProperties": false
    })
}

pub(super) async fn call(
    server: &SuiteServer,
    request: &CallToolRequestParams,
    cx: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let answer = match request.name.as_ref() {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => {
            CallToolResult::success(vec![ContentBlock::image(PNG, "image/png")])
        }
        "test_audio_content" => {
            CallToolResult::success(vec![ContentBlock::audio(WAV, "audio/wav")])
        }
        "test_embedded_resource" => CallToolResult::success(vec![ContentBlock::resource(
            ResourceContents::text(
                "This is an embedded resource content.",
                "test://embedded-resource",
            )
            .with_mime_type("text/plain"),
        )]),
        "test_multiple_content_types" => CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PNG, "image/png"),
            ContentBlock::resource(
                ResourceContents::text(
                    r#"{"test":"data","value":123}"#,
                    "test://mixed-content-resource",
                )
                .with_mime_type("application/json"),
            ),
        ]),
        "test_error_handling" => CallToolResult::error(vec![ContentBlock::text(
            "This tool intentionally returns an error for testing",
        )]),
        "test_custom_header" | "json_schema_2020_12_tool" => {
            text(Value::from(request.arguments.clone().unwrap_or_default()).to_string())
        }
        "test_tool_with_logging" => log_three(server, cx).await,
        "test_tool_with_progress" => report_progress(cx).await,
        "test_logging_tool" => {
            log(server, cx, "This request asked for logs").await;
            text("The message was logged if it was asked for")
        }
        "test_trigger_tool_change" => {
            for sink in server.shared.sinks() {
                // A listener that went away, or that did not ask for this, is not this call's failure.
                let _ = sink.notify_tool_list_changed().await;
            }
            text("Every listener was told")
        }
        "test_trigger_prompt_change" => {
            for sink in server.shared.sinks() {
                let _ = sink.notify_prompt_list_changed().await;
            }
            text("Every listener was told")
        }
        "test_missing_capability" => {
            require_sampling(cx)?;
            text("The client declares sampling")
        }
        RECONNECTION => {
            tokio::time::sleep(RECONNECTION_PAUSE).await;
            text("This answer came over a second stream")
        }
        other => return Err(unknown("tool", other)),
    };
    Ok(answer)
}

async fn log_three(server: &SuiteServer, cx: &RequestContext<RoleServer>) -> CallToolResult {
    log(server, cx, "Tool execution started").await;
    tokio::time::sleep(PAUSE).await;
    log(server, cx, "Tool processing data").await;
    tokio::time::sleep(PAUSE).await;
    log(server, cx, "Tool execution completed").await;
    text("Three messages were logged")
}

/// Sends a message at level info, unless the client does not want to hear it.
async fn log(server: &SuiteServer, cx: &RequestContext<RoleServer>, message: &str) {
    let wanted = matches!(
        server.log_level(cx),
        Some(LoggingLevel::Debug | LoggingLevel::Info)
    );
    if wanted {
        let message: LoggingMessageNotificationParam =
            fixture(json!({ "level": "info", "logger": "conformance-upstream", "data": message }));
        // A client that stopped listening does not fail the tool.
        let _ = cx.peer.notify_logging_message(message).await;
    }
}

async fn report_progress(cx: &RequestContext<RoleServer>) -> CallToolResult {
    let token = cx.meta.get_progress_token();
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = &token {
            let step = ProgressNotificationParam::new(token.clone(), progress).with_total(100.0);
            let _ = cx.peer.notify_progress(step).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    text("Progress was reported if it was asked for")
}

fn require_sampling(cx: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    let declared = cx
        .client_capabilities()
        .is_some_and(|capabilities| capabilities.sampling.is_some());
    if declared {
        Ok(())
    } else {
        Err(ErrorData::missing_required_client_capability(fixture(
            json!({ "sampling": {} }),
        )))
    }
}
