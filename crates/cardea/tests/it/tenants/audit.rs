//! A log for each tenant: what is in it, and what happens when one of them is full.

use cardea_testkit::identity_provider::IdentityProvider;

use super::house::{ACME, GLOBEX};
use crate::{protocol::code_of, support::*};

async fn two_tenants(change: impl FnOnce(Setup) -> Setup) -> (Echo, Gateway, [String; 2]) {
    let echo = Echo::start().await.unwrap();
    let setup = setup()
        .set(
            "tenants",
            json!({ACME: {}, GLOBEX: {"audit": {"arguments": "digest"}}}),
        )
        .upstream(
            UPSTREAM,
            json!({"tenants": [ACME, GLOBEX], "http": {"url": echo.url()}}),
        )
        .policy(PERMIT_ALL);
    let gateway = change(setup).start().await.unwrap();
    let acme = token_of(&gateway, ACME, "ada", "bot").await;
    let globex = token_of(&gateway, GLOBEX, "ada", "bot").await;
    (echo, gateway, [acme, globex])
}

async fn call(gateway: &Gateway, token: &str, arguments: Value) -> Answer {
    let ask = ask(&tool_call(1, arguments)).bearer(token);
    ask.send(gateway.address()).await
}

#[tokio::test]
async fn each_record_is_in_its_tenants_log_and_in_no_other() {
    let (_echo, gateway, [acme, globex]) = two_tenants(|setup| setup).await;
    for token in [&acme, &globex, &acme] {
        assert_eq!(call(&gateway, token, json!({"a": 1})).await.status, 200);
    }
    let nobody = ask(&tool_call(1, json!({}))).send(gateway.address()).await;
    assert_eq!(nobody.status, 401);
    let told = |tenant: Option<&str>| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        records_in(&gateway, tenant)
            .iter()
            .map(|record| (text(&record["kind"]), text(&record["tenant"])))
            .collect()
    };
    let pair = |kind: &str, tenant: &str| (kind.to_owned(), tenant.to_owned());
    assert_eq!(told(None), [pair("event", ""), pair("denial", "")]);
    let once = |tenant| [pair("intent", tenant), pair("outcome", tenant)];
    let expected = |times: usize, tenant| {
        let mut all = vec![pair("event", "")];
        (0..times).for_each(|_| all.extend(once(tenant)));
        all
    };
    assert_eq!(told(Some(ACME)), expected(2, ACME));
    assert_eq!(told(Some(GLOBEX)), expected(1, GLOBEX));
    // Each keeps of the arguments what its own settings say.
    let arguments = |tenant| records_in(&gateway, Some(tenant))[1]["arguments"].clone();
    assert_eq!(arguments(ACME)["json"], json!({"a": 1}));
    assert_eq!(arguments(GLOBEX)["json"], Value::Null);
    assert_eq!(arguments(GLOBEX)["sha256"], arguments(ACME)["sha256"]);
    sound_records(&gateway);
}

/// Whose token it is, is known, though it is good for nothing here.
#[tokio::test]
async fn a_token_for_another_resource_is_recorded_in_its_tenants_log() {
    let idp = IdentityProvider::start().await.unwrap();
    let gateway = setup()
        .set("tenants", json!({ACME: {}, GLOBEX: {}}))
        .set("issuers", json!([idp.entry()]))
        .start()
        .await
        .unwrap();
    let claims = idp.claims(ACME, "ada", "https://elsewhere.example/mcp");
    let answer = call(&gateway, &idp.token(&claims), json!({})).await;
    assert_eq!(answer.status, 401);
    let id = call_id(&answer);
    let has = |tenant| {
        let records = records_in(&gateway, tenant);
        records.iter().any(|record| record["call"] == *id)
    };
    assert_eq!(
        (has(Some(ACME)), has(Some(GLOBEX)), has(None)),
        (true, false, false)
    );
}

#[tokio::test]
async fn a_full_log_refuses_the_calls_of_its_tenant_alone_and_health_says_whose() {
    // As the shell counts, each file may have 64 or 128 KiB.
    let (echo, gateway, [acme, globex]) = two_tenants(|setup| {
        setup
            .shell("trap '' XFSZ; ulimit -S -f 128")
            .set("audit", json!({"rotate_bytes": "1GiB"}))
    })
    .await;
    let large = json!({"padding": "x".repeat(3000)});
    let refusal = until("a full log", async || {
        let answer = call(&gateway, &acme, large.clone()).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert_eq!(code_of(&refusal), "E_AUDIT_UNAVAILABLE");
    let effects = echo.seen_of("tools/call").len();
    assert_eq!(call(&gateway, &acme, large.clone()).await.status, 503);
    assert_eq!(echo.seen_of("tools/call").len(), effects);

    for _ in 0..3 {
        assert_eq!(call(&gateway, &globex, json!({"a": 1})).await.status, 200);
    }
    let ready = Ask::get("/readyz").send(gateway.admin_address()).await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    let told = "the audit log of the tenant `acme` cannot be written";
    assert!(ready.text().contains(told), "{}", ready.text());
    // Whoever is no administrator learns nothing of tenants.
    let outside = Ask::get("/readyz").send(gateway.address()).await;
    assert_eq!((outside.status, outside.text().as_str()), (200, "ok\n"));
    let ok = async |tenant: &str| {
        let label = format!("tenant=\"{tenant}\"");
        metric(&gateway, "cardea_audit_ok", &[&label]).await
    };
    assert_eq!(
        (ok(ACME).await, ok(GLOBEX).await, ok("").await),
        (0.0, 1.0, 1.0)
    );
    sound_records(&gateway);
}

#[tokio::test]
async fn a_log_that_was_changed_is_told_with_whose_it_is() {
    let (_echo, mut gateway, [acme, _]) = two_tenants(|setup| setup).await;
    call(&gateway, &acme, json!({})).await;
    gateway.kill().unwrap();
    let folder = audit_folder(&gateway, Some(ACME));
    let file = audit_files(&gateway)
        .into_iter()
        .find(|f| f.starts_with(&folder));
    let file = file.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"ada\"", "\"eva\"", 1)).unwrap();
    let error = gateway.start_again().await.unwrap_err().to_string();
    assert!(
        error.contains("the audit log of the tenant `acme`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_tenants_scrape_shows_its_own_series_alone() {
    let (_echo, gateway, [acme, globex]) = two_tenants(|setup| setup).await;
    for token in [&acme, &globex] {
        call(&gateway, token, json!({})).await;
    }
    let scrape = async |query: &str| {
        let path = format!("/metrics{query}");
        Ask::get(&path).send(gateway.admin_address()).await
    };
    let own = scrape("?tenant=acme").await.text();
    let samples: Vec<&str> = own.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.len() > 10, "{own}");
    for sample in samples {
        assert!(sample.contains(r#"tenant="acme""#), "{sample}");
    }
    assert!(!own.contains(GLOBEX), "{own}");
    assert!(own.ends_with("# EOF\n"));
    for bad in ["?tenant=Acme", "?tenant=acme&x", "?x"] {
        assert_eq!(scrape(bad).await.status, 400, "{bad}");
    }
}
