//! How a token is sent, and where it must never end up.

use super::{INVALID, Trust};
use crate::support::*;

#[tokio::test]
async fn a_token_comes_in_one_authorization_header_of_the_scheme_bearer() {
    let trust = Trust::start().await;
    let token = trust.idp.token(&trust.claims());
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        let answer = trust
            .send(trust.ask().set("authorization", format!("{scheme}{token}")))
            .await;
        assert_eq!(answer.status, 200, "`{scheme}`: {}", answer.text());
    }
    let twice = trust
        .ask()
        .bearer(&token)
        .add("authorization", format!("Bearer {token}"));
    let answer = trust.send(twice).await;
    trust.is_refusal("two headers", &answer, INVALID, "").await;
    for (value, code) in [
        (String::new(), INVALID),
        ("Bearer".to_owned(), "E_TOKEN_MISSING"),
        ("Bearer ".to_owned(), "E_TOKEN_MISSING"),
        (token.clone(), INVALID),
        (format!("Basic {token}"), INVALID),
        (format!("DPoP {token}"), "E_TOKEN_BINDING"),
        (format!("Bearer\t{token}"), INVALID),
        (format!("Bearer:{token}"), INVALID),
        (format!("Bearer {token} {token}"), INVALID),
        (format!("Bearer {token},Bearer {token}"), INVALID),
        (format!("Bearer \"{token}\""), INVALID),
    ] {
        let answer = trust.send(trust.ask().set("authorization", &value)).await;
        trust.is_refusal(&value, &answer, code, "").await;
    }
}

#[tokio::test]
async fn garbage_is_refused() {
    let trust = Trust::start().await;
    let good = trust.idp.token(&trust.claims());
    let header = &good[..good.find('.').unwrap()];
    for token in [
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "....".to_owned(),
        good.replace('.', ""),
        format!("{good}.{good}"),
        format!("{good}="),
        format!("{header}.e30."),
        format!("{header}.bnVsbA.AAAA"),
        format!("{header}.W10.AAAA"),
        "eyJhbGciOiJFUzI1NiJ9.e30.".to_owned(),
        "e30.e30.e30".to_owned(),
        "W10.W10.W10".to_owned(),
        good.replace('A', "+"),
        format!("{}%00", good),
    ] {
        if token != good {
            trust.refuses(&token, &token, INVALID, "").await;
        }
    }
    for bytes in [
        &b"Bearer \xff\xfe"[..],
        b"Bearer \xc3\x28.a.b",
        "Bearer ключ".as_bytes(),
    ] {
        let answer = trust.send(trust.ask().set("authorization", bytes)).await;
        trust
            .is_refusal("bytes that are no text", &answer, INVALID, "")
            .await;
    }
    assert!(trust.echo.seen().is_empty(), "something went upstream");
}

#[tokio::test]
async fn a_deeply_nested_token_costs_nothing_but_itself() {
    let trust = Trust::start().await;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let nested = URL_SAFE_NO_PAD.encode("[".repeat(5000));
    let token = format!("{nested}.{nested}.AAAA");
    trust.refuses("5000 levels", &token, INVALID, "").await;
    trust
        .accepts("the next one", &trust.idp.token(&trust.claims()))
        .await;
}

#[tokio::test]
async fn a_token_of_20_kb_is_refused_before_anything_is_read_of_it() {
    let trust = Trust::start().await;
    let size = |bytes: usize| {
        let claims = trust.claims_with("padding", json!("a".repeat(bytes)));
        trust.idp.token(&claims)
    };
    trust.accepts("8 KB", &size(6000)).await;
    let token = size(15_000);
    assert!(token.len() > 20_000);
    trust.refuses("20 KB", &token, INVALID, "longer than").await;
}

#[tokio::test]
async fn a_head_over_its_limit_is_refused_as_a_head() {
    for limit in [8, 16, 32] {
        let limits = json!({ "header_bytes_max": limit * 1024 });
        let trust = Trust::with(|setup| setup.set("limits", limits)).await;
        for bytes in [limit * 1024, limit * 1280, limit * 1700, limit * 4096] {
            let answer = trust.call(&"a".repeat(bytes)).await;
            assert_eq!(
                answer.status,
                431,
                "{bytes} bytes at {limit} KiB: {}",
                answer.text()
            );
        }
        // The line with the query counts as well.
        let path = format!("{PATH}?{}", "a".repeat(limit * 1280));
        let answer = trust
            .send(Ask::modern(&path, &tool_call(1, json!({}))))
            .await;
        assert_eq!(answer.status, 431, "at {limit} KiB: {}", answer.text());
    }
}

#[tokio::test]
async fn a_token_in_the_query_string_is_no_token() {
    let trust = Trust::start().await;
    let token = trust.idp.token(&trust.claims());
    for query in ["access_token", "token", "authorization"] {
        let path = format!("{PATH}?{query}={token}");
        let answer = trust
            .send(Ask::modern(&path, &tool_call(1, json!({}))))
            .await;
        trust
            .is_refusal(query, &answer, "E_TOKEN_MISSING", "")
            .await;
    }
    let form = Ask::post(PATH, format!("access_token={token}"))
        .set("content-type", "application/x-www-form-urlencoded");
    assert_eq!(trust.send(form).await.status, 415);
}

#[tokio::test]
async fn a_token_goes_no_further_than_the_gateway() {
    let trust = Trust::with(|setup| setup.set("telemetry", json!({ "log_level": "trace" }))).await;
    let good = trust.idp.token(&trust.claims());
    let bad = trust
        .idp
        .token(&trust.claims_with("aud", json!("elsewhere")));
    trust.accepts("good", &good).await;
    trust.refuses("bad", &bad, INVALID, "").await;
    let cookie = trust
        .ask()
        .bearer(&good)
        .set("cookie", format!("session={good}"));
    assert_eq!(trust.send(cookie).await.status, 200);
    for seen in trust.echo.seen() {
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("cookie"), None);
        assert!(!format!("{seen:?}").contains(&good), "in {seen:?}");
    }
    let mut written = trust.gateway.log();
    for file in audit_files(&trust.gateway) {
        written.push_str(&std::fs::read_to_string(file).unwrap());
    }
    for token in [&good, &bad] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!written.contains(signature), "a token was written down");
    }
}
