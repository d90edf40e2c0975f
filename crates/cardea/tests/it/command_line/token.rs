//! `cardea token`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

const ADA: [&str; 7] = [
    "token",
    "--tenant",
    "acme",
    "--subject",
    "ada",
    "--actor",
    "bot",
];

/// Header and claims.
fn read(token: &str) -> [Value; 2] {
    let mut parts = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

fn with(more: &[&'static str]) -> Vec<&'static str> {
    ADA.iter().chain(more).copied().collect()
}

#[test]
fn the_token_is_all_that_is_printed() {
    let ended = Desk::good().run(&ADA).succeeded();
    assert_eq!(ended.err, "");
    let token = ended.out.strip_suffix('\n').unwrap();
    assert_eq!(token.matches('.').count(), 2);
    assert!(!token.contains(char::is_whitespace), "{token}");
}

#[test]
fn the_token_says_who_for_how_long_and_for_what() {
    let desk = Desk::good();
    let args = with(&["--ttl", "90s", "--task", "tidy \"up\" — now"]);
    let [header, claims] = read(desk.run(&args).succeeded().out.trim());
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("ES256"), &json!("at+jwt"))
    );
    for (name, value) in [
        ("iss", "http://127.0.0.1:8808"),
        ("aud", "http://127.0.0.1:8808/mcp"),
        ("tenant", "acme"),
        ("sub", "ada"),
        ("client_id", "bot"),
        ("task", "tidy \"up\" — now"),
    ] {
        assert_eq!(claims[name], value);
    }
    assert_eq!(claims["act"]["sub"], "bot");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        90
    );

    let [_, plain] = read(desk.run(&ADA).succeeded().out.trim());
    assert_eq!(
        plain["exp"].as_u64().unwrap() - plain["iat"].as_u64().unwrap(),
        600
    );
    assert_ne!(
        plain["sid"], claims["sid"],
        "each token is a run of its own"
    );
    assert_ne!(plain["jti"], claims["jti"]);
    assert!(plain.get("task").is_none());
    assert!(plain.get("groups").is_none());

    let [_, grouped] = read(
        desk.run(&with(&["--group", "ops", "--group", "on call"]))
            .succeeded()
            .out
            .trim(),
    );
    assert_eq!(grouped["groups"], json!(["ops", "on call"]));

    let [_, narrow] = read(
        desk.run(&with(&["--upstream", "files"]))
            .succeeded()
            .out
            .trim(),
    );
    assert_eq!(narrow["aud"], "http://127.0.0.1:8808/mcp/files");
}

#[test]
fn a_token_lives_from_a_second_to_a_day() {
    let desk = Desk::good();
    for good in ["1s", "24h", "1440m", "86400s"] {
        desk.run(&with(&["--ttl", good])).succeeded();
    }
    for bad in [
        "0s",
        "25h",
        "86401s",
        "10",
        "1d",
        "-1s",
        "1.5h",
        "",
        "s",
        "99999999999999999999h",
    ] {
        let args: Vec<_> = ADA
            .into_iter()
            .map(str::to_owned)
            .chain([format!("--ttl={bad}")])
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = desk.run(&args);
        assert_eq!(ended.status, 2, "{bad}: {}{}", ended.out, ended.err);
        assert_eq!(ended.out, "", "{bad}");
        assert!(ended.err.contains("--ttl"), "{bad}: {}", ended.err);
    }
}

#[test]
fn nothing_is_signed_for_a_tenant_that_is_not_the_embedded_issuers() {
    let desk = Desk::good();
    for tenant in ["acmee", "globex"] {
        let mut args = ADA;
        args[2] = tenant;
        desk.run(&args).refused(&[tenant, "it signs for: acme"]);
    }
    let mut args = ADA;
    args[2] = "AC ME";
    desk.run(&args)
        .refused(&["`AC ME` is not a valid tenant id"]);
    assert!(
        !desk.folder().join(".state").exists(),
        "a key was made for nothing"
    );
}

#[test]
fn what_cannot_be_a_name_is_refused() {
    let desk = Desk::good();
    for (at, value, told) in [
        (4, "", "subject id"),
        (4, "ada\nroot", "subject id"),
        (6, "", "actor id"),
        (6, "bot\u{1b}[31m", "actor id"),
    ] {
        let mut args = ADA;
        args[at] = value;
        desk.run(&args).refused(&[told]);
    }
    desk.run(&with(&["--upstream", "fils"]))
        .refused(&["`fils`"]);
}

#[test]
fn without_an_embedded_issuer_there_is_no_token() {
    let config = GOOD.replace("  - embedded: true\n    tenants: [acme]\n", "");
    Desk::with(&config)
        .run(&ADA)
        .refused(&["no embedded issuer", "`- embedded: true`"]);
}

#[test]
fn the_key_is_made_once_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::good();
    let [first, _] = read(desk.run(&ADA).succeeded().out.trim());
    let [second, _] = read(desk.run(&ADA).succeeded().out.trim());
    assert_eq!(first["kid"], second["kid"]);
    let keys = desk.folder().join(".state/keys");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o700);
    for entry in fs::read_dir(&keys).unwrap() {
        let path = entry.unwrap().path();
        let owners_alone = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), owners_alone, "{}", path.display());
    }
}

#[test]
fn a_broken_key_file_is_said_so_and_stays() {
    let desk = Desk::good();
    let file = desk.folder().join(".state/keys/embedded-es256.pk8");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "not a key").unwrap();
    desk.run(&ADA)
        .refused(&["embedded-es256.pk8", "is not a signing key"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a key");
}
