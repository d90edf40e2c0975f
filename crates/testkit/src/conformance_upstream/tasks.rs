//! Tools of the tasks extension (`io.modelcontextprotocol/tasks`): a call that takes long returns a task, and the
//! client asks for its state by `tasks/get`.
//!
//! A client that does not declare the extension gets its answer the ordinary way, or a refusal where there is none.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::*,
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskFuture, TaskOptions},
};
use serde_json::{Value, json};

use super::{
    Shared, argument, bare_tool,
    input_required::{Inputs, elicit, elicit_name, need, string_at},
    text, tool, unknown,
};

/// Long enough that a client which asks at once finds the task at work.
const WORK: Duration = Duration::from_millis(200);

/// The suite asks that this tool fails after about a second.
const FAILING_WORK: Duration = Duration::from_secs(1);

pub(super) fn catalogue() -> Vec<Tool> {
    vec![
        tool(
            "greet",
            "Greets, and is never a task",
            json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] }),
        ),
        tool(
            "slow_compute",
            "Sleeps, as a task where the client knows tasks",
            json!({
                "type": "object",
                "properties": { "seconds": { "type": "number" }, "label": { "type": "string" } }
            }),
        ),
        bare_tool("failing_job", "Reports a tool's failure; only as a task"),
        bare_tool("protocol_error_job", "Fails as a request fails"),
        tool(
            "confirm_delete",
            "Waits for a confirmation; only as a task",
            json!({ "type": "object", "properties": { "filename": { "type": "string" } } }),
        ),
        bare_tool(
            "multi_input",
            "Waits for two inputs at once; only as a task",
        ),
        bare_tool(
            "test_tool_with_task",
            "Needs a name, and then becomes a task; only as a task",
        ),
    ]
}

pub(super) async fn call(
    shared: &Shared,
    request: &CallToolRequestParams,
    cx: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let knows_tasks = cx
        .client_capabilities()
        .is_some_and(|capabilities| capabilities.supports_tasks());
    match request.name.as_ref() {
        "greet" => Ok(text(format!("Hello, {}!", argument(request, "name", "stranger"))).into()),
        "slow_compute" => {
            let duration = seconds(request)?;
            let label = argument(request, "label", "compute").to_owned();
            if knows_tasks {
                Ok(start(shared, move |task| {
                    Box::pin(compute_until_cancelled(task, duration, label))
                }))
            } else {
                Ok(compute(duration, &label).await.into())
            }
        }
        "protocol_error_job" if knows_tasks => Ok(start(shared, |_| {
            Box::pin(async { Err(TaskExit::Error(break_down().await)) })
        })),
        "protocol_error_job" => Err(break_down().await),
        only_as_a_task if !knows_tasks => Err(tasks_required(only_as_a_task)),
        "failing_job" => Ok(start(shared, |_| Box::pin(fail()))),
        "confirm_delete" => {
            let file = argument(request, "filename", "file.txt").to_owned();
            Ok(start(shared, move |task| {
                Box::pin(confirm_delete(task, file))
            }))
        }
        "multi_input" => Ok(start(shared, |task| Box::pin(gather_two(task)))),
        "test_tool_with_task" => Ok(
            match Inputs(request.input_responses.as_ref()).get("user_name") {
                None => need([("user_name", elicit_name())], None).into(),
                Some(input) => {
                    let name = string_at(input, "/content/name").to_owned();
                    start(shared, move |_| Box::pin(greet_later(name)))
                }
            },
        ),
        other => Err(unknown("tool", other)),
    }
}

fn start(shared: &Shared, work: impl FnOnce(TaskContext) -> TaskFuture) -> CallToolResponse {
    CreateTaskResult::new(shared.tasks.spawn(TaskOptions::default(), work)).into()
}

fn tasks_required(name: &str) -> ErrorData {
    let mut error = ErrorData::missing_required_client_capability(
        ClientCapabilities::builder().enable_tasks().build(),
    );
    error.message = format!("the tool `{name}` answers only with a task").into();
    error
}

/// The argument `seconds`, at most a minute.
fn seconds(request: &CallToolRequestParams) -> Result<Duration, ErrorData> {
    let argument = request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get("seconds"));
    let seconds = argument.and_then(Value::as_f64).unwrap_or(1.0);
    if (0.0..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(ErrorData::invalid_params("`seconds` is from 0 to 60", None))
    }
}

async fn compute_until_cancelled(
    task: TaskContext,
    duration: Duration,
    label: String,
) -> Result<CallToolResult, TaskExit> {
    tokio::select! {
        () = task.cancelled() => Err(TaskExit::Cancelled),
        result = compute(duration, &label) => Ok(result),
    }
}

async fn compute(duration: Duration, label: &str) -> CallToolResult {
    tokio::time::sleep(duration).await;
    text(format!(
        "{label} is done after {} s",
        duration.as_secs_f64()
    ))
}

async fn break_down() -> ErrorData {
    tokio::time::sleep(WORK).await;
    ErrorData::internal_error("this job always breaks down", None)
}

async fn fail() -> Result<CallToolResult, TaskExit> {
    tokio::time::sleep(FAILING_WORK).await;
    Ok(CallToolResult::error(vec![ContentBlock::text(
        "this job always fails",
    )]))
}

async fn confirm_delete(task: TaskContext, file: String) -> Result<CallToolResult, TaskExit> {
    let question = elicit(
        &format!("Delete `{file}`?"),
        json!({ "confirm": { "type": "boolean" } }),
        &["confirm"],
    );
    let input = task.request_input("confirm", question).await?;
    let confirmed = input
        .pointer("/content/confirm")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Ok(text(if confirmed {
        format!("`{file}` would be gone now")
    } else {
        format!("`{file}` stays")
    }))
}

async fn gather_two(task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let ask = |key: &'static str| {
        let question = elicit(
            &format!("What is the {key} value?"),
            json!({ "value": { "type": "string" } }),
            &["value"],
        );
        task.request_input(key, question)
    };
    let (first, second) = tokio::try_join!(ask("first"), ask("second"))?;
    Ok(text(format!(
        "{} and {}",
        string_at(&first, "/content/value"),
        string_at(&second, "/content/value")
    )))
}

async fn greet_later(name: String) -> Result<CallToolResult, TaskExit> {
    tokio::time::sleep(WORK).await;
    Ok(text(format!("Hello, {name}!")))
}
