//! Who may do what: every route, and every kind of caller.

use cardea_identity::ApiHolder;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, Visitor, document};
use crate::routes::{ROUTES, Route, is_api};

/// What each caller gets at a page: nobody, an administrator of another tenant, a requester, an
/// approver, an administrator, an auditor; and what a program gets with the token of each of them.
type Row = (&'static str, &'static str, [u16; 6], [u16; 5]);

/// Pages send nobody to the login, and go on with 303 after a form. Another tenant's administrator
/// sees their own lists, which are empty, and nothing of this one.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("GET", "/console/assets/{v}/console.css", [200, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/console/assets/{v}/console.js", [200, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/console/assets/{v}/icon.svg", [200, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/console", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/login", [303, 303, 303, 303, 303, 303], [303, 303, 303, 303, 303]),
    ("GET", "/console/requests", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/requests/new", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("POST", "/console/requests", [303, 303, 303, 303, 303, 303], [403, 403, 403, 403, 403]),
    ("GET", "/console/requests/{id}", [303, 404, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("POST", "/console/requests/{id}/approve", [303, 404, 403, 303, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/requests/{id}/refuse", [303, 404, 403, 303, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/requests/{id}/justify", [303, 404, 303, 403, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/requests/{id}/cancel", [303, 404, 303, 403, 403, 403], [403, 403, 403, 403, 403]),
    ("GET", "/console/grants", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("POST", "/console/grants/{id}/revoke", [303, 404, 303, 303, 303, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/grants/{id}/release", [303, 404, 303, 403, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/grants/{id}/extend", [303, 404, 303, 403, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/revocations", [303, 303, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("GET", "/console/reach", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/explain", [303, 200, 403, 403, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/agents", [303, 200, 200, 200, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/locks", [303, 200, 403, 403, 200, 200], [403, 403, 403, 403, 403]),
    ("POST", "/console/locks", [303, 303, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/locks/{id}/lift", [303, 404, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("GET", "/console/servers", [303, 200, 403, 403, 200, 200], [403, 403, 403, 403, 403]),
    ("GET", "/console/servers/{id}", [303, 404, 403, 403, 200, 200], [403, 403, 403, 403, 403]),
    ("POST", "/console/servers/{id}/approve", [303, 404, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/servers/{id}/reject", [303, 404, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("POST", "/console/servers/{id}/withdraw", [303, 404, 403, 403, 303, 403], [403, 403, 403, 403, 403]),
    ("GET", "/api/v1/openapi.json", [200, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/api/v1/overview", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/api/v1/requests", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("POST", "/api/v1/requests", [401, 201, 201, 201, 201, 201], [201, 201, 201, 201, 201]),
    ("GET", "/api/v1/requests/{id}", [401, 404, 200, 200, 200, 200], [404, 200, 200, 200, 200]),
    ("POST", "/api/v1/requests/{id}/approve", [401, 404, 403, 200, 403, 403], [403, 403, 403, 403, 403]),
    ("POST", "/api/v1/requests/{id}/refuse", [401, 404, 403, 200, 403, 403], [404, 403, 200, 403, 403]),
    ("POST", "/api/v1/requests/{id}/justify", [401, 404, 200, 403, 403, 403], [404, 200, 403, 403, 403]),
    ("POST", "/api/v1/requests/{id}/cancel", [401, 404, 200, 403, 403, 403], [404, 200, 403, 403, 403]),
    ("GET", "/api/v1/grants", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("POST", "/api/v1/grants/{id}/revoke", [401, 404, 200, 200, 200, 403], [404, 200, 200, 200, 403]),
    ("POST", "/api/v1/grants/{id}/release", [401, 404, 200, 403, 403, 403], [404, 200, 403, 403, 403]),
    ("POST", "/api/v1/grants/{id}/extend", [401, 404, 201, 403, 403, 403], [404, 201, 403, 403, 403]),
    ("POST", "/api/v1/revocations", [401, 200, 403, 403, 200, 403], [200, 403, 403, 200, 403]),
    ("GET", "/api/v1/reach", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/api/v1/explain", [401, 200, 403, 403, 200, 200], [200, 403, 403, 200, 200]),
    ("GET", "/api/v1/agents", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
    ("GET", "/api/v1/locks", [401, 200, 403, 403, 200, 200], [200, 403, 403, 200, 200]),
    ("POST", "/api/v1/locks", [401, 201, 403, 403, 201, 403], [201, 403, 403, 201, 403]),
    ("DELETE", "/api/v1/locks/{id}", [401, 404, 403, 403, 204, 403], [403, 403, 403, 403, 403]),
    ("GET", "/api/v1/servers", [401, 200, 403, 403, 200, 200], [200, 403, 403, 200, 200]),
    ("GET", "/api/v1/events", [401, 200, 200, 200, 200, 200], [200, 200, 200, 200, 200]),
];

#[tokio::test]
async fn every_route_gives_every_caller_what_the_table_says() {
    let house = House::open().await;
    let callers = [
        Visitor::nobody(),
        house.log_in("globex", "zoe", &[]).await,
        house.log_in("acme", "ada", &[]).await,
        house.log_in("acme", "bob", &["approvers"]).await,
        house.log_in("acme", "cleo", &[]).await,
        house.log_in("acme", "dora", &[]).await,
    ];
    let mut wrong = Vec::new();
    for route in ROUTES {
        let (at_pages, _) = row(route);
        for (caller, expected) in callers.iter().zip(at_pages) {
            let status = reach(&house, Caller::Page(caller), route).await;
            if status != expected {
                wrong.push(format!(
                    "{} {}: {status} instead of {expected} for {caller:?}",
                    route.method, route.path
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn every_route_gives_programs_what_the_table_says() {
    let house = House::open().await;
    let holders = [
        house.holder("globex", "zoe", &[]),
        house.holder("acme", "ada", &[]),
        house.holder("acme", "bob", &["approvers"]),
        house.holder("acme", "cleo", &[]),
        house.holder("acme", "dora", &[]),
    ];
    let mut wrong = Vec::new();
    for route in ROUTES {
        let (_, by_programs) = row(route);
        for (holder, expected) in holders.iter().zip(by_programs) {
            let status = reach(&house, Caller::Program(holder), route).await;
            if status != expected {
                wrong.push(format!(
                    "{} {}: {status} instead of {expected} for {holder:?}",
                    route.method, route.path
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whoever uses a route.
#[derive(Clone, Copy)]
enum Caller<'a> {
    Page(&'a Visitor),
    Program(&'a ApiHolder),
}

#[test]
fn the_table_has_every_route_and_no_other() {
    let listed: Vec<_> = ROUTES
        .iter()
        .map(|route| (route.method.as_str(), named(route.path)))
        .collect();
    let rows: Vec<_> = ROWS
        .iter()
        .map(|(method, path, ..)| (*method, (*path).to_owned()))
        .collect();
    assert_eq!(listed, rows);
}

fn row(route: &Route) -> ([u16; 6], [u16; 5]) {
    let name = named(route.path);
    let found = ROWS
        .iter()
        .find(|(method, path, ..)| *method == route.method.as_str() && *path == name);
    let (.., at_pages, by_programs) =
        found.unwrap_or_else(|| panic!("{} {} is not in the table", route.method, route.path));
    (*at_pages, *by_programs)
}

/// Assets by their place: their address changes with their content.
fn named(path: &str) -> String {
    match path.strip_prefix("/console/assets/") {
        Some(rest) => format!("/console/assets/{{v}}/{}", rest.split('/').nth(1).unwrap()),
        None => path.to_owned(),
    }
}

/// Uses a route with something that is there and is good, so that only who asks matters.
async fn reach(house: &House, caller: Caller<'_>, route: &Route) -> u16 {
    let id = match route.path {
        path if path.contains("/requests/{id}") => house.asks(|_| {}).await.id.to_string(),
        path if path.contains("/grants/{id}") => house.grants().await.to_string(),
        path if path.contains("/locks/{id}") => lock(house).await,
        path if path.contains("/servers/{id}") => "files".to_owned(),
        _ => String::new(),
    };
    // Requests of many rows would come too fast.
    house.clock.advance(std::time::Duration::from_secs(30));
    let mut to = route.path.replace("{id}", &id);
    if to.ends_with("/explain") {
        to.push_str("?subject=ada&actor=agent&upstream=files&tool=write_file");
    }
    let body = match route.path.rsplit('/').next() {
        _ if route.method != Method::POST => Value::Null,
        Some(act) if route.path.contains("/servers/") => definition(house, act).await,
        Some("requests") => {
            json!({"actor": "agent", "upstream": "files", "name": "write_file", "grant": "time"})
        }
        Some("justify") => json!({"reason": "because"}),
        Some("locks" | "revocations") => json!({"kind": "run", "name": "a-run", "reason": "test"}),
        _ => json!({}),
    };
    let is_nobody = matches!(caller, Caller::Page(caller) if caller.is_nobody());
    let caller = match caller {
        Caller::Page(caller) => caller,
        Caller::Program(holder) => {
            let method = route.method.clone();
            return house
                .program(holder, method, &to, &body)
                .await
                .status()
                .as_u16();
        }
    };
    let reply = match route.method {
        Method::GET => house.get(caller, &to).await,
        Method::POST if !is_api(route.path) => {
            let fields = body.as_object().unwrap().iter();
            let fields: Vec<_> = fields
                .map(|(k, v)| format!("{k}={}", v.as_str().unwrap()))
                .collect();
            house.submit(caller, &to, &fields.join("&")).await
        }
        _ => house.call(caller, route.method.clone(), &to, &body).await,
    };
    let status = reply.status();
    if is_api(route.path) && (status.is_client_error() || status.is_server_error()) {
        let problem = document(&reply);
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        assert!(
            problem["title"].is_string() && problem["next"].is_string(),
            "{problem}"
        );
    }
    if status == StatusCode::SEE_OTHER {
        let to = reply.headers()["location"].to_str().unwrap();
        let leads_to_login = to.contains("/login?next=");
        let is_login = route.path == "/console/login";
        assert_eq!(leads_to_login, is_login || is_nobody, "{to}");
    }
    status.as_u16()
}

/// A definition that waits, or is approved where that is to be taken back.
async fn definition(house: &House, act: &str) -> Value {
    let raw = r#"{"name":"rm","description":"Deletes."}"#;
    let digest = house.shows("rm", raw).await;
    let mut body = json!({"kind": "tool", "name": "rm", "digest": digest, "reason": "test"});
    if act == "withdraw" {
        let cleo = house.log_in("acme", "cleo", &[]).await;
        let fields = format!("kind=tool&name=rm&digest={digest}&reason=test");
        // It may be approved already.
        house
            .submit(&cleo, "/console/servers/files/approve", &fields)
            .await;
        body.as_object_mut().unwrap().remove("digest");
    } else {
        let registrar = &house.rooms.registrar;
        let (acme, files) = (
            cardea_domain::TenantId::parse("acme").unwrap(),
            cardea_domain::UpstreamId::parse("files").unwrap(),
        );
        // It may have been approved by the caller before.
        let kind = cardea_registry::DefinitionKind::Tool;
        let _ = registrar
            .withdraw(&acme, &files, kind, "rm", "test", "test")
            .await;
    }
    body
}

async fn lock(house: &House) -> String {
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let body = json!({"kind": "run", "name": "locked", "reason": "test"});
    let set = house
        .call(&cleo, Method::POST, "/api/v1/locks", &body)
        .await;
    document(&set)["id"].as_str().unwrap().to_owned()
}
