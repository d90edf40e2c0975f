//! The policies of a set, cut in two and laid out so that a question meets only those that can be about it.
//!
//! The head of a policy is its scope and the conditions before the first that reads the context: what depends on who
//! asks for what alone. The tail is the rest. Cedar evaluates conditions from left to right and stops at the first that is
//! false or fails, so a policy applies exactly when its head does and then its tail, and fails exactly when one of them
//! does, in that order.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cardea_domain::Action;
use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, ResourceConstraint,
};
use serde_json::{Value, json};

use crate::{entities::Vocabulary, reads::Reads};

/// One policy of a set.
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) effect: Effect,
    /// Permits where the head applies, whatever the policy's effect.
    pub(crate) head: PolicySet,
    /// What is left once the head applies, under the policy's id and with its effect; `None` where nothing is.
    pub(crate) tail: Option<Tail>,
    /// Whether it looks at roles, the login or the binding of a token, which are not kept with requests.
    pub(crate) reads_login: bool,
    /// The policy as it was written.
    pub(crate) whole: Policy,
    /// Its conditions one by one.
    pub(crate) conditions: Vec<Condition>,
}

/// What of a policy depends on the context.
pub(crate) struct Tail {
    pub(crate) policy: Policy,
    pub(crate) reads: Reads,
    /// Whether it looks at who asks for what again.
    pub(crate) needs_entities: bool,
}

/// One conjunct of a policy's conditions, in the JSON form of Cedar's policies.
#[derive(Clone)]
pub(crate) struct Condition {
    /// `when` or `unless`.
    kind: &'static str,
    body: Value,
}

/// Policies, by what they can be about.
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// In the order of [`Action::ALL`].
    places: Vec<Places>,
}

/// Where policies over one action look.
#[derive(Default)]
struct Places {
    anywhere: Vec<usize>,
    /// Those of everything within, or of, one entity.
    at: HashMap<EntityUid, Vec<usize>>,
}

impl Rules {
    /// # Errors
    /// A mistake of Cardea's own.
    pub(crate) fn new(set: &PolicySet, words: &Vocabulary) -> Result<Self, String> {
        let mut rules = Vec::new();
        let mut places: Vec<_> = Action::ALL.iter().map(|_| Places::default()).collect();
        let mut all: Vec<&Policy> = set.policies().collect();
        all.sort_by_key(|policy| policy.id().to_string());
        for policy in all {
            let index = rules.len();
            rules.push(Rule::new(policy)?);
            for (action, places) in Action::ALL.into_iter().zip(&mut places) {
                if is_about(policy, action, words)? {
                    places.add(policy, index);
                }
            }
        }
        Ok(Self { rules, places })
    }

    /// The policies that can be about an action and a thing; `within` is the thing, and what it is in.
    pub(crate) fn about<'a>(
        &'a self,
        action: Action,
        within: &'a [EntityUid],
    ) -> impl Iterator<Item = &'a Rule> {
        let places = Action::ALL
            .into_iter()
            .zip(&self.places)
            .find_map(|(of, places)| (of == action).then_some(places));
        let indices = places.into_iter().flat_map(move |places| {
            let at = within.iter().filter_map(|uid| places.at.get(uid)).flatten();
            places.anywhere.iter().chain(at)
        });
        indices.filter_map(|index| self.rules.get(*index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

impl Places {
    fn add(&mut self, policy: &Policy, index: usize) {
        match policy.resource_constraint() {
            ResourceConstraint::In(uid)
            | ResourceConstraint::Eq(uid)
            | ResourceConstraint::IsIn(_, uid) => self.at.entry(uid).or_default().push(index),
            ResourceConstraint::Any | ResourceConstraint::Is(_) => self.anywhere.push(index),
        }
    }
}

fn is_about(policy: &Policy, action: Action, words: &Vocabulary) -> Result<bool, String> {
    let is = |wanted: &EntityUid| words.action(action).is_ok_and(|uid| uid == wanted);
    Ok(match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => is(&uid),
        ActionConstraint::In(uids) => {
            let groups = words.groups(action)?;
            uids.iter().any(|uid| is(uid) || groups.contains(uid))
        }
    })
}

impl Rule {
    fn new(policy: &Policy) -> Result<Self, String> {
        Self::cut(policy).or_else(|_| Self::uncut(policy))
    }

    /// A policy that cannot be cut is evaluated as a whole, each time.
    fn uncut(policy: &Policy) -> Result<Self, String> {
        let all = Policy::parse(None, "permit (principal, action, resource);");
        let head = PolicySet::from_policies([all.map_err(|e| e.to_string())?]);
        Ok(Self {
            id: Arc::from(policy.id().to_string()),
            effect: policy.effect(),
            head: head.map_err(|e| e.to_string())?,
            tail: Some(Tail {
                policy: policy.clone(),
                reads: Reads::of(policy),
                needs_entities: true,
            }),
            reads_login: true,
            whole: policy.clone(),
            conditions: Vec::new(),
        })
    }

    /// A set of one policy that permits where the scope is met.
    pub(crate) fn scope(&self) -> Result<PolicySet, String> {
        let mut scope = self.whole.to_json().map_err(|e| e.to_string())?;
        set(&mut scope, "effect", "permit".into());
        set(&mut scope, "conditions", Value::Array(Vec::new()));
        let scope = Policy::from_json(None, scope).map_err(|e| e.to_string())?;
        PolicySet::from_policies([scope]).map_err(|e| e.to_string())
    }

    fn cut(policy: &Policy) -> Result<Self, String> {
        let id = policy.id().clone();
        let broken =
            |error: &dyn std::fmt::Display| format!("policy `{id}` cannot be cut: {error}");
        let json = policy.to_json().map_err(|e| broken(&e))?;
        let conditions = conditions(&json);
        let first = conditions.iter().position(Condition::reads_context);
        let (still, rest) = conditions.split_at(first.unwrap_or(conditions.len()));
        let mut head = json.clone();
        set(&mut head, "effect", "permit".into());
        set(&mut head, "conditions", to_json(still));
        let head = Policy::from_json(Some(id.clone()), head).map_err(|e| broken(&e))?;
        let tail = match rest {
            [] => None,
            rest => {
                let mut tail = json;
                for scope in ["principal", "action", "resource"] {
                    set(&mut tail, scope, json!({ "op": "All" }));
                }
                set(&mut tail, "conditions", to_json(rest));
                let needs_entities = rest.iter().any(|condition| needs_entities(&condition.body));
                let policy = Policy::from_json(Some(id.clone()), tail).map_err(|e| broken(&e))?;
                Some(Tail {
                    reads: Reads::of(&policy),
                    policy,
                    needs_entities,
                })
            }
        };
        Ok(Self {
            id: Arc::from(id.to_string()),
            effect: policy.effect(),
            head: PolicySet::from_policies([head]).map_err(|e| broken(&e))?,
            tail,
            reads_login: conditions
                .iter()
                .any(|condition| reads_login(&condition.body)),
            whole: policy.clone(),
            conditions,
        })
    }
}

impl Condition {
    fn reads_context(&self) -> bool {
        !self.reads().is_nothing()
    }

    pub(crate) fn reads(&self) -> Reads {
        Reads::of_expression(&self.body)
    }

    /// A set of one policy that permits where this holds.
    pub(crate) fn alone(&self) -> Result<PolicySet, String> {
        let all = json!({ "op": "All" });
        let policy = json!({
            "effect": "permit", "principal": all, "action": all, "resource": all,
            "conditions": to_json(std::slice::from_ref(self)),
        });
        let policy = Policy::from_json(Some(PolicyId::new("condition")), policy);
        PolicySet::from_policies([policy.map_err(|e| e.to_string())?]).map_err(|e| e.to_string())
    }

    /// As Cedar text: `when { … }` or `unless { … }`.
    pub(crate) fn text(&self) -> String {
        let whole = self.alone().ok().and_then(|set| set.to_cedar());
        let whole = whole.unwrap_or_default();
        let text = whole.split_once(self.kind).map_or("", |(_, text)| text);
        let text = text.trim().trim_end_matches(';');
        format!(
            "{} {}",
            self.kind,
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    }
}

/// The conditions of a policy, each `when` in its conjuncts.
fn conditions(policy: &Value) -> Vec<Condition> {
    let mut all = Vec::new();
    let written = policy.get("conditions").and_then(Value::as_array);
    for condition in written.into_iter().flatten() {
        let body = condition.get("body").cloned().unwrap_or_default();
        match condition.get("kind").and_then(Value::as_str) {
            Some("unless") => all.push(Condition {
                kind: "unless",
                body,
            }),
            _ => conjuncts(body, &mut all),
        }
    }
    all
}

fn conjuncts(body: Value, all: &mut Vec<Condition>) {
    let mut waiting = vec![body];
    while let Some(body) = waiting.pop() {
        let both = body.get("&&");
        let sides = both.and_then(|both| Some((both.get("left")?, both.get("right")?)));
        match sides {
            Some((left, right)) => waiting.extend([right.clone(), left.clone()]),
            None => all.push(Condition { kind: "when", body }),
        }
    }
}

fn to_json(conditions: &[Condition]) -> Value {
    let all = conditions
        .iter()
        .map(|condition| json!({ "kind": condition.kind, "body": condition.body }));
    Value::Array(all.collect())
}

fn set(policy: &mut Value, member: &str, value: Value) {
    if let Some(policy) = policy.as_object_mut() {
        policy.insert(member.to_owned(), value);
    }
}

/// What of a principal comes with a token and is not kept with requests.
const LOGIN: [&str; 6] = [
    "roles",
    "acr",
    "amr",
    "auth_time_s",
    "bound_by_dpop",
    "bound_by_certificate",
];

/// Whether an expression has an attribute of such a name, of whatever, or could have any.
fn reads_login(json: &Value) -> bool {
    match json {
        Value::String(text) => LOGIN.contains(&text.as_str()),
        Value::Object(members) => members.values().any(reads_login),
        Value::Array(items) => items.iter().any(reads_login),
        _ => false,
    }
}

/// Whether an expression speaks of anything but the context: variables, or entities by their names.
fn needs_entities(json: &Value) -> bool {
    match json {
        Value::Object(members) => {
            let variable = members.get("Var").and_then(Value::as_str);
            variable.is_some_and(|name| name != "context")
                || members.contains_key("__entity")
                || members.values().any(needs_entities)
        }
        Value::Array(items) => items.iter().any(needs_entities),
        _ => false,
    }
}

/// The upstreams and tools that a policy over calls of tools can be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    Everything,
    Upstream(String),
    Tool(String),
    /// No tool.
    Nothing,
}

impl About {
    pub(crate) fn of(policy: &Policy, words: &Vocabulary) -> Self {
        if !is_about(policy, Action::CallTool, words).unwrap_or(true) {
            return Self::Nothing;
        }
        let is_tool = |name: &cedar_policy::EntityTypeName| name.basename() == "Tool";
        let of = |uid: &EntityUid| match uid.type_name().basename() {
            "Upstream" => Self::Upstream(uid.id().unescaped().to_owned()),
            "Tool" => Self::Tool(uid.id().unescaped().to_owned()),
            _ => Self::Nothing,
        };
        match policy.resource_constraint() {
            ResourceConstraint::Any => Self::Everything,
            ResourceConstraint::Is(kind) if is_tool(&kind) => Self::Everything,
            ResourceConstraint::IsIn(kind, uid) if is_tool(&kind) => of(&uid),
            ResourceConstraint::Is(_) | ResourceConstraint::IsIn(..) => Self::Nothing,
            ResourceConstraint::In(uid) => of(&uid),
            ResourceConstraint::Eq(uid) => match of(&uid) {
                tool @ Self::Tool(_) => tool,
                _ => Self::Nothing,
            },
        }
    }
}

/// The ids of policies, sorted, each once.
pub(crate) fn sorted(ids: impl IntoIterator<Item = Arc<str>>) -> Arc<[Arc<str>]> {
    let ids: BTreeSet<Arc<str>> = ids.into_iter().collect();
    ids.into_iter().collect()
}
