//! What leaves: headers, documents that are as described, and texts of strangers that stay texts.

use std::collections::BTreeSet;

use http::{Method, header};
use serde_json::{Value, json};

use super::house::{House, document, text};
use crate::{openapi, pages};

/// Breaks out of elements, attributes, scripts, formulas; reorders; hides.
const PAYLOAD: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}\u{202e}\u{200b}\u{e0041}";

#[test]
fn the_described_api_is_the_one_that_is_checked_in() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/openapi.json"
    );
    let now = openapi::document();
    if std::env::var_os("CARDEA_UPDATE").is_some() {
        std::fs::write(path, format!("{now:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        kept == now,
        "docs/reference/openapi.json is not up to date: run this test with CARDEA_UPDATE=1"
    );
}

#[tokio::test]
async fn the_described_cookie_is_the_one_that_browsers_get() {
    let house = House::open().await;
    assert_eq!(
        house.authorization.session_cookie(),
        openapi::SESSION_COOKIE
    );
}

#[tokio::test]
async fn a_file_has_a_column_for_each_member() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    house.grants().await;
    let lock = json!({"kind": "run", "name": "a", "reason": "test"});
    house
        .call(&cleo, Method::POST, "/api/v1/locks", &lock)
        .await;
    for list in ["requests", "grants", "reach", "agents", "locks"] {
        let page = document(&house.get(&cleo, &format!("/api/v1/{list}")).await);
        let members = page["items"][0].as_object().unwrap().keys().cloned();
        let members: BTreeSet<_> = members.collect();
        let file = house
            .get(&cleo, &format!("/api/v1/{list}?format=csv"))
            .await;
        let first = text(&file).lines().next().unwrap();
        let columns: BTreeSet<_> = first.split(',').map(str::to_owned).collect();
        assert_eq!(columns, members, "{list}");
    }
}

#[test]
fn an_asset_has_its_version_in_its_address() {
    for (path, content) in [
        (pages::STYLE_PATH, pages::STYLE),
        (pages::SCRIPT_PATH, pages::SCRIPT),
        (pages::ICON_PATH, pages::ICON),
    ] {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
        let version: String = hash.as_ref()[..4]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(
            path.contains(&format!("/{version}/")),
            "{path} has to have {version}"
        );
    }
}

#[tokio::test]
async fn every_answer_forbids_what_no_page_needs() {
    let house = House::open().await;
    let ben = house.log_in("acme", "ben", &[]).await;
    for path in [
        "/console",
        "/console/requests",
        "/console/x",
        "/api/v1/requests",
        "/api/v1/x",
        pages::SCRIPT_PATH,
    ] {
        let reply = house.get(&ben, path).await;
        let header = |name: &str| reply.headers()[name].to_str().unwrap();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        let kept = header("cache-control");
        assert_eq!(
            kept.contains("immutable"),
            path == pages::SCRIPT_PATH,
            "{path}: {kept}"
        );
        assert!(
            !reply
                .headers()
                .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        );
    }
}

#[tokio::test]
async fn documents_are_as_they_are_described() {
    let house = House::open().await;
    let (ada, ben) = (
        house.log_in("acme", "ada", &[]).await,
        house.log_in("acme", "ben", &[]).await,
    );
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let request = house.asks(|_| {}).await;
    house.grants().await;
    let one = format!("/api/v1/requests/{}", request.id);
    let is = |name, path: &str, answer: &Value| check(&schema_of(name), path, answer);
    for (visitor, path, name) in [
        (&ada, "/api/v1/overview", "Overview"),
        (&cleo, "/api/v1/overview", "Overview"),
        (&ben, one.as_str(), "Request"),
        (
            &cleo,
            "/api/v1/explain?subject=ada&actor=agent&upstream=files&tool=write_file",
            "Explanation",
        ),
    ] {
        is(name, path, &document(&house.get(visitor, path).await));
    }
    let approve = format!("{one}/approve");
    let approved = house
        .call(
            &ben,
            Method::POST,
            &approve,
            &json!({"minutes": 5, "reason": "fine"}),
        )
        .await;
    is("Request", &approve, &document(&approved));
    let lock = json!({"kind": "tool", "name": "files/x", "minutes": 5, "reason": "test"});
    let locked = house
        .call(&cleo, Method::POST, "/api/v1/locks", &lock)
        .await;
    is("Lock", "/api/v1/locks", &document(&locked));
    let problem = house
        .call(&ben, Method::POST, &approve, &json!({"hours": 5}))
        .await;
    is("Problem", &approve, &document(&problem));
    for (path, name) in [
        ("/api/v1/requests", "Request"),
        ("/api/v1/grants?state=any", "Grant"),
        ("/api/v1/reach", "Reach"),
        ("/api/v1/reach?why=entitlement", "Reach"),
        ("/api/v1/reach?why=policy&upstream=files", "Reach"),
        ("/api/v1/agents", "Agent"),
        ("/api/v1/locks", "Lock"),
    ] {
        let page = document(&house.get(&cleo, path).await);
        let items = page["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{path}");
        for item in items {
            is(name, path, item);
        }
    }
    let scope = json!({"kind": "tenant", "reason": "test"});
    let revoked = house
        .call(&cleo, Method::POST, "/api/v1/revocations", &scope)
        .await;
    is("Revocation", "/api/v1/revocations", &document(&revoked));
}

fn schema_of(name: &str) -> Value {
    let described = openapi::document();
    let mut schema = described["components"]["schemas"][name].clone();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}

fn check(schema: &Value, path: &str, answer: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let wrong: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{path}: {wrong:?} in {answer}");
}

#[tokio::test]
async fn what_models_and_servers_wrote_stays_text_on_every_page() {
    let mut house = House::open().await;
    std::sync::Arc::get_mut(&mut house.rooms)
        .unwrap()
        .description = PAYLOAD.into();
    let name: String = PAYLOAD.chars().filter(|c| !c.is_control()).collect();
    let request = house
        .asks(|wish| {
            wish.reason = PAYLOAD.into();
            wish.model = name.clone();
            wish.subject = format!("a{name}");
            wish.actor = format!("b{name}");
            wish.run = format!("c{name}");
            wish.tool = format!("write{name}");
            wish.arguments = json!({PAYLOAD: [PAYLOAD, {"x": PAYLOAD}]}).to_string();
        })
        .await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let ben = house.log_in("acme", "ben", &["<b>group</b>"]).await;
    let lock = json!({"kind": "actor", "name": name, "reason": PAYLOAD});
    house
        .call(&cleo, Method::POST, "/api/v1/locks", &lock)
        .await;
    let one = format!("/console/requests/{}", request.id);
    for visitor in [&cleo, &ben] {
        for path in [
            "/console",
            "/console/requests",
            &one,
            "/console/agents",
            "/console/locks",
            "/console/reach",
        ] {
            let reply = house.get(visitor, path).await;
            let page = text(&reply);
            let scripts = page.matches("<script").count();
            assert!(scripts <= 1, "{path}: {page}");
            for raw in [
                "<img",
                "alert(1)</script>",
                "\u{202e}",
                "\u{200b}",
                "\u{e0041}",
                "<b>",
            ] {
                assert!(!page.contains(raw), "{path}: {raw}: {page}");
            }
        }
    }
    let page = house.get(&ben, &one).await;
    assert!(text(&page).contains("\\u{202e}"), "what is hidden is shown");
    // In the query, too.
    let odd = "/console/requests?subject=%22%3E%3Cimg%20src=x%3E";
    assert!(!text(&house.get(&cleo, odd).await).contains("<img"));
}
