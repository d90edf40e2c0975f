//! The words of a question as Cedar entities.

use std::collections::{HashMap, HashSet};

use cardea_domain::{Action, Target};
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};

use crate::Question;

/// The entity types and action ids of the schema, parsed once.
pub(crate) struct Vocabulary {
    types: HashMap<&'static str, EntityTypeName>,
    actions: HashMap<Action, EntityUid>,
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
            .map(|action| (action, uid(&action_type, action.as_str())))
            .collect();
        Ok(Self { types, actions })
    }

    /// The request and the two entities that a question needs; everything else in a policy is
    /// reached through their parents.
    pub(crate) fn ask(&self, question: &Question) -> Result<(Request, Entities), String> {
        let action = self
            .actions
            .get(&question.action())
            .ok_or("the schema lacks the action")?;
        let method = RestrictedExpression::new_string(question.method().to_owned());
        self.asked(
            question,
            action.clone(),
            [
                ("method".to_owned(), method),
                ("flow".to_owned(), question.flow().expression()?),
            ],
            self.action_entity(question.action())?,
        )
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
        self.asked(question, action, context, vec![entity])
    }

    fn asked(
        &self,
        question: &Question,
        action: EntityUid,
        context: impl IntoIterator<Item = (String, RestrictedExpression)>,
        mut entities: Vec<Entity>,
    ) -> Result<(Request, Entities), String> {
        let principal = self.principal(question)?;
        let resource = self.resource(question)?;
        let context = Context::from_pairs(context).map_err(|e| e.to_string())?;
        let request = Request::new(principal.uid(), action, resource.uid(), context, None)
            .map_err(|e| e.to_string())?;
        entities.extend([principal, resource]);
        let entities = Entities::from_entities(entities, None).map_err(|e| e.to_string())?;
        Ok((request, entities))
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
        let attributes = HashMap::from([
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

    /// The action with its groups, as the schema has them.
    fn action_entity(&self, action: Action) -> Result<Vec<Entity>, String> {
        let action_type = type_name("Action")?;
        let group = |name| uid(&action_type, name);
        let parents: HashSet<EntityUid> = match action {
            Action::Connect
            | Action::ReadResource
            | Action::SubscribeResource
            | Action::GetPrompt
            | Action::Complete => HashSet::from([group("read"), group("use")]),
            Action::Sample | Action::Elicit | Action::ListRoots => {
                HashSet::from([group("ask"), group("use")])
            }
            Action::CallTool | Action::UseTask | Action::Extension => HashSet::from([group("use")]),
        };
        let own = uid(&action_type, action.as_str());
        Ok(vec![Entity::new_no_attrs(own, parents)])
    }

    fn uid(&self, kind: &str, id: &str) -> Result<EntityUid, String> {
        let kind = self.types.get(kind).ok_or("the schema lacks the type")?;
        Ok(uid(kind, id))
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
