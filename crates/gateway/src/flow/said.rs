//! What a message says to its server, and what that can do.

use cardea_domain::{Action, Target};
use cardea_flow::Labels;
use cardea_mcp::{Kind, Message};
use serde_json::json;

use super::TenantFlow;
use crate::way::Ask;

/// A message as far as its flow goes.
#[derive(Debug)]
pub(super) struct Said {
    /// The tool's name, or the method; of a client's answer, what it was asked for.
    pub(super) name: String,
    pub(super) labels: Labels,
    /// The arguments of the call, as JSON text.
    pub(super) arguments: String,
    /// All that it tells the server, as JSON text, where that is more than the arguments.
    pub(super) beside: Option<String>,
    /// Whether its result only says what there is: tools, prompts, capabilities.
    pub(super) only_describes: bool,
}

/// What holds for what is read: the content is others', and the call changes nothing.
const READING: Labels = Labels {
    untrusted: true,
    private: true,
    read_only: true,
    ..Labels::NONE
};

/// What holds for texts that a client hands out: nobody knows how far they go.
const TELLING: Labels = Labels {
    untrusted: true,
    private: true,
    outward: true,
    external: true,
    ..Labels::NONE
};

/// Methods whose results describe the server. What resources are called and say of themselves is not among them: their names
/// are often what outsiders wrote.
const DESCRIBING: [&str; 5] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "prompts/list",
];

impl Said {
    pub(super) fn of(
        flow: &TenantFlow,
        upstream: &cardea_domain::UpstreamId,
        ask: &Ask,
        action: Option<Action>,
    ) -> Self {
        let Ask::Message(message) = ask else {
            return Self::new("", READING, "{}");
        };
        let said = Self::by_method(flow, upstream, message, action);
        let labels = flow.labelled(upstream, &said.name).unwrap_or(said.labels);
        Self {
            // Where it leads is not for a file to say.
            labels: Labels {
                outward: labels.outward || said.leads_out(message),
                ..labels
            },
            only_describes: DESCRIBING.contains(&message.method()),
            ..said
        }
    }

    /// A call that somebody would like to make.
    pub(super) fn wished(
        flow: &TenantFlow,
        upstream: &cardea_domain::UpstreamId,
        target: &Target,
        arguments: Option<&str>,
    ) -> Self {
        match target {
            Target::Tool(tool) => {
                let labels = flow.labelled(upstream, tool.as_str());
                Self::new(
                    tool.as_str(),
                    labels.unwrap_or(Labels::WORST),
                    arguments.unwrap_or("{}"),
                )
            }
            Target::Resource(uri) => {
                let labels = flow.labelled(upstream, "resources/read").unwrap_or(READING);
                let labels = Labels {
                    outward: labels.outward || is_web(uri.as_str()),
                    ..labels
                };
                let arguments = json!({ "uri": uri.as_str() }).to_string();
                Self::new("resources/read", labels, &arguments)
            }
            _ => {
                let labels = flow.labelled(upstream, "prompts/get").unwrap_or(READING);
                Self::new("prompts/get", labels, arguments.unwrap_or("{}"))
            }
        }
    }

    fn by_method(
        flow: &TenantFlow,
        upstream: &cardea_domain::UpstreamId,
        message: &Message,
        action: Option<Action>,
    ) -> Self {
        let part = |key: &str| message.body(key).unwrap_or("null");
        let method = message.method();
        if matches!(message.kind(), Kind::Result | Kind::Error) {
            let answer = message.top("result").or_else(|| message.top("error"));
            let asked = action.map_or("", Action::as_str);
            return Self::new(asked, TELLING, answer.unwrap_or("{}"));
        }
        match method {
            "tools/call" => {
                let tool = message.body_str("name").unwrap_or_default();
                let arguments = message.body("arguments").unwrap_or("{}");
                let labels = flow.labelled(upstream, &tool).unwrap_or(Labels::WORST);
                // What the client was asked meanwhile goes to the same server.
                let beside = message
                    .body("inputResponses")
                    .map(|answers| format!("[{arguments},{answers}]"));
                Self {
                    beside,
                    ..Self::new(&tool, labels, arguments)
                }
            }
            "resources/read" | "resources/subscribe" => {
                let uri = message.body_str("uri").unwrap_or_default();
                Self::new(method, READING, &json!({ "uri": uri }).to_string())
            }
            "prompts/get" => Self::new(method, READING, message.body("arguments").unwrap_or("{}")),
            "completion/complete" => {
                let labels = Labels {
                    read_only: true,
                    ..TELLING
                };
                let said = format!("[{},{}]", part("argument"), part("context"));
                Self::new(method, labels, &said)
            }
            "tasks/cancel" => Self::new(
                method,
                Labels {
                    read_only: false,
                    ..READING
                },
                "{}",
            ),
            "tasks/update" => Self::new(method, TELLING, message.top("params").unwrap_or("{}")),
            _ if action == Some(Action::Extension) => {
                Self::new(method, Labels::WORST, message.top("params").unwrap_or("{}"))
            }
            _ => Self::new(method, READING, "{}"),
        }
    }

    fn new(name: &str, labels: Labels, arguments: &str) -> Self {
        Self {
            name: name.to_owned(),
            labels,
            arguments: arguments.to_owned(),
            beside: None,
            only_describes: false,
        }
    }

    fn leads_out(&self, message: &Message) -> bool {
        matches!(&*self.name, "resources/read" | "resources/subscribe")
            && message.body_str("uri").is_some_and(|uri| is_web(&uri))
    }
}

fn is_web(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}
