//! What 401 and 403 tell a client (RFC 6750, RFC 9728).

use super::Trust;
use crate::support::*;

#[tokio::test]
async fn a_challenge_leads_to_metadata_of_the_very_resource() {
    let trust = Trust::start().await;
    for upstream in [UPSTREAM, "other", "nowhere"] {
        let path = format!("/mcp/{upstream}");
        let answer = trust
            .send(Ask::modern(&path, &tool_call(1, json!({}))))
            .await;
        assert_eq!(answer.status, 401);
        let challenge = answer.header("www-authenticate").unwrap();
        let metadata = parameter(&challenge, "resource_metadata").unwrap();
        let document = fetch(&trust, &metadata).await;
        assert_eq!(
            document["resource"],
            trust.gateway.url(upstream),
            "{challenge}"
        );
        let servers = json!([trust.idp.issuer(), trust.second.issuer()]);
        assert_eq!(document["authorization_servers"], servers);
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        // RFC 9728, section 3.1: the well-known part stands between host and path.
        let origin = format!("http://{}", trust.gateway.address());
        let well_known = format!("{origin}/.well-known/oauth-protected-resource{path}");
        assert_eq!(metadata, well_known);
    }
}

#[tokio::test]
async fn the_gateway_as_a_whole_has_metadata_too() {
    let trust = Trust::start().await;
    let origin = format!("http://{}", trust.gateway.address());
    for path in ["", "/mcp"] {
        let url = format!("{origin}/.well-known/oauth-protected-resource{path}");
        assert_eq!(
            fetch(&trust, &url).await["resource"],
            format!("{origin}/mcp")
        );
    }
    let elsewhere = Ask::get("/.well-known/oauth-protected-resource/other");
    assert_eq!(trust.send(elsewhere).await.status, 404);
}

#[tokio::test]
async fn a_challenge_names_what_was_wrong_with_a_token_and_nothing_when_there_was_none() {
    let trust = Trust::start().await;
    let error = async |ask: Ask| {
        let answer = trust.send(ask).await;
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        parameter(&challenge, "error")
    };
    assert_eq!(error(trust.ask()).await, None);
    let invalid = Some("invalid_token".to_owned());
    assert_eq!(error(trust.ask().bearer("garbage")).await, invalid);
    let expired = trust.idp.token(&trust.claims_with("exp", json!(1)));
    assert_eq!(error(trust.ask().bearer(&expired)).await, invalid);
}

#[tokio::test]
async fn a_token_without_the_scopes_is_refused_with_all_that_are_needed() {
    let trust = Trust::start().await;
    let mut entry = trust.idp.entry();
    entry["required_scopes"] = json!(["mcp:use", "mcp:tools"]);
    let gateway = setup()
        .set("issuers", json!([entry]))
        .http_upstream(UPSTREAM, &trust.echo.url())
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let send = async |scope: Value| {
        let mut claims = trust.idp.claims(TENANT, "ada", &gateway.url(UPSTREAM));
        claims["scope"] = scope;
        let ask = trust.ask().bearer(&trust.idp.token(&claims));
        ask.send(gateway.address()).await
    };
    for scope in ["mcp:use mcp:tools", "openid mcp:tools mcp:use"] {
        assert_eq!(send(json!(scope)).await.status, 200, "{scope}");
    }
    for scope in [
        Value::Null,
        json!(""),
        json!("mcp:use"),
        json!("mcp:use mcp:tool"),
        json!("mcp:use mcp:toolsx"),
        json!("MCP:USE MCP:TOOLS"),
        json!("mcp:use,mcp:tools"),
    ] {
        let answer = send(scope.clone()).await;
        assert_eq!(answer.status, 403, "{scope}: {}", answer.text());
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            "E_SCOPE_INSUFFICIENT"
        );
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(
            parameter(&challenge, "error").unwrap(),
            "insufficient_scope"
        );
        assert_eq!(parameter(&challenge, "scope").unwrap(), "mcp:tools mcp:use");
        let metadata = parameter(&challenge, "resource_metadata").unwrap();
        assert!(metadata.ends_with("/mcp/echo"), "{challenge}");
        let record = record(&gateway, "denial", &call_id(&answer)).await;
        assert_eq!(record["denial"]["code"], "E_SCOPE_INSUFFICIENT");
    }
    let metadata = Ask::get("/.well-known/oauth-protected-resource/mcp/echo");
    let document = metadata.send(gateway.address()).await.json();
    assert_eq!(
        document["scopes_supported"],
        json!(["mcp:tools", "mcp:use"])
    );
}

#[tokio::test]
async fn a_challenge_is_not_split_by_what_stands_in_the_path() {
    let trust = Trust::start().await;
    for path in [
        "/mcp/a\"b",
        "/mcp/a%22b",
        "/mcp/a,b",
        "/mcp/a%0d%0aX-Evil:%201",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}",
            trust.gateway.address()
        );
        let answer = exchange(trust.gateway.address(), request.as_bytes())
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        let challenges: Vec<&str> = answer
            .lines()
            .filter(|line| line.starts_with("www-authenticate:"))
            .collect();
        assert!(!answer.contains("\r\nx-evil"), "{answer}");
        if answer.starts_with("http/1.1 401") {
            let [bearer, dpop] = challenges[..] else {
                panic!("{path}: {answer}")
            };
            assert_eq!(bearer.matches('"').count(), 2, "{path}: {bearer}");
            assert_eq!(dpop.matches('"').count(), 4, "{path}: {dpop}");
        } else {
            assert!(answer.starts_with("http/1.1 400"), "{path}: {answer}");
        }
    }
}

/// The document at a URL of the gateway.
async fn fetch(trust: &Trust, url: &str) -> Value {
    let origin = format!("http://{}", trust.gateway.address());
    let path = url
        .strip_prefix(&origin)
        .unwrap_or_else(|| panic!("{url} is elsewhere"));
    let answer = trust.send(Ask::get(path)).await;
    assert_eq!(answer.status, 200, "{url}: {}", answer.text());
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/json")
    );
    answer.json()
}

/// A parameter of a challenge.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let start = challenge.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = &challenge[start..];
    Some(rest[..rest.find('"')?].to_owned())
}
