//! Results held to what their tool says of them, on whatever way they come: at once, or as those of a task.

use cardea_domain::{Code, Denial, Target};
use cardea_mcp::{Era, Kind, Message};
use serde::{Deserialize, Serialize};

use crate::{
    answer::Lens,
    firewall::{Awaited, Firewall},
    upstream::malformed,
    way::{Ask, Authorised},
};

/// What an answer is the result of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResultOf {
    /// A call of a tool.
    Tool {
        name: String,
        /// Whether the client has asked for a task in place of the result (2025-11-25).
        as_task: bool,
    },
    /// A task.
    Task {
        id: String,
        /// Whether its state is asked for, which may hold the result, and not the result alone.
        is_state: bool,
    },
    /// Anything else.
    #[default]
    Other,
}

impl ResultOf {
    /// What the answer to a call will be the result of.
    pub(crate) fn call(call: &Authorised) -> Self {
        let Ask::Message(message) = call.ask() else {
            return Self::Other;
        };
        let target = call.call().facts().and_then(|facts| facts.target.as_ref());
        match (message.method(), target) {
            ("tools/call", Some(Target::Tool(name))) => Self::Tool {
                name: name.to_string(),
                as_task: message.body("task").is_some_and(|raw| raw != "null"),
            },
            (method @ ("tasks/get" | "tasks/result"), _) => Self::Task {
                id: message.body_str("taskId").unwrap_or_default().into_owned(),
                is_state: method == "tasks/get",
            },
            _ => Self::Other,
        }
    }

    /// The tool, where it is a call of one.
    pub(crate) fn tool(&self) -> Option<&str> {
        match self {
            Self::Tool { name, .. } => Some(name),
            Self::Task { .. } | Self::Other => None,
        }
    }
}

impl Lens<'_> {
    /// A result against what holds for its tool.
    ///
    /// # Errors
    /// [`Code::ResultInvalid`], [`Code::SchemaUnusable`].
    pub(crate) fn check_result(&self, message: &Message) -> Result<(), Denial> {
        let Some(firewall) = self.world.firewall(self.known) else {
            return Ok(());
        };
        match self.of {
            ResultOf::Tool { name, as_task } => {
                let raw = message.top("result").unwrap_or("null");
                let awaited = match (self.era, as_task) {
                    (Era::Modern, _) => Awaited::Modern,
                    (Era::Legacy, true) => Awaited::LegacyTask,
                    (Era::Legacy, false) => Awaited::Result,
                };
                self.of_tool(firewall, name, awaited, raw)?;
                self.note_task(name, awaited, message)
            }
            ResultOf::Task { id, is_state } => {
                let whole = message.top("result").unwrap_or("null");
                let parts = ["content", "structuredContent"];
                let is_result = parts.iter().any(|part| message.body(part).is_some());
                if !is_state || is_result {
                    self.of_task(firewall, id, whole)?;
                }
                match message.body("result").filter(|_| *is_state) {
                    Some(raw) => self.of_task(firewall, id, raw),
                    None => Ok(()),
                }
            }
            ResultOf::Other => Ok(()),
        }
    }

    /// The result of a task that a server tells of by itself.
    ///
    /// # Errors
    /// As [`Lens::check_result`].
    pub(crate) fn check_told_task(&self, message: &Message) -> Result<(), Denial> {
        let (Some(raw), Some(firewall)) = (message.body("result"), self.world.firewall(self.known))
        else {
            return Ok(());
        };
        if message.kind() != Kind::Notification || message.body("taskId").is_none() {
            return Ok(());
        }
        let id = message.body_str("taskId").unwrap_or_default();
        self.of_task(firewall, &id, raw)
    }

    fn of_tool(
        &self,
        firewall: &Firewall,
        tool: &str,
        awaited: Awaited,
        raw: &str,
    ) -> Result<(), Denial> {
        // INVARIANT: without a definition the call was not sent; one that is gone cannot be asked.
        let definition = self.known.definitions().tool(tool);
        firewall.check_result(tool, definition.as_deref(), awaited, raw)
    }

    fn of_task(&self, firewall: &Firewall, id: &str, raw: &str) -> Result<(), Denial> {
        let tenant = self.world.tenants.get(&self.principal.tenant);
        let tools = tenant.map_or_else(Vec::new, |tenant| {
            tenant.room.tasks.tools(self.principal, self.known.id(), id)
        });
        if tools.is_empty() && !firewall.asks_nothing() {
            return Err(Denial::new(
                Code::ResultInvalid,
                "which tool the task is of is not known any more, so its result cannot be checked",
            )
            .help("call the tool again"));
        }
        if tools.is_empty() {
            return self.of_tool(firewall, "", Awaited::Result, raw);
        }
        tools
            .iter()
            .try_for_each(|tool| self.of_tool(firewall, tool, Awaited::Result, raw))
    }

    /// Remembers a task that a call has become, before its client can ask for the result.
    fn note_task(&self, tool: &str, awaited: Awaited, message: &Message) -> Result<(), Denial> {
        let id = match awaited {
            Awaited::Modern if message.body_str("resultType").as_deref() == Some("task") => {
                message.body_str("taskId").map(|id| id.into_owned())
            }
            Awaited::LegacyTask => message.body("task").and_then(task_id),
            Awaited::Modern | Awaited::Result => None,
        };
        let (Some(id), Some(tenant)) = (id, self.world.tenants.get(&self.principal.tenant)) else {
            return Ok(());
        };
        let tasks = &tenant.room.tasks;
        match tasks.add(self.principal, self.known.id(), &id, tool) {
            true => Ok(()),
            false => Err(malformed("a task with the id of many others")),
        }
    }
}

/// The id in the `task` of a result (2025-11-25, `CreateTaskResult`).
fn task_id(raw: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Task {
        task_id: String,
    }
    let task: Task = serde_json::from_str(raw).ok()?;
    Some(task.task_id)
}
