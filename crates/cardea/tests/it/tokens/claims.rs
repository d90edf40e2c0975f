//! Times, audience, and who the token says it is for.

use cardea_testkit::identity_provider::unix_s;

use super::{INVALID, Trust};
use crate::support::*;

#[tokio::test]
async fn a_token_is_good_for_the_gateway_or_the_upstream_it_was_issued_for() {
    let trust = Trust::start().await;
    let origin = format!("http://{}", trust.gateway.address());
    for audience in [
        json!(format!("{origin}/mcp")),
        json!(format!("{origin}/mcp/echo")),
        json!(["https://elsewhere.example", format!("{origin}/mcp/echo")]),
    ] {
        let token = trust.idp.token(&trust.claims_with("aud", audience.clone()));
        trust.accepts(&audience.to_string(), &token).await;
    }
    for audience in [
        json!(format!("{origin}/mcp/other")),
        json!(format!("{origin}/mcp/ech")),
        json!(format!("{origin}/mcp/echo2")),
        json!(origin),
        json!(format!("{origin}/")),
        json!("/mcp/echo"),
        json!("https://elsewhere.example"),
        json!([]),
        json!(["https://elsewhere.example"]),
        json!([[format!("{origin}/mcp/echo")]]),
        json!({ "aud": format!("{origin}/mcp/echo") }),
        json!(7),
        json!("*"),
        json!(""),
        Value::Null,
    ] {
        let token = trust.idp.token(&trust.claims_with("aud", audience.clone()));
        trust
            .refuses(&audience.to_string(), &token, INVALID, "issued for")
            .await;
    }
}

#[tokio::test]
async fn a_token_for_one_upstream_does_not_become_good_for_another_by_being_remembered() {
    let trust = Trust::start().await;
    let token = trust.idp.token(&trust.claims());
    trust.accepts("at its own upstream", &token).await;
    let elsewhere = Ask::modern("/mcp/other", &tool_call(1, json!({}))).bearer(&token);
    let answer = trust.send(elsewhere).await;
    trust
        .is_refusal("at the other", &answer, INVALID, "issued for")
        .await;
    trust.accepts("at its own again", &token).await;
}

#[tokio::test]
async fn a_token_is_good_between_its_times_only() {
    let trust = Trust::start().await;
    let now = unix_s();
    for (name, value) in [
        ("exp", json!(now + 60)),
        ("exp", json!(now as f64 + 60.5)),
        ("nbf", json!(now - 10)),
        ("nbf", json!(now + 5)),
        ("iat", Value::Null),
    ] {
        let token = trust.idp.token(&trust.claims_with(name, value.clone()));
        trust.accepts(&format!("{name} {value}"), &token).await;
    }
    for exp in [json!(now - 1), json!(now - 100_000), json!(1), json!(0)] {
        let token = trust.idp.token(&trust.claims_with("exp", exp.clone()));
        trust
            .refuses(&format!("exp {exp}"), &token, "E_TOKEN_EXPIRED", " s ago")
            .await;
    }
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!((now + 600).to_string())),
        ("exp", json!(-1)),
        ("exp", json!([now + 600])),
        ("exp", json!(1e300)),
        ("nbf", json!(now + 600)),
        ("iat", json!(now + 600)),
    ] {
        let token = trust.idp.token(&trust.claims_with(name, value.clone()));
        trust
            .refuses(&format!("{name} {value}"), &token, INVALID, name)
            .await;
    }
}

/// RFC 7519, section 4.1.5: a token before its time must not be accepted; one that nobody can read is none to ignore.
#[tokio::test]
async fn a_not_before_that_is_no_number_is_not_passed_over() {
    let trust = Trust::start().await;
    let soon = unix_s() + 600;
    for (value, reason) in [
        (json!(soon.to_string()), "nbf"),
        (json!(1e300), "nbf"),
        (json!([soon]), ""),
        (json!({ "at": soon }), ""),
    ] {
        let token = trust.idp.token(&trust.claims_with("nbf", value.clone()));
        trust
            .refuses(&format!("nbf {value}"), &token, INVALID, reason)
            .await;
    }
}

#[tokio::test]
async fn a_remembered_token_ends_when_it_says() {
    let trust = Trust::start().await;
    let token = trust
        .idp
        .token(&trust.claims_with("exp", json!(unix_s() + 6)));
    trust.accepts("while it lasts", &token).await;
    let refused = until("the end of a token of six seconds", async || {
        Some(trust.call(&token).await).filter(|answer| answer.status != 200)
    })
    .await;
    trust
        .is_refusal("afterwards", &refused, "E_TOKEN_EXPIRED", " s ago")
        .await;
}

#[tokio::test]
async fn a_token_that_does_not_say_who_and_for_whom_is_refused() {
    let trust = Trust::start().await;
    trust
        .accepts("a good token", &trust.idp.token(&trust.claims()))
        .await;
    for list in [json!(["demo"]), json!(["unknown", "demo"])] {
        let token = trust.idp.token(&trust.claims_with("tenant", list));
        trust.accepts("a list with one known tenant", &token).await;
    }
    let long = "a".repeat(256);
    for (name, value, reason) in [
        ("sub", Value::Null, "(subject)"),
        ("sub", json!(""), "subject"),
        ("sub", json!(7), "(subject)"),
        ("sub", json!(["ada"]), ""),
        ("sub", json!("ada\nroot"), "subject"),
        ("sub", json!(long), "subject"),
        ("client_id", Value::Null, "(actor)"),
        ("client_id", json!(""), "actor"),
        ("client_id", json!("bot\u{0}"), "actor"),
        ("tenant", Value::Null, "(tenant)"),
        ("tenant", json!(""), "not a known tenant"),
        ("tenant", json!("Demo"), "not a known tenant"),
        ("tenant", json!("demo "), "not a known tenant"),
        ("tenant", json!("unknown"), "not a known tenant"),
        ("tenant", json!(["Demo", "unknown"]), "not a known tenant"),
        ("tenant", json!(["demo", 7]), "(tenant)"),
        ("tenant", json!({ "id": "demo" }), "(tenant)"),
    ] {
        let token = trust.idp.token(&trust.claims_with(name, value.clone()));
        trust
            .refuses(&format!("{name} {value}"), &token, INVALID, reason)
            .await;
    }
}

#[tokio::test]
async fn the_actor_is_the_strongest_claim_that_names_one() {
    let trust = Trust::start().await;
    let mut claims = trust.claims();
    claims["azp"] = "third".into();
    claims["client_id"] = "second".into();
    claims["act"] = json!({ "sub": "first" });
    let mut expected = Vec::new();
    for (claim, actor) in [("act", "first"), ("client_id", "second"), ("azp", "third")] {
        trust.accepts(actor, &trust.idp.token(&claims)).await;
        claims.as_object_mut().unwrap().remove(claim);
        expected.push(actor);
    }
    let mut recorded: Vec<Value> = records(&trust.gateway);
    recorded.retain(|record| record["kind"] == "outcome");
    let actors: Vec<&Value> = recorded.iter().map(|record| &record["actor"]).collect();
    assert_eq!(actors, expected);
    trust
        .refuses(
            "none of them",
            &trust.idp.token(&claims),
            INVALID,
            "(actor)",
        )
        .await;
}
