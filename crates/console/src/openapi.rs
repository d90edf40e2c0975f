//! The OpenAPI document, made from the table of routes.

mod schemas;

use std::collections::BTreeMap;

use cardea_identity::server::API_SCOPE;
use http::Method;
use serde_json::{Map, Value, json};

use crate::routes::{Handler as H, ROUTES, Route, Token, Who, is_api};

/// The cookie that names a login, over TLS.
pub(crate) const SESSION_COOKIE: &str = "__Host-cardea-session";

/// The whole document (OpenAPI 3.1).
pub(crate) fn document() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES.iter().filter(|route| is_api(route.path)) {
        let method = route.method.as_str().to_ascii_lowercase();
        paths
            .entry(route.path)
            .or_default()
            .insert(method, operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cardea",
            "version": "1",
            "summary": "Access requests, grants and locks of one tenant: that of whoever is logged in.",
            "description": "A person logs in at `/console`; the session cookie says who asks. What changes something has \
                to come from a page of the gateway's own origin. A program uses a token of the person's instead, never \
                both; what only a person may do on a page says so (`x-page`), and refuses a program with the page's \
                address. Lists have 50 rows a page; `format=csv` gives up to \
                10,000 rows as a file.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "token": {
                    "type": "oauth2",
                    "description": "An access token of the gateway's own authorization server for the resource \
                        `/api/v1`, bound to a key: sent as `Authorization: DPoP` with a proof (RFC 9449). The \
                        server's metadata is at `/.well-known/oauth-authorization-server`.",
                    "flows": {"authorizationCode": {
                        "authorizationUrl": "/authorize",
                        "tokenUrl": "/token",
                        "scopes": {API_SCOPE: "see, ask for and end access; approve nothing, lift no lock"},
                    }},
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    if route.path.contains("{id}") {
        parameters.push(json!({"name": "id", "in": "path", "required": true,
            "schema": {"type": "string"}}));
    }
    for field in route.query {
        parameters.push(
            json!({"name": field.name, "in": "query", "required": field.required,
            "description": field.what, "schema": field.schema()}),
        );
    }
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.what,
        "parameters": parameters,
        "responses": responses(route),
    });
    if let Some(operation) = operation.as_object_mut() {
        if route.who == Who::Anyone {
            operation.insert("security".into(), json!([]));
        } else {
            let mut ways = vec![json!({"session": []})];
            if route.token == Token::Good {
                ways.push(json!({"token": [API_SCOPE]}));
            }
            operation.insert("security".into(), json!(ways));
            if let Token::Page(page) = route.token {
                operation.insert("x-page".into(), json!(page));
            }
            operation.insert("x-role".into(), json!(role(route.who)));
        }
        if route.method == Method::POST {
            operation.insert("requestBody".into(), body(route));
        }
    }
    operation
}

/// A name from method and path: `post_requests_id_approve`.
fn id(route: &Route) -> String {
    let path = route
        .path
        .trim_start_matches("/api/v1/")
        .replace(['/', '.'], "_");
    let path = path.replace(['{', '}'], "");
    format!("{}_{path}", route.method.as_str().to_ascii_lowercase())
}

fn role(who: Who) -> &'static str {
    match who {
        Who::Anyone => "anyone",
        Who::Person => "person",
        Who::Overseer => "administrator or auditor",
        Who::Administrator => "administrator",
    }
}

fn body(route: &Route) -> Value {
    let properties: Map<String, Value> = route
        .body
        .iter()
        .map(|field| {
            let mut schema = field.schema();
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".into(), json!(field.what));
            }
            (field.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = route
        .body
        .iter()
        .filter(|f| f.required)
        .map(|f| f.name)
        .collect();
    let schema = json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false});
    json!({"required": !required.is_empty(), "content": {"application/json": {"schema": schema}}})
}

fn responses(route: &Route) -> Value {
    let problem = |description: &str| {
        json!({"description": description,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}})
    };
    let mut responses = Map::new();
    let (status, success) = success(route);
    responses.insert(status.into(), success);
    if route.who != Who::Anyone {
        responses.insert(
            "401".into(),
            problem("nobody is logged in, the login is too old, or the token is not good here"),
        );
        responses.insert(
            "403".into(),
            problem("a role is missing, the sender is not this origin, or a person has to do it on a page"),
        );
        responses.insert(
            "503".into(),
            problem("the store, the log or the keys of the token's issuer cannot be had; nothing was done"),
        );
    }
    if !route.query.is_empty() || !route.body.is_empty() {
        responses.insert("400".into(), problem("a parameter or field is no good"));
    }
    if route.path.contains("{id}") {
        responses.insert(
            "404".into(),
            problem("it does not exist, or is not for you to see"),
        );
    }
    if route.method != Method::GET {
        responses.insert("409".into(), problem("it was decided or has ended before"));
    }
    Value::Object(responses)
}

fn success(route: &Route) -> (&'static str, Value) {
    let of = |schema: Value| json!({"description": route.what, "content": {"application/json": {"schema": schema}}});
    let a = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let list = |name: &str| {
        let mut content = json!({"application/json": {"schema": schemas::list(&a(name))}});
        if let Some(content) = content.as_object_mut() {
            content.insert("text/csv".into(), json!({"schema": {"type": "string"}}));
        }
        json!({"description": route.what, "content": content})
    };
    match route.handler {
        H::OpenApi => ("200", of(json!({"type": "object"}))),
        H::Overall => ("200", of(a("Overview"))),
        H::Requests => ("200", list("Request")),
        H::Grants => ("200", list("Grant")),
        H::Reach => ("200", list("Reach")),
        H::Explain => ("200", of(a("Explanation"))),
        H::Agents => ("200", list("Agent")),
        H::Locks => ("200", list("Lock")),
        H::Servers => ("200", of(schemas::list(&a("Server")))),
        H::Ask | H::Extend => ("201", of(a("Request"))),
        H::Request | H::Approve | H::Refuse | H::Cancel | H::Justify => ("200", of(a("Request"))),
        H::Revoke | H::Release => ("200", of(a("Grant"))),
        H::RevokeAll => ("200", of(a("Revocation"))),
        H::Lock => ("201", of(a("Lock"))),
        H::Events => (
            "200",
            json!({"description": "`event: change` with `{\"kind\", \"id\"}`, as something changes that the person may see",
                "content": {"text/event-stream": {"schema": {"type": "string"}}}}),
        ),
        _ => ("204", json!({"description": route.what})),
    }
}
