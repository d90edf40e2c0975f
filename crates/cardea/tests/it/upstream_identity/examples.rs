//! The verifiers of `docs/guides/verify-identity.md`, against a running gateway and its real keys.

#[path = "../../../../../examples/verify-identity/rust/verify.rs"]
#[allow(missing_docs, unreachable_pub, reason = "an example is read on a page")]
mod rust_example;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use jsonwebtoken::{EncodingKey, Header};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

use super::*;

const EXAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/verify-identity"
);

/// One call as a server sees it, and whether it should act on it.
struct Case {
    what: &'static str,
    statement: String,
    tool: &'static str,
    arguments: Value,
    is_good: bool,
}

/// A statement of a call of `echo` with these arguments, through a gateway upstream with this audience.
async fn statement(stage: &Stage, upstream: &str, token: &str, arguments: &Value) -> String {
    let message = tool_call(1, arguments.clone());
    let ask = Ask::modern(&format!("/mcp/{upstream}"), &message).bearer(token);
    let answer = ask.send(stage.gateway.address()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = stage.echo.seen_of("tools/call").pop().unwrap();
    seen.header("txn-token").expect("the header")
}

async fn examples_stage() -> Stage {
    let echo = Echo::start().await.unwrap();
    let told = |audience: &str, ttl: &str| json!({"tenants": [TENANT, "other"], "http": {"url": echo.url()}, "identity": {"audience": audience, "ttl": ttl}});
    let gateway = setup()
        .tenant("other")
        .upstream(UPSTREAM, told(AUDIENCE, "60s"))
        .upstream("elsewhere", told("https://elsewhere.example.com", "60s"))
        .upstream("brief", told(AUDIENCE, "5s"))
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

/// The calls that every verifier is asked about, in this order.
async fn cases(stage: &Stage) -> Vec<Case> {
    let arguments =
        json!({"query": "all recent issues", "limit": 50, "ratio": 0.5, "é": ["ü", null]});
    let fresh = || statement(stage, UPSTREAM, &stage.token, &arguments);
    // Made first, so that the others give it time to end.
    let brief = statement(stage, "brief", &stage.token, &arguments).await;
    let other_token = token_of(&stage.gateway, "other", "eve", "bot").await;
    let other_tenant = statement(stage, UPSTREAM, &other_token, &arguments).await;
    let elsewhere = statement(stage, "elsewhere", &stage.token, &arguments).await;
    let good = fresh().await;
    let case = |what, statement, is_good| Case {
        what,
        statement,
        tool: "echo",
        arguments: arguments.clone(),
        is_good,
    };
    let mut cases = vec![
        case("the right one", good.clone(), true),
        case("used before", good, false),
        case("another tenant", other_tenant, false),
        case("another audience", elsewhere, false),
        case("tampered", tampered(&fresh().await), false),
        case("alg none", unsigned(&fresh().await), false),
        case("another key", signed_by_another(&fresh().await), false),
        case("an access token", stage.token.clone(), false),
        case("nonsense", "a.b.c".to_owned(), false),
    ];
    cases.push(Case {
        arguments: json!({"query": "everything"}),
        ..case("other arguments", fresh().await, false)
    });
    cases.push(Case {
        tool: "delete",
        ..case("another tool", fresh().await, false)
    });
    until("the end of a statement", async || {
        let claims = payload(&brief);
        (claims["exp"].as_u64().unwrap() < now_s()).then_some(())
    })
    .await;
    cases.push(case("ended", brief, false));
    cases.push(case("the right one again", fresh().await, true));
    cases
}

fn now_s() -> u64 {
    cardea_domain::Clock::system().unix_s()
}

fn payload(statement: &str) -> Value {
    let part = statement.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// With another person in it.
fn tampered(statement: &str) -> String {
    let mut claims = payload(statement);
    claims["sub"] = "eve".into();
    let parts: Vec<_> = statement.split('.').collect();
    format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        parts[2]
    )
}

fn unsigned(statement: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"txntoken+jwt"}"#);
    format!("{header}.{}.", statement.split('.').nth(1).unwrap())
}

/// By a key of somebody else's under the gateway's key id.
fn signed_by_another(statement: &str) -> String {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
    let header = Header {
        typ: Some("txntoken+jwt".into()),
        kid: decode_header(statement).unwrap().kid,
        ..Header::new(Algorithm::ES256)
    };
    jsonwebtoken::encode(
        &header,
        &payload(statement),
        &EncodingKey::from_ec_der(key.as_ref()),
    )
    .unwrap()
}

/// Runs a verifier's `try` program over the cases and compares its verdicts.
async fn try_out(stage: &Stage, program: &Path, first_argument: PathBuf) {
    let address = stage.gateway.address();
    let mut child = Command::new(program)
        .arg(first_argument)
        .args([
            format!("http://{address}/.well-known/jwks.json"),
            format!("http://{address}"),
            AUDIENCE.to_owned(),
            TENANT.to_owned(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for case in cases(stage).await {
        let line = json!({"token": case.statement, "tool": case.tool, "arguments": case.arguments});
        input
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        input.flush().await.unwrap();
        let verdict = bounded("a verdict", lines.next_line())
            .await
            .unwrap()
            .expect("a verdict");
        let expected = if case.is_good {
            "accepted ada by bot"
        } else {
            "refused: "
        };
        assert!(verdict.starts_with(expected), "{}: {verdict}", case.what);
    }
}

/// Runs the installer of an example, which does nothing when that is there.
fn install(example: &str) -> PathBuf {
    let folder = Path::new(EXAMPLES).join(example).canonicalize().unwrap();
    let output = std::process::Command::new(folder.join("../install.sh"))
        .arg(example)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the example cannot be installed: {said}"
    );
    folder
}

#[tokio::test]
async fn the_python_verifier_accepts_the_right_statement_alone() {
    let folder = install("python");
    let stage = examples_stage().await;
    try_out(
        &stage,
        &folder.join(".venv/bin/python3"),
        folder.join("try.py"),
    )
    .await;
}

#[tokio::test]
async fn the_typescript_verifier_accepts_the_right_statement_alone() {
    let folder = install("typescript");
    let stage = examples_stage().await;
    try_out(&stage, Path::new("node"), folder.join("dist/try.js")).await;
}

#[tokio::test]
async fn the_rust_verifier_accepts_the_right_statement_alone() {
    let stage = examples_stage().await;
    let issuer = format!("http://{}", stage.gateway.address());
    let mut verifier = rust_example::Verifier::new(keys(&stage.gateway).await, &issuer, AUDIENCE);
    for case in cases(&stage).await {
        let verdict = verifier
            .verify(&case.statement, case.tool, &case.arguments, now_s())
            .and_then(|claims| match claims.tctx.tenant == TENANT {
                true => Ok((claims.sub, claims.act.sub)),
                false => Err("another tenant".to_owned()),
            });
        assert_eq!(verdict.is_ok(), case.is_good, "{}: {verdict:?}", case.what);
        if let Ok(names) = verdict {
            assert_eq!(names, ("ada".to_owned(), "bot".to_owned()));
        }
    }
}

#[test]
fn the_page_shows_the_examples_as_they_are() {
    let page = Path::new(EXAMPLES).join("../../docs/guides/verify-identity.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (file, language) in [
        ("python/verify.py", "python"),
        ("typescript/src/verify.ts", "typescript"),
        ("rust/verify.rs", "rust"),
    ] {
        let text = std::fs::read_to_string(Path::new(EXAMPLES).join(file)).unwrap();
        let shown = format!("<!-- examples/verify-identity/{file} -->\n```{language}\n{text}```\n");
        assert!(page.contains(&shown), "the page and {file} differ");
    }
}
