//! `/healthz`, `/readyz`, and what is not there.

use super::*;

#[tokio::test]
async fn health_and_readiness_are_told_on_both_listeners_without_a_token() {
    let stage = Stage::start().await;
    for address in [stage.gateway.address(), stage.gateway.admin_address()] {
        for path in ["/healthz", "/readyz"] {
            let answer = Ask::get(path).send(address).await;
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, "ok\n"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn metrics_are_for_administrators_only() {
    let stage = Stage::start().await;
    assert_eq!(admin_status(&stage.gateway, "/metrics").await, 200);
    for path in ["/metrics", "/metrics/", "/", "/mcp", "/mcp/", "/admin"] {
        let answer = Ask::get(path).send(stage.gateway.address()).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("cardea_"), "{path}");
    }
}

#[tokio::test]
async fn the_administrators_listener_only_reads() {
    let stage = Stage::start().await;
    let admin = stage.gateway.admin_address();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/metrics", "/readyz", "/mcp/echo"] {
            assert_eq!(
                Ask::new(method, path).send(admin).await.status,
                405,
                "{method} {path}"
            );
        }
    }
    for path in ["/", "/mcp/echo", "/metrics/x"] {
        assert_eq!(admin_status(&stage.gateway, path).await, 404, "{path}");
    }
    assert!(stage.echo.seen().is_empty());
}

#[tokio::test]
async fn only_hosts_that_are_the_gateways_own_are_answered() {
    let stage = Stage::start().await;
    let call = tool_call(1, json!({}));
    let answer = stage
        .ask(&call)
        .set("host", "evil.example")
        .send(stage.gateway.address())
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["data"]["code"], "E_HOST_FORBIDDEN");
    let answer = stage
        .ask(&call)
        .set("origin", "https://evil.example")
        .send(stage.gateway.address())
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["data"]["code"], "E_ORIGIN_FORBIDDEN");
    assert!(stage.echo.seen().is_empty());
}

/// Workers share one address by `SO_REUSEPORT`; a second gateway must not get half of the calls by it unnoticed, with
/// other policies and another log.
#[tokio::test]
async fn a_second_gateway_on_the_same_address_does_not_start() {
    let stage = Stage::start().await;
    let taken = stage.gateway.address().to_string();
    let second = setup().set("listen", taken.clone().into()).start().await;
    let error = second.map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("cannot listen on {taken}")),
        "{error}"
    );
    for n in 0..20 {
        assert_eq!(stage.call(&tool_call(n, json!({}))).await.status, 200);
    }
}
