//! What a call wants to do, in the words of policies.

use crate::{PromptName, ResourceUri, ToolName};

/// What a principal wants to do; in policies `Cardea::Action::"tools/call"` and so on.
///
/// MCP methods that mean the same to a policy share one action: whoever may connect to an
/// upstream may list what else it may use there, and sees nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Handshake, discovery, ping, lists, log level, housekeeping notifications.
    Connect,
    /// `tools/call`.
    CallTool,
    /// `resources/read`.
    ReadResource,
    /// `resources/subscribe` and `resources/unsubscribe`, and the resources named in
    /// `subscriptions/listen`.
    SubscribeResource,
    /// `prompts/get`.
    GetPrompt,
    /// `completion/complete`.
    Complete,
    /// `tasks/get`, `tasks/result`, `tasks/update`, `tasks/cancel`, `tasks/list`.
    UseTask,
    /// The upstream asks the client's model for a completion.
    Sample,
    /// The upstream asks the person for input.
    Elicit,
    /// The upstream asks for the client's roots.
    ListRoots,
    /// A method that the protocol's core does not define.
    Extension,
}

impl Action {
    /// Every action, in the order of the schema.
    pub const ALL: [Self; 11] = [
        Self::Connect,
        Self::CallTool,
        Self::ReadResource,
        Self::SubscribeResource,
        Self::GetPrompt,
        Self::Complete,
        Self::UseTask,
        Self::Sample,
        Self::Elicit,
        Self::ListRoots,
        Self::Extension,
    ];

    /// The action's id in policies and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::CallTool => "tools/call",
            Self::ReadResource => "resources/read",
            Self::SubscribeResource => "resources/subscribe",
            Self::GetPrompt => "prompts/get",
            Self::Complete => "completion/complete",
            Self::UseTask => "tasks",
            Self::Sample => "sampling/createMessage",
            Self::Elicit => "elicitation/create",
            Self::ListRoots => "roots/list",
            Self::Extension => "extension",
        }
    }
}

/// What of an upstream a call is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The server as a whole.
    Upstream,
    /// One tool.
    Tool(ToolName),
    /// One resource by its URI.
    Resource(ResourceUri),
    /// One resource template by its text.
    Template(ResourceUri),
    /// One prompt.
    Prompt(PromptName),
}

impl Target {
    /// The kind, as policies and records name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Upstream => "Upstream",
            Self::Tool(_) => "Tool",
            Self::Resource(_) => "Resource",
            Self::Template(_) => "ResourceTemplate",
            Self::Prompt(_) => "Prompt",
        }
    }

    /// The name within the upstream; `None` for the upstream itself.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Upstream => None,
            Self::Tool(name) => Some(name.as_str()),
            Self::Resource(uri) | Self::Template(uri) => Some(uri.as_str()),
            Self::Prompt(name) => Some(name.as_str()),
        }
    }
}
