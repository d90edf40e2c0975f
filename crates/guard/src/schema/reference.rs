//! Which schema a reference means: resources, anchors and pointers within one document.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::Url;

use super::{
    Documents,
    error::{SchemaError, Unusable},
    keyword::ResourceId,
};

/// Which words a schema uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draft {
    Seven,
    Latest,
}

/// A schema with a URI of its own, and what is in it under the same URI.
pub(super) struct Resource<'a> {
    uri: Url,
    value: &'a Value,
    pub(super) draft: Draft,
    /// Whether its words assert anything: a dialect may leave validation out.
    pub(super) validates: bool,
    anchors: BTreeMap<String, &'a Value>,
    pub(super) dynamic: BTreeMap<String, &'a Value>,
}

/// All resources of a document, and of those that it refers to.
pub(super) struct Resources<'a> {
    documents: &'a Documents,
    all: Vec<Resource<'a>>,
    by_uri: HashMap<String, ResourceId>,
    /// By the address of the value that is the root of a resource.
    by_value: HashMap<*const Value, ResourceId>,
}

/// The schema that a reference means.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) value: &'a Value,
    pub(super) resource: ResourceId,
}

/// A dynamic reference, as far as it is known before there is a value.
pub(super) struct DynamicTarget<'a> {
    pub(super) target: Target<'a>,
    /// The anchor to look for in the dynamic scope, where it is a dynamic one.
    pub(super) anchor: Option<String>,
}

/// The URI of a schema that has none.
const BASE: &str = "json-schema:///";

const LATEST: &str = "https://json-schema.org/draft/2020-12/schema";
const SEVEN: [&str; 2] = [
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft-07/schema",
];

/// Words whose value is a schema, in either draft.
const ONE: [&str; 13] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Words whose value is a list of schemas.
const LISTS: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Words whose value has schemas for members.
const MAPS: [&str; 6] = [
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

impl<'a> Resources<'a> {
    pub(super) fn of(value: &'a Value, documents: &'a Documents) -> Result<Self, SchemaError> {
        let mut resources = Self {
            documents,
            all: Vec::new(),
            by_uri: HashMap::new(),
            by_value: HashMap::new(),
        };
        resources.add_document(value, BASE)?;
        Ok(resources)
    }

    pub(super) fn resource(&self, id: ResourceId) -> Option<&Resource<'a>> {
        self.all.get(id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The resource that a value stands in, whose parent stands in `within`.
    pub(super) fn resource_of(&self, value: &Value, within: ResourceId) -> ResourceId {
        let own = self.by_value.get(&std::ptr::from_ref(value));
        own.copied().unwrap_or(within)
    }

    fn add_document(&mut self, value: &'a Value, uri: &str) -> Result<ResourceId, SchemaError> {
        let (draft, validates) = self.dialect(value)?;
        let uri = Url::parse(uri).map_err(|_| not_found(uri))?;
        let id = self.add(uri, value, draft, validates);
        self.index(value, id)?;
        Ok(id)
    }

    fn add(&mut self, mut uri: Url, value: &'a Value, draft: Draft, validates: bool) -> ResourceId {
        uri.set_fragment(None);
        let id = self.all.len();
        self.by_uri.entry(uri.to_string()).or_insert(id);
        self.by_value.insert(std::ptr::from_ref(value), id);
        self.all.push(Resource {
            uri,
            value,
            draft,
            validates,
            anchors: BTreeMap::new(),
            dynamic: BTreeMap::new(),
        });
        id
    }

    /// A document's root has a URI of its own beside that by which it was found.
    fn rename(&mut self, id: ResourceId, mut uri: Url) -> ResourceId {
        uri.set_fragment(None);
        self.by_uri.entry(uri.to_string()).or_insert(id);
        if let Some(resource) = self.all.get_mut(id) {
            resource.uri = uri;
        }
        id
    }

    /// The draft that a document is written in, and whether its dialect validates.
    fn dialect(&self, value: &Value) -> Result<(Draft, bool), SchemaError> {
        let Some(stated) = value.get("$schema") else {
            return Ok((Draft::Latest, true));
        };
        let stated = stated.as_str().unwrap_or_default();
        let uri = stated.strip_suffix('#').unwrap_or(stated);
        if uri == LATEST {
            return Ok((Draft::Latest, true));
        }
        if SEVEN.contains(&uri) {
            return Ok((Draft::Seven, true));
        }
        let vocabulary = self.documents.get(uri).and_then(|d| d.get("$vocabulary"));
        match vocabulary {
            Some(vocabulary) => {
                let validation = "https://json-schema.org/draft/2020-12/vocab/validation";
                Ok((Draft::Latest, vocabulary.get(validation).is_some()))
            }
            None => Err(SchemaError::at_root(Unusable::Draft(
                super::violation::shown(stated),
            ))),
        }
    }

    /// Finds every resource and anchor below. Recurses as deep as the text nests.
    fn index(&mut self, value: &'a Value, within: ResourceId) -> Result<(), SchemaError> {
        let Value::Object(members) = value else {
            return Ok(());
        };
        let draft = self.all.get(within).map_or(Draft::Latest, |r| r.draft);
        let mut within = within;
        // In draft-07 a reference is alone, whatever stands beside it.
        let is_alone = draft == Draft::Seven && members.contains_key("$ref");
        if let Some(Value::String(id)) = members.get("$id").filter(|_| !is_alone) {
            within = self.identify(id, value, within)?;
        }
        if draft == Draft::Latest {
            for (word, is_dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
                if let Some(Value::String(name)) = members.get(word)
                    && let Some(resource) = self.all.get_mut(within)
                {
                    resource.anchors.insert(name.clone(), value);
                    if is_dynamic {
                        resource.dynamic.insert(name.clone(), value);
                    }
                }
            }
        }
        for (key, value) in members {
            let key = key.as_str();
            match value {
                Value::Object(_) if ONE.contains(&key) => self.index(value, within)?,
                Value::Object(schemas) if MAPS.contains(&key) => {
                    for schema in schemas.values() {
                        self.index(schema, within)?;
                    }
                }
                Value::Array(schemas) if LISTS.contains(&key) => {
                    for schema in schemas {
                        self.index(schema, within)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What an `$id` does: a resource of its own, or in draft-07 an anchor too.
    fn identify(
        &mut self,
        id: &str,
        value: &'a Value,
        within: ResourceId,
    ) -> Result<ResourceId, SchemaError> {
        let Some(parent) = self.all.get(within) else {
            return Err(not_found(id));
        };
        let uri = parent.uri.join(id).map_err(|_| not_found(id))?;
        let (draft, validates) = (parent.draft, parent.validates);
        let fragment = uri.fragment().unwrap_or_default().to_owned();
        let mut resource = within;
        let is_own = !id.starts_with('#');
        if is_own {
            if self.dialect(value)?.0 != draft && value.get("$schema").is_some() {
                return Err(SchemaError::at_root(Unusable::Draft(
                    "two drafts in one".into(),
                )));
            }
            resource = match self.by_value.get(&std::ptr::from_ref(value)) {
                Some(document) => self.rename(*document, uri),
                None => self.add(uri, value, draft, validates),
            };
        }
        if draft == Draft::Seven
            && !fragment.is_empty()
            && let Some(resource) = self.all.get_mut(resource)
        {
            resource.anchors.insert(fragment, value);
        }
        Ok(resource)
    }

    /// What a reference in `within` means.
    pub(super) fn resolve(
        &mut self,
        reference: &str,
        within: ResourceId,
    ) -> Result<Target<'a>, SchemaError> {
        let (resource, fragment) = self.locate(reference, within)?;
        self.at(resource, &fragment)
            .ok_or_else(|| not_found(reference))
    }

    /// What a dynamic reference in `within` means when nothing in the dynamic scope overrides it.
    pub(super) fn resolve_dynamic(
        &mut self,
        reference: &str,
        within: ResourceId,
    ) -> Result<DynamicTarget<'a>, SchemaError> {
        let (resource, fragment) = self.locate(reference, within)?;
        let target = self
            .at(resource, &fragment)
            .ok_or_else(|| not_found(reference))?;
        let holder = self.all.get(target.resource);
        let is_dynamic = holder.is_some_and(|holder| holder.dynamic.contains_key(&fragment));
        Ok(DynamicTarget {
            target,
            anchor: is_dynamic.then_some(fragment),
        })
    }

    fn locate(
        &mut self,
        reference: &str,
        within: ResourceId,
    ) -> Result<(ResourceId, String), SchemaError> {
        let base = self.all.get(within).ok_or_else(|| not_found(reference))?;
        let mut uri = base.uri.join(reference).map_err(|_| not_found(reference))?;
        let fragment = percent_decode_str(uri.fragment().unwrap_or_default())
            .decode_utf8()
            .map_err(|_| not_found(reference))?
            .into_owned();
        uri.set_fragment(None);
        let uri = uri.to_string();
        if let Some(id) = self.by_uri.get(&uri) {
            return Ok((*id, fragment));
        }
        let documents = self.documents;
        let document = documents.get(&uri).ok_or_else(|| not_found(reference))?;
        Ok((self.add_document(document, &uri)?, fragment))
    }

    fn at(&self, resource: ResourceId, fragment: &str) -> Option<Target<'a>> {
        let root = self.all.get(resource)?;
        let Some(steps) = fragment.strip_prefix('/') else {
            let value = match fragment {
                "" => root.value,
                name => root.anchors.get(name)?,
            };
            return Some(Target {
                value,
                resource: self.resource_of(value, resource),
            });
        };
        let (mut value, mut resource) = (root.value, resource);
        for step in steps.split('/') {
            let step = step.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Object(members) => members.get(&step)?,
                Value::Array(values) => values.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
            resource = self.resource_of(value, resource);
        }
        Some(Target { value, resource })
    }
}

fn not_found(reference: &str) -> SchemaError {
    SchemaError::at_root(Unusable::Reference(super::violation::shown(reference)))
}
