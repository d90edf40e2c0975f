//! The words of a question as Cedar entities.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cardea_domain::{Action, Target};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};

use crate::{Question, residual::Asked};

/// The entity types and action ids of the schema, parsed once.
pub(crate) struct Vocabulary {
    types: HashMap<&'static str, EntityTypeName>,
    /// With the groups that each is in.
    actions: HashMap<Action, (EntityUid, HashSet<EntityUid>)>,
}

/// Something that a rule over requests can read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact {
    Long(i64),
    Bool(bool),
    /// One of the names of an enumerated type.
    One(&'static str, &'static str),
}

/// The action that rules over requests are about.
const APPROVE: &str = "approve";

const TYPES: [&str; 12] = [
    "Tenant",
    "Group",
    "Subject",
    "Actor",
    "Principal",
    "Upstream",
    "Tool",
    "Resource",
    "ResourceTemplate",
    "Prompt",
    "Kind",
    "Asker",
];

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, String> {
        let mut types = HashMap::new();
        for name in TYPES {
            types.insert(name, type_name(name)?);
        }
        let action_type = type_name("Action")?;
        let actions = Action::ALL
            .into_iter()
            .map(|action| {
                let groups = groups_of(action).iter();
                let groups = groups.map(|name| uid(&action_type, name)).collect();
                (action, (uid(&action_type, action.as_str()), groups))
            })
            .collect();
        Ok(Self { types, actions })
    }

    /// Who asks for what, with the two entities that a question needs; everything else in a policy is
    /// reached through their parents.
    pub(crate) fn ask(&self, question: &Question) -> Result<Asked, String> {
        let action = self.action(question.action())?.clone();
        let own = Entity::new_no_attrs(action.clone(), self.groups(question.action())?.clone());
        self.asked(question, action, own)
    }

    /// A thing that a question is about, and what it is in.
    pub(crate) fn within(&self, question: &Question) -> Result<Vec<EntityUid>, String> {
        let upstream = self.uid("Upstream", question.upstream().as_str())?;
        Ok(match question.target().name() {
            None => vec![upstream],
            Some(name) => {
                let id = format!("{}/{name}", question.upstream());
                vec![self.uid(question.target().kind(), &id)?, upstream]
            }
        })
    }

    /// The entity of an action.
    pub(crate) fn action(&self, action: Action) -> Result<&EntityUid, String> {
        let known = self.actions.get(&action).map(|(uid, _)| uid);
        known.ok_or_else(|| "the schema lacks the action".to_owned())
    }

    /// The groups that an action is in.
    pub(crate) fn groups(&self, action: Action) -> Result<&HashSet<EntityUid>, String> {
        let known = self.actions.get(&action).map(|(_, groups)| groups);
        known.ok_or_else(|| "the schema lacks the action".to_owned())
    }

    /// Whether access for what `question` is about may be approved, with the facts of the request.
    pub(crate) fn ask_approval(
        &self,
        question: &Question,
        facts: impl IntoIterator<Item = (&'static str, Fact)>,
    ) -> Result<(Request, Entities), String> {
        let mut context = Vec::new();
        for (name, fact) in facts {
            let value = match fact {
                Fact::Long(number) => RestrictedExpression::new_long(number),
                Fact::Bool(is) => RestrictedExpression::new_bool(is),
                Fact::One(kind, id) => RestrictedExpression::new_entity_uid(self.uid(kind, id)?),
            };
            context.push((name.to_owned(), value));
        }
        let action = uid(&type_name("Action")?, APPROVE);
        let entity = Entity::new_no_attrs(action.clone(), HashSet::new());
        let asked = self.asked(question, action, entity)?;
        let context = Context::from_pairs(context).map_err(|e| e.to_string())?;
        Ok((asked.request(context)?, asked.entities))
    }

    fn asked(
        &self,
        question: &Question,
        action: EntityUid,
        entity: Entity,
    ) -> Result<Asked, String> {
        let principal = self.principal(question)?;
        let resource = self.resource(question)?;
        Ok(Asked {
            principal: principal.uid(),
            action,
            resource: resource.uid(),
            entities: Entities::from_entities([entity, principal, resource], None)
                .map_err(|e| e.to_string())?,
        })
    }

    fn principal(&self, question: &Question) -> Result<Entity, String> {
        let tenant_id = question.tenant().as_str();
        let within = |name: &str| format!("{tenant_id}/{name}");
        let tenant = self.uid("Tenant", tenant_id)?;
        let subject = self.uid("Subject", &within(question.subject().as_str()))?;
        let actor = self.uid("Actor", &within(question.actor().as_str()))?;
        let mut parents = HashSet::from([tenant.clone(), subject.clone(), actor.clone()]);
        for group in question.groups() {
            parents.insert(self.uid("Group", &within(group))?);
        }
        // The length in front keeps (`a`, `b/c`) and (`a/b`, `c`) apart.
        let id = format!(
            "{tenant_id}/{}/{}/{}",
            question.subject().as_str().len(),
            question.subject(),
            question.actor()
        );
        let standing = question.standing();
        let texts = |texts: &[Arc<str>]| {
            let texts = texts.iter().map(|text| text.to_string());
            RestrictedExpression::new_set(texts.map(RestrictedExpression::new_string))
        };
        let (by_dpop, by_certificate) = question.binding();
        let mut attributes = HashMap::from([
            ("roles".to_owned(), texts(&standing.roles)),
            ("amr".to_owned(), texts(&standing.amr)),
            (
                "bound_by_dpop".to_owned(),
                RestrictedExpression::new_bool(by_dpop),
            ),
            (
                "bound_by_certificate".to_owned(),
                RestrictedExpression::new_bool(by_certificate),
            ),
            (
                "tenant".to_owned(),
                RestrictedExpression::new_entity_uid(tenant),
            ),
            (
                "subject".to_owned(),
                RestrictedExpression::new_entity_uid(subject),
            ),
            (
                "actor".to_owned(),
                RestrictedExpression::new_entity_uid(actor),
            ),
        ]);
        if let Some(acr) = &standing.acr {
            let acr = RestrictedExpression::new_string(acr.to_string());
            attributes.insert("acr".to_owned(), acr);
        }
        if let Some(at_s) = standing.auth_time_s {
            let at_s = i64::try_from(at_s).unwrap_or(i64::MAX);
            let at_s = RestrictedExpression::new_long(at_s);
            attributes.insert("auth_time_s".to_owned(), at_s);
        }
        Entity::new(self.uid("Principal", &id)?, attributes, parents).map_err(|e| e.to_string())
    }

    fn resource(&self, question: &Question) -> Result<Entity, String> {
        let upstream = self.uid("Upstream", question.upstream().as_str())?;
        let Some(name) = question.target().name() else {
            return Ok(Entity::new_no_attrs(upstream, HashSet::new()));
        };
        let kind = question.target().kind();
        let id = self.uid(kind, &format!("{}/{name}", question.upstream()))?;
        let attribute = match question.target() {
            Target::Resource(_) | Target::Template(_) => "uri",
            Target::Upstream | Target::Tool(_) | Target::Prompt(_) => "name",
        };
        let attributes = HashMap::from([
            (
                attribute.to_owned(),
                RestrictedExpression::new_string(name.to_owned()),
            ),
            (
                "upstream".to_owned(),
                RestrictedExpression::new_entity_uid(upstream.clone()),
            ),
        ]);
        Entity::new(id, attributes, HashSet::from([upstream])).map_err(|e| e.to_string())
    }

    fn uid(&self, kind: &str, id: &str) -> Result<EntityUid, String> {
        let kind = self.types.get(kind).ok_or("the schema lacks the type")?;
        Ok(uid(kind, id))
    }
}

/// The groups of an action, as the schema has them.
fn groups_of(action: Action) -> &'static [&'static str] {
    match action {
        Action::Connect
        | Action::ReadResource
        | Action::SubscribeResource
        | Action::GetPrompt
        | Action::Complete => &["read", "use"],
        Action::Sample | Action::Elicit | Action::ListRoots => &["ask", "use"],
        Action::CallTool | Action::UseTask | Action::Extension => &["use"],
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn type_name(name: &str) -> Result<EntityTypeName, String> {
    format!("Cardea::{name}")
        .parse()
        .map_err(|e: cedar_policy::ParseErrors| e.to_string())
}
