//! Prompts, and the completion of their arguments.

use rmcp::{ErrorData, model::*};
use serde_json::{Value, json};

use super::{
    PNG,
    input_required::{Inputs, elicit, need, string_at},
    unknown,
};

/// What any argument of any prompt or template can be completed to.
const COMPLETIONS: [&str; 3] = ["paris", "park", "party"];

pub(super) fn list() -> ListPromptsResult {
    let required = |name: &str, description: &str| {
        PromptArgument::new(name)
            .with_description(description)
            .with_required(true)
    };
    ListPromptsResult::with_all_items(vec![
        Prompt::new("test_simple_prompt", Some("Takes nothing"), None),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("Repeats its arguments"),
            Some(vec![
                required("arg1", "First test argument"),
                required("arg2", "Second test argument"),
            ]),
        ),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            Some("Embeds the resource it is given"),
            Some(vec![required(
                "resourceUri",
                "URI of the resource to embed",
            )]),
        ),
        Prompt::new("test_prompt_with_image", Some("Holds an image"), None),
        Prompt::new(
            "test_input_required_result_prompt",
            Some("Needs an elicitation"),
            None,
        ),
    ])
}

pub(super) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let argument = |name: &str| {
        let arguments = request.arguments.as_ref();
        arguments
            .and_then(|arguments| arguments.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![say("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            vec![say(format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = ResourceContents::text(
                "Embedded resource content for testing.",
                argument("resourceUri"),
            )
            .with_mime_type("text/plain");
            vec![
                show(ContentBlock::resource(resource)),
                say("Please process the embedded resource above."),
            ]
        }
        "test_prompt_with_image" => {
            vec![
                show(ContentBlock::image(PNG, "image/png")),
                say("Please analyze the image above."),
            ]
        }
        "test_input_required_result_prompt" => {
            let Some(input) = Inputs(request.input_responses.as_ref()).get("user_context") else {
                return Ok(need([("user_context", ask_for_context())], None).into());
            };
            vec![say(format!(
                "The context is: {}",
                string_at(input, "/content/context")
            ))]
        }
        other => return Err(unknown("prompt", other)),
    };
    Ok(GetPromptResult::new(messages).into())
}

pub(super) fn complete(request: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let typed = request.argument.value.as_str();
    let values = COMPLETIONS
        .iter()
        .filter(|value| value.starts_with(typed))
        .map(|value| (*value).to_owned());
    let completion = CompletionInfo::new(values.collect())
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(completion))
}

fn ask_for_context() -> InputRequest {
    elicit(
        "What context should the prompt use?",
        json!({ "context": { "type": "string" } }),
        &["context"],
    )
}

fn say(text: impl Into<String>) -> PromptMessage {
    show(ContentBlock::text(text))
}

fn show(content: ContentBlock) -> PromptMessage {
    PromptMessage::new(Role::User, content)
}
