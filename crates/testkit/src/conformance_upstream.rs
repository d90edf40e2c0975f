//! An MCP server with everything the conformance suite asks for, in both eras of the protocol.
//!
//! It is what the gateway is measured against: the suite passes here without a failure, so whatever fails through the
//! gateway is the gateway's. The names and texts of tools, resources and prompts are the suite's, not ours.
//!
//! A request goes `serve` -> `SuiteServer` -> the file of its family. Legacy clients (up to 2025-11-25) have one
//! `SuiteServer` per session, clients of 2026-07-28 one per request; what must outlive it is in `Shared`.

#![expect(
    deprecated,
    reason = "logging, sampling, roots and resource subscriptions are deprecated, and still what the suite tests"
)]

mod asks;
mod input_required;
mod prompts;
mod resources;
mod serve;
mod sessions;
mod tasks;
mod tools;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::*,
    service::{RequestContext, SubscriptionContext, SubscriptionSink},
    task_manager::TaskManager,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::serve::{ConformanceUpstream, serve, serve_stdio};

/// How long a client may keep a list or a resource; the suite only asks that it is told.
const CACHE_TTL_MS: u64 = 60_000;

/// Signs `requestState`. A constant, since nothing of value is behind a test server.
const REQUEST_STATE_KEY: &[u8] = b"cardea-testkit: not a secret, only stable";

/// A red PNG of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A WAV file without a sample.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// The files that tools live in.
#[derive(Debug, Clone, Copy)]
enum Family {
    Plain,
    Asks,
    InputRequired,
    Tasks,
}

/// What all sessions and requests of one listener have in common.
struct Shared {
    tools: Vec<(Family, Tool)>,
    tasks: TaskManager,
    request_state: RequestStateCodec,
    listeners: Mutex<Listeners>,
}

#[derive(Default)]
struct Listeners {
    next: u64,
    sinks: HashMap<u64, SubscriptionSink>,
}

impl Shared {
    fn new() -> Arc<Self> {
        let families = [
            (Family::Plain, tools::catalogue()),
            (Family::Asks, asks::catalogue()),
            (Family::InputRequired, input_required::catalogue()),
            (Family::Tasks, tasks::catalogue()),
        ];
        let tools = families
            .into_iter()
            .flat_map(|(family, tools)| tools.into_iter().map(move |tool| (family, tool)));
        Arc::new(Self {
            tools: tools.collect(),
            tasks: TaskManager::new(),
            request_state: RequestStateCodec::new_unchecked(REQUEST_STATE_KEY),
            listeners: Mutex::default(),
        })
    }

    fn tool(&self, name: &str) -> Option<&(Family, Tool)> {
        self.tools.iter().find(|(_, tool)| tool.name == name)
    }

    /// The streams of `subscriptions/listen` that are open now.
    fn sinks(&self) -> Vec<SubscriptionSink> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sinks
            .values()
            .cloned()
            .collect()
    }

    fn join(&self, sink: SubscriptionSink) -> u64 {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.next += 1;
        let key = listeners.next;
        listeners.sinks.insert(key, sink);
        key
    }

    fn leave(&self, key: u64) {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sinks
            .remove(&key);
    }
}

/// The handler of one legacy session or of one later request.
struct SuiteServer {
    shared: Arc<Shared>,
    log_level: Mutex<LoggingLevel>,
}

impl SuiteServer {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            log_level: Mutex::new(LoggingLevel::Debug),
        }
    }

    /// The least level that the client wants to hear of; `None` if it wants none.
    ///
    /// A request of 2026-07-28 says so itself, an earlier session by `logging/setLevel`.
    fn log_level(&self, cx: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        let modern = cx
            .meta
            .protocol_version()
            .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        if modern {
            cx.meta.log_level()
        } else {
            Some(
                *self
                    .log_level
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            )
        }
    }
}

impl ServerHandler for SuiteServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                "cardea-conformance-upstream",
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions(
                "Test fixtures of the MCP conformance suite; they do nothing useful.",
            )
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.tool(name).map(|(_, tool)| tool.clone())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self
            .shared
            .tools
            .iter()
            .map(|(_, tool)| tool.clone())
            .collect();
        Ok(ListToolsResult::with_all_items(tools)
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some((family, _)) = self.shared.tool(&request.name) else {
            return Err(unknown("tool", &request.name));
        };
        match family {
            Family::Plain => tools::call(self, &request, &cx).await.map(Into::into),
            Family::Asks => asks::call(&request, &cx).await.map(Into::into),
            Family::InputRequired => input_required::call(&self.shared, &request, &cx),
            Family::Tasks => tasks::call(&self.shared, &request, &cx).await,
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(resources::list()
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates()
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let result = resources::read(&request.uri)?;
        Ok(result
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public)
            .into())
    }

    // No resource of this server ever changes, so there is nobody to remember.
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&request.uri).map(drop)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(&request.uri).map(drop)
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(prompts::list()
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&request)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *self
            .log_level
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.shared.join(context.sink().clone());
        context.cancelled().await;
        self.shared.leave(key);
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.shared
            .tasks
            .get_task(&request.task_id)
            .map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared
            .tasks
            .update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.shared.tasks.cancel_task(&request.task_id)
    }
}

/// Reads a literal of this module as the protocol's type for it.
fn fixture<T: DeserializeOwned>(literal: Value) -> T {
    serde_json::from_value(literal).expect("a literal of this module has the protocol's shape")
}

/// A tool whose description and schema are literals.
fn tool(name: &'static str, description: &'static str, input_schema: Value) -> Tool {
    Tool::new(name, description, fixture::<JsonObject>(input_schema))
}

/// A tool that takes no arguments.
fn bare_tool(name: &'static str, description: &'static str) -> Tool {
    tool(
        name,
        description,
        serde_json::json!({ "type": "object", "properties": {} }),
    )
}

/// A result of one text.
fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// The string argument `name`, or `default` when it is absent or of another type.
fn argument<'a>(request: &'a CallToolRequestParams, name: &str, default: &'a str) -> &'a str {
    request
        .arguments
        .as_ref()
        .and_then(|arguments| arguments.get(name))
        .and_then(Value::as_str)
        .unwrap_or(default)
}

fn unknown(kind: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {kind} `{name}`"), None)
}
