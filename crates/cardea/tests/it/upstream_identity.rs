//! Who calls, told to the server in a statement that it can verify.
//!
//! | module | what it shows |
//! |---|---|
//! | here | what the statement says, and that nobody else can make one |
//! | `examples` | the verifiers of `docs/guides/verify-identity.md`, against a running gateway |

mod examples;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};

use crate::{clients::installed, support::*};

const META: &str = "dev.cardea/identity";
const AUDIENCE: &str = "https://tickets.example.com";

/// A gateway that tells [`UPSTREAM`] who calls.
async fn stage() -> Stage {
    let echo = Echo::start().await.unwrap();
    let url = echo.url();
    let gateway = setup()
        .upstream(
            UPSTREAM,
            json!({"tenants": [TENANT], "http": {"url": url}, "identity": {"audience": AUDIENCE}}),
        )
        .http_upstream("silent", &url)
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    Stage {
        echo,
        gateway,
        token,
    }
}

async fn keys(gateway: &Gateway) -> JwkSet {
    let answer = Ask::get("/.well-known/jwks.json")
        .send(gateway.address())
        .await;
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// The claims of a statement, verified.
async fn verified(gateway: &Gateway, statement: &str) -> Value {
    let keys = keys(gateway).await;
    let header = decode_header(statement).unwrap();
    assert_eq!(header.typ.as_deref(), Some("txntoken+jwt"));
    let key = keys
        .find(&header.kid.expect("a kid"))
        .expect("a published key");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[AUDIENCE]);
    decode::<Value>(statement, &DecodingKey::from_jwk(key).unwrap(), &validation)
        .unwrap()
        .claims
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

#[tokio::test]
async fn a_server_learns_who_calls_and_can_verify_it() {
    let stage = stage().await;
    let answer = stage
        .call(&tool_call("who", json!({"z": 1.0, "a": "\u{e9}"})))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let seen = stage.echo.seen_of("tools/call").pop().unwrap();
    let statement = seen.header("txn-token").expect("the header");
    assert_eq!(seen.message()["params"]["_meta"][META], statement);
    let claims = verified(&stage.gateway, &statement).await;
    let record = stage.record_by_id("intent", &json!("who")).await;
    assert_eq!(claims["iss"], format!("http://{}", stage.gateway.address()));
    assert_eq!(claims["txn"], record["call"]);
    assert_eq!(
        (&claims["sub"], &claims["act"]["sub"]),
        (&json!("ada"), &json!("bot"))
    );
    assert_eq!(claims["scope"], "tools/call");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        60
    );
    let context = &claims["tctx"];
    assert_eq!(context["tenant"], TENANT);
    assert_eq!(
        (&context["upstream"], &context["tool"]),
        (&json!(UPSTREAM), &json!("echo"))
    );
    assert_eq!(context["run"], record["run"]);
    assert_eq!(context["args_sha256"], sha256("{\"a\":\"\u{e9}\",\"z\":1}"));
    // It is the gateway's to make and not for its records.
    assert!(!record.to_string().contains(&statement), "{record:#}");
}

#[tokio::test]
async fn every_request_has_a_statement_of_its_own() {
    let stage = stage().await;
    for message in [
        modern(1, "tools/list", json!({})),
        modern(2, "resources/read", json!({"uri": "file:///a.txt"})),
        modern(3, "prompts/get", json!({"name": "greet"})),
        json!({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}),
        legacy(5, "tools/call", json!({"name": "echo", "_meta": null})),
    ] {
        let answer = stage.call(&message).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let mut calls = Vec::new();
    for seen in stage.echo.seen() {
        let statement = seen.header("txn-token").expect("the header");
        assert_eq!(seen.message()["params"]["_meta"][META], statement);
        let claims = verified(&stage.gateway, &statement).await;
        let has_digest = matches!(seen.method().as_str(), "tools/call" | "prompts/get");
        assert_eq!(claims["tctx"]["args_sha256"].is_string(), has_digest);
        if has_digest {
            assert_eq!(claims["tctx"]["args_sha256"], sha256("{}"));
        }
        calls.push(claims["txn"].to_string());
    }
    calls.sort();
    calls.dedup();
    assert_eq!(calls.len(), 5);
}

#[tokio::test]
async fn a_client_cannot_say_who_it_is_in_the_gateways_place() {
    let stage = stage().await;
    stage.call(&tool_call(1, json!({}))).await;
    let stolen = stage.echo.seen_of("tools/call")[0]
        .header("txn-token")
        .unwrap();
    stage.echo.forget();
    let mut own = tool_call("own", json!({}));
    own["params"]["_meta"][META] = stolen.clone().into();
    // Wherever the upstream is told or not: a server that looks must find nothing of a client's.
    for path in [PATH, "/mcp/silent"] {
        let answer = Ask::modern(path, &own)
            .bearer(&stage.token)
            .send(stage.gateway.address())
            .await;
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            "E_PARAMS_INVALID",
            "{path}"
        );
    }
    let header = stage
        .ask(&tool_call(2, json!({})))
        .set("Txn-Token", &stolen);
    let answer = header.send(stage.gateway.address()).await;
    assert_eq!(answer.json()["error"]["data"]["code"], "E_PARAMS_INVALID");
    assert!(stage.echo.seen().is_empty());

    // Nor is a statement good for anything at the gateway.
    let answer = ask(&tool_call(3, json!({})))
        .bearer(&stolen)
        .send(stage.gateway.address())
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn what_has_no_one_reading_is_not_signed() {
    let stage = stage().await;
    for arguments in [
        r#"{"n":9007199254740993}"#,
        r#"{"s":"\ud800"}"#,
        r#"{"n":1e999}"#,
    ] {
        let body = tool_call(1, json!({"x": "PUT"}))
            .to_string()
            .replace(r#"{"x":"PUT"}"#, arguments);
        let answer = stage
            .ask(&tool_call(1, json!({})))
            .body(body)
            .send(stage.gateway.address())
            .await;
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            "E_PARAMS_INVALID",
            "{arguments}"
        );
    }
    assert!(stage.echo.seen().is_empty());
}

#[tokio::test]
async fn a_server_on_its_standard_streams_learns_it_from_the_message() {
    let clients = installed();
    let gateway = setup()
        .upstream(
            "tickets",
            json!({
                "tenants": [TENANT],
                "stdio": {"command": clients.join(".venv/bin/python3"), "args": [clients.join("ticket_server.py"), "--stdio"]},
                "identity": {"audience": AUDIENCE},
            }),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    let message = modern(1, "tools/call", json!({"name": "whoami", "arguments": {}}));
    let answer = Ask::modern("/mcp/tickets", &message)
        .bearer(&token)
        .send(gateway.address())
        .await;
    let result = &answer.json()["result"]["structuredContent"];
    let statement = result["meta"][META]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.text()));
    let claims = verified(&gateway, statement).await;
    assert_eq!(claims["tctx"]["tool"], "whoami");
}
