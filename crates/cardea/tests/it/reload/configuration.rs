//! Upstreams and issuers come and go.

use cardea_testkit::identity_provider::IdentityProvider;

use super::*;

fn call_at(stage: &Stage, path: &str) -> Ask {
    Ask::modern(path, &tool_call(1, json!({}))).bearer(&stage.token)
}

#[tokio::test]
async fn a_new_upstream_appears_and_a_removed_one_goes() {
    let stage = Stage::start().await;
    let second = Echo::start().await.unwrap();
    let send = async || {
        call_at(&stage, "/mcp/second")
            .send(stage.gateway.address())
            .await
    };
    assert!(is_denied(&send().await));
    reconfigure(&stage.gateway, |config| {
        config["upstreams"]["second"] =
            json!({ "tenants": [TENANT], "http": { "url": second.url() } });
    });
    until("the second upstream answers", async || {
        is_permitted(&send().await).then_some(())
    })
    .await;
    assert_eq!(second.seen().len(), 1);
    reconfigure(&stage.gateway, |config| {
        config["upstreams"]
            .as_object_mut()
            .unwrap()
            .remove("second");
    });
    until("the second upstream is gone", async || {
        is_denied(&send().await).then_some(())
    })
    .await;
    assert!(
        is_permitted(&stage.call(&tool_call(1, json!({}))).await),
        "the first stayed"
    );
}

#[tokio::test]
async fn an_upstream_at_another_address_is_called_there() {
    let stage = Stage::start().await;
    assert!(is_permitted(&stage.call(&tool_call(1, json!({}))).await));
    let moved = Echo::start().await.unwrap();
    reconfigure(&stage.gateway, |config| {
        config["upstreams"][UPSTREAM]["http"]["url"] = moved.url().into();
    });
    until("a call at the new address", async || {
        assert!(is_permitted(&stage.call(&tool_call(2, json!({}))).await));
        (!moved.seen().is_empty()).then_some(())
    })
    .await;
    let before = stage.echo.seen().len();
    assert!(is_permitted(&stage.call(&tool_call(3, json!({}))).await));
    assert_eq!(
        stage.echo.seen().len(),
        before,
        "the old address is still called"
    );
}

#[tokio::test]
async fn an_upstream_taken_from_a_tenant_is_gone_for_it() {
    let stage = Stage::with(|setup| setup.tenant("globex").policy(PERMIT_ALL)).await;
    assert!(is_permitted(&stage.call(&tool_call(1, json!({}))).await));
    reconfigure(&stage.gateway, |config| {
        config["upstreams"][UPSTREAM]["tenants"] = json!(["globex"]);
    });
    until_call(
        &stage,
        "it is gone for demo",
        &tool_call(1, json!({})),
        is_denied,
    )
    .await;
}

#[tokio::test]
async fn the_tokens_of_a_removed_issuer_end_also_when_they_were_remembered() {
    let idp = IdentityProvider::start().await.unwrap();
    let entries = json!([{ "embedded": true }, idp.entry()]);
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("issuers", entries)).await;
    let claims = idp.claims(TENANT, "ada", &stage.gateway.url(UPSTREAM));
    let token = idp.token(&claims);
    let send = async || {
        let ask = ask(&tool_call(1, json!({}))).bearer(&token);
        ask.send(stage.gateway.address()).await
    };
    for _ in 0..2 {
        assert!(is_permitted(&send().await));
    }
    reconfigure(&stage.gateway, |config| {
        config["issuers"] = json!([{ "embedded": true }])
    });
    until("the issuer's tokens end", async || {
        (send().await.status == 401).then_some(())
    })
    .await;
    assert!(
        is_permitted(&stage.call(&tool_call(1, json!({}))).await),
        "the other issuer stays"
    );
}

#[tokio::test]
async fn keys_are_not_fetched_again_because_something_else_changed() {
    let idp = IdentityProvider::start().await.unwrap();
    let entries = json!([{ "embedded": true }, idp.entry()]);
    let stage = Stage::with(|setup| setup.set("issuers", entries)).await;
    let token = idp.token(&idp.claims(TENANT, "ada", &stage.gateway.url(UPSTREAM)));
    let send = async || {
        let ask = ask(&tool_call(1, json!({}))).bearer(&token);
        ask.send(stage.gateway.address()).await
    };
    assert!(is_denied(&send().await));
    put_policy(&stage.gateway, "all.cedar", PERMIT_ALL);
    until("the policy is in place", async || {
        is_permitted(&send().await).then_some(())
    })
    .await;
    assert_eq!(idp.key_fetches(), 1);
}

#[tokio::test]
async fn a_bad_configuration_is_refused_with_all_its_mistakes_and_the_old_one_stays() {
    let stage = Stage::start().await;
    let before = reloads(&stage.gateway, "refused").await;
    reconfigure(&stage.gateway, |config| {
        config["upstreams"][UPSTREAM]["tenants"] = json!(["dmeo"]);
        config["limits"] = json!({ "body_bytes_max": "1 parsec" });
        config["upstream"] = json!({});
    });
    until_refused(&stage.gateway, before).await;
    let log = stage.gateway.log();
    for told in [
        "did you mean `demo`?",
        "body_bytes_max",
        "did you mean `upstreams`?",
    ] {
        assert!(log.contains(told), "`{told}` is not in {log}");
    }
    assert!(is_permitted(&stage.call(&tool_call(1, json!({}))).await));

    let before = reloads(&stage.gateway, "refused").await;
    fs::remove_file(stage.gateway.config()).unwrap();
    until_refused(&stage.gateway, before).await;
    assert!(
        is_permitted(&stage.call(&tool_call(1, json!({}))).await),
        "without a file"
    );
}

#[tokio::test]
async fn what_needs_a_restart_is_said_so_and_stays() {
    let stage = Stage::start().await;
    reconfigure(&stage.gateway, |config| {
        config["listen"] = "127.0.0.1:1".into();
        config["workers"] = 7.into();
        config["limits"] = json!({ "body_bytes_max": 2000 });
    });
    let large = tool_call(1, json!({ "text": "a".repeat(3000) }));
    until_call(&stage, "the new limit holds", &large, |answer| {
        answer.status == 413
    })
    .await;
    let log = stage.gateway.log();
    for name in ["listen", "workers"] {
        assert!(
            log.contains(&format!("a change of `{name}` needs a restart")),
            "{log}"
        );
    }
    assert!(is_permitted(&stage.call(&tool_call(1, json!({}))).await));
}
