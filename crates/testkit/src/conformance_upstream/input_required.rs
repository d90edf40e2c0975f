//! Tools that need the client's input before they can answer, as it is since 2026-07-28: they return
//! `input_required`, and the client calls again with `inputResponses` and the `requestState` it was given.
//!
//! The server keeps nothing between two rounds: its state is in the sealed `requestState`, which a client that
//! changes it cannot pass off as ours.

use rmcp::{ErrorData, RoleServer, model::*, service::RequestContext};
use serde_json::{Value, json};

use super::{Shared, bare_tool, fixture, text, unknown};

pub(super) fn catalogue() -> Vec<Tool> {
    vec![
        bare_tool(
            "test_input_required_result_elicitation",
            "Needs an elicitation",
        ),
        bare_tool("test_input_required_result_sampling", "Needs a sampling"),
        bare_tool(
            "test_input_required_result_list_roots",
            "Needs the client's roots",
        ),
        bare_tool(
            "test_input_required_result_request_state",
            "Needs a confirmation, and its own state back",
        ),
        bare_tool(
            "test_input_required_result_tampered_state",
            "Refuses a state that was changed on the way",
        ),
        bare_tool(
            "test_input_required_result_multiple_inputs",
            "Needs three kinds of input at once",
        ),
        bare_tool(
            "test_input_required_result_multi_round",
            "Needs two inputs, one after the other",
        ),
        bare_tool(
            "test_input_required_result_capabilities",
            "Needs only what the client declares it can give",
        ),
        bare_tool(
            "test_streaming_elicitation",
            "Needs an elicitation, and sends nothing else on its stream",
        ),
    ]
}

pub(super) fn call(
    shared: &Shared,
    request: &CallToolRequestParams,
    cx: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let inputs = Inputs(request.input_responses.as_ref());
    let state = State {
        codec: &shared.request_state,
        sealed: request.request_state.as_deref(),
    };
    match request.name.as_ref() {
        "test_input_required_result_elicitation" => Ok(match inputs.get("user_name") {
            Some(input) => text(format!("Hello, {}!", string_at(input, "/content/name"))).into(),
            None => need([("user_name", elicit_name())], None).into(),
        }),
        "test_input_required_result_sampling" => Ok(match inputs.get("capital_question") {
            Some(input) => text(format!(
                "The model says: {}",
                string_at(input, "/content/text")
            ))
            .into(),
            None => need(
                [("capital_question", sample("What is the capital of France?"))],
                None,
            )
            .into(),
        }),
        "test_input_required_result_list_roots" => Ok(match inputs.get("client_roots") {
            Some(input) => text(format!("The client's roots are {}", input["roots"])).into(),
            None => need([("client_roots", list_roots())], None).into(),
        }),
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => confirm(&state),
        "test_input_required_result_multiple_inputs" => three_at_once(&inputs, &state),
        "test_input_required_result_multi_round" => round_by_round(&state),
        "test_input_required_result_capabilities" => Ok(what_the_client_can(&inputs, cx)),
        "test_streaming_elicitation" => Ok(match inputs.get("user_name") {
            Some(_) => text("Nothing more is needed").into(),
            None => need([("user_name", elicit_name())], None).into(),
        }),
        other => Err(unknown("tool", other)),
    }
}

/// The `inputResponses` of a call. Whatever is not an object counts as absent and is asked for again.
pub(super) struct Inputs<'a>(pub(super) Option<&'a InputResponses>);

impl<'a> Inputs<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.0?.get(key).filter(|input| input.is_object())
    }
}

/// The `requestState` of a call, which is the client's word until it is opened.
struct State<'a> {
    codec: &'a RequestStateCodec,
    sealed: Option<&'a str>,
}

impl State<'_> {
    /// What was sealed in an earlier round; `None` in the first.
    fn open(&self) -> Result<Option<Value>, ErrorData> {
        let Some(sealed) = self.sealed else {
            return Ok(None);
        };
        let opened = self.codec.open_json(sealed);
        opened
            .map(Some)
            .map_err(|_| ErrorData::invalid_params("this `requestState` is not one of ours", None))
    }

    fn seal(&self, state: &Value) -> Option<String> {
        Some(
            self.codec
                .seal_json(state)
                .expect("a literal can be sealed"),
        )
    }
}

fn confirm(state: &State<'_>) -> Result<CallToolResponse, ErrorData> {
    if state.open()?.is_some() {
        return Ok(text("state-ok: the state came back as it was").into());
    }
    let question = elicit(
        "Please confirm",
        json!({ "ok": { "type": "boolean" } }),
        &["ok"],
    );
    Ok(need(
        [("confirm", question)],
        state.seal(&json!({ "asked": "confirm" })),
    )
    .into())
}

fn three_at_once(inputs: &Inputs<'_>, state: &State<'_>) -> Result<CallToolResponse, ErrorData> {
    let opened = state.open()?;
    let complete = ["user_name", "greeting", "client_roots"]
        .iter()
        .all(|key| inputs.get(key).is_some());
    if complete && opened.is_some() {
        return Ok(text("All three inputs arrived").into());
    }
    let questions = [
        ("user_name", elicit_name()),
        ("greeting", sample("Generate a greeting")),
        ("client_roots", list_roots()),
    ];
    Ok(need(questions, state.seal(&json!({ "asked": "all" }))).into())
}

fn round_by_round(state: &State<'_>) -> Result<CallToolResponse, ErrorData> {
    let round = state
        .open()?
        .map_or(0, |state| state["round"].as_u64().unwrap_or(0));
    let sealed = state.seal(&json!({ "round": round + 1 }));
    Ok(match round {
        0 => {
            let question = elicit(
                "Step 1: What is your name?",
                json!({ "name": { "type": "string" } }),
                &["name"],
            );
            need([("step1", question)], sealed).into()
        }
        1 => {
            let question = elicit(
                "Step 2: What is your favorite color?",
                json!({ "color": { "type": "string" } }),
                &["color"],
            );
            need([("step2", question)], sealed).into()
        }
        _ => text("Both steps are done").into(),
    })
}

fn what_the_client_can(inputs: &Inputs<'_>, cx: &RequestContext<RoleServer>) -> CallToolResponse {
    if inputs.0.is_some() {
        return text("The input arrived").into();
    }
    let can = cx.client_capabilities().unwrap_or_default();
    let questions = [
        can.elicitation
            .is_some()
            .then(|| ("user_name", elicit_name())),
        can.sampling
            .is_some()
            .then(|| ("greeting", sample("Generate a greeting"))),
        can.roots.is_some().then(|| ("client_roots", list_roots())),
    ];
    let questions: Vec<_> = questions.into_iter().flatten().collect();
    if questions.is_empty() {
        return text("The client can give no input").into();
    }
    need(questions, None).into()
}

/// The answer that asks for input.
pub(super) fn need(
    questions: impl IntoIterator<Item = (&'static str, InputRequest)>,
    sealed_state: Option<String>,
) -> InputRequiredResult {
    let questions = questions
        .into_iter()
        .map(|(key, question)| (key.to_owned(), question))
        .collect();
    InputRequiredResult::new(Some(questions), sealed_state)
}

/// A form for the person at the client.
pub(super) fn elicit(message: &str, properties: Value, required: &[&str]) -> InputRequest {
    fixture(json!({
        "method": "elicitation/create",
        "params": {
            "message": message,
            "requestedSchema": { "type": "object", "properties": properties, "required": required }
        }
    }))
}

/// The form that asks for a name.
pub(super) fn elicit_name() -> InputRequest {
    elicit(
        "What is your name?",
        json!({ "name": { "type": "string" } }),
        &["name"],
    )
}

fn sample(prompt: &str) -> InputRequest {
    fixture(json!({
        "method": "sampling/createMessage",
        "params": {
            "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
            "maxTokens": 100
        }
    }))
}

fn list_roots() -> InputRequest {
    fixture(json!({ "method": "roots/list", "params": {} }))
}

/// The string at a JSON pointer of an input; empty when there is none.
pub(super) fn string_at<'a>(input: &'a Value, pointer: &str) -> &'a str {
    input
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
