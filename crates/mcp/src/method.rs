//! The methods of the protocol: what each one is to a policy, and where it names its target.

use cardea_domain::Action;

use crate::Era;

/// What the gateway must know of a method that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The name on the wire.
    pub name: &'static str,
    /// What it is to a policy.
    pub action: Action,
    /// Where it names what it is about.
    pub target: TargetSource,
    /// The era it belongs to; `None` for both.
    pub era: Option<Era>,
    /// What it may do beyond answering.
    pub effect: Effect,
    /// The list that its result holds.
    pub list: Option<List>,
    /// Whether it is sent with or without an id.
    pub shape: Shape,
}

/// Where a method names what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSource {
    /// The upstream as a whole.
    Upstream,
    /// `params.name`, a tool.
    ToolName,
    /// `params.name`, a prompt.
    PromptName,
    /// `params.uri`.
    Uri,
    /// `params.ref`: a prompt or a resource template.
    Ref,
    /// `params.notifications`: the upstream and each URI in `resourceSubscriptions`.
    Filter,
}

/// Whether a call may change something, which decides if its intent is recorded before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Only tells: handshake, lists, ping.
    None,
    /// May run the server's code on what the model wrote.
    Possible,
}

/// The lists whose items a policy filters one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// `result.tools`, by `name`.
    Tools,
    /// `result.resources`, by `uri`.
    Resources,
    /// `result.resourceTemplates`, by `uriTemplate`.
    Templates,
    /// `result.prompts`, by `name`.
    Prompts,
}

/// Request or notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Has an id and is answered.
    Request,
    /// Has none.
    Notification,
}

const fn request(name: &'static str, action: Action, target: TargetSource) -> Method {
    Method {
        name,
        action,
        target,
        era: None,
        effect: Effect::Possible,
        list: None,
        shape: Shape::Request,
    }
}

const fn connect(name: &'static str) -> Method {
    Method {
        effect: Effect::None,
        ..request(name, Action::Connect, TargetSource::Upstream)
    }
}

const fn listing(name: &'static str, list: List) -> Method {
    Method {
        list: Some(list),
        ..connect(name)
    }
}

const fn notification(name: &'static str) -> Method {
    Method {
        shape: Shape::Notification,
        era: Some(Era::Legacy),
        ..connect(name)
    }
}

const fn legacy(method: Method) -> Method {
    Method {
        era: Some(Era::Legacy),
        ..method
    }
}

const fn modern(method: Method) -> Method {
    Method {
        era: Some(Era::Modern),
        ..method
    }
}

/// Every method that a client may send, by name.
///
/// # Source
/// MCP 2025-11-25 and 2026-07-28, schema; the tasks extension `io.modelcontextprotocol/tasks`.
pub const METHODS: &[Method] = &[
    legacy(connect("initialize")),
    legacy(connect("ping")),
    modern(connect("server/discover")),
    listing("tools/list", List::Tools),
    request("tools/call", Action::CallTool, TargetSource::ToolName),
    listing("resources/list", List::Resources),
    listing("resources/templates/list", List::Templates),
    request("resources/read", Action::ReadResource, TargetSource::Uri),
    legacy(request(
        "resources/subscribe",
        Action::SubscribeResource,
        TargetSource::Uri,
    )),
    legacy(request(
        "resources/unsubscribe",
        Action::SubscribeResource,
        TargetSource::Uri,
    )),
    modern(request(
        "subscriptions/listen",
        Action::SubscribeResource,
        TargetSource::Filter,
    )),
    listing("prompts/list", List::Prompts),
    request("prompts/get", Action::GetPrompt, TargetSource::PromptName),
    request("completion/complete", Action::Complete, TargetSource::Ref),
    legacy(connect("logging/setLevel")),
    request("tasks/get", Action::UseTask, TargetSource::Upstream),
    legacy(request(
        "tasks/result",
        Action::UseTask,
        TargetSource::Upstream,
    )),
    legacy(request(
        "tasks/list",
        Action::UseTask,
        TargetSource::Upstream,
    )),
    modern(request(
        "tasks/update",
        Action::UseTask,
        TargetSource::Upstream,
    )),
    request("tasks/cancel", Action::UseTask, TargetSource::Upstream),
    notification("notifications/initialized"),
    Method {
        era: None,
        ..notification("notifications/cancelled")
    },
    notification("notifications/progress"),
    notification("notifications/roots/list_changed"),
    notification("notifications/tasks/status"),
];

/// What a server may ask of a client: in the legacy era as requests on a stream, in the modern
/// era as input requests inside a result.
#[must_use]
pub fn server_request(name: &str) -> Option<Action> {
    match name {
        "sampling/createMessage" => Some(Action::Sample),
        "elicitation/create" => Some(Action::Elicit),
        "roots/list" => Some(Action::ListRoots),
        "ping" => Some(Action::Connect),
        "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => Some(Action::UseTask),
        _ => None,
    }
}

/// The method with this name, unless the era does not know it.
#[must_use]
pub fn lookup(name: &str, era: Era) -> Option<&'static Method> {
    METHODS
        .iter()
        .find(|m| m.name == name && m.era.is_none_or(|e| e == era))
}

/// Whether any era knows the name; such a method is not an extension.
#[must_use]
pub fn is_core(name: &str) -> bool {
    METHODS.iter().any(|m| m.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_eras_are_kept_apart() {
        let names: std::collections::BTreeSet<_> = METHODS.iter().map(|m| m.name).collect();
        assert_eq!(names.len(), METHODS.len());
        assert!(lookup("initialize", Era::Modern).is_none());
        assert!(lookup("server/discover", Era::Legacy).is_none());
        assert!(lookup("tools/call", Era::Modern).is_some());
    }

    #[test]
    fn only_methods_that_just_tell_go_without_an_intent() {
        for method in METHODS {
            let tells = method.action == Action::Connect;
            assert_eq!(tells, method.effect == Effect::None, "{}", method.name);
        }
    }
}
