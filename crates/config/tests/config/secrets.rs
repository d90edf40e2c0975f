//! That nothing prints a secret, whether the file is right or wrong.

use cardea_config::{Secret, Transport};

use crate::files::{Folder, accepted, completed, refused};

#[test]
fn secrets_come_from_variables_and_files_and_debug_shows_none() {
    let config = accepted(
        "upstreams:\n\
         \x20 a:\n    tenants: [demo]\n    http:\n      url: https://a.example.com/mcp?session=query-secret-999\n\
         \x20     headers: { X-Api-Key: { env: API_KEY }, Authorization: { file: key.txt }, accept-language: de }\n\
         \x20 b:\n    tenants: [demo]\n    stdio: { command: node, args: [--password, argument-secret-666], env: { A: { env: API_KEY }, B: plain-value-555,\n\
         \x20     MAX_TOKENS: '4000' } }\n",
    );
    let Transport::Http(http) = &config.upstreams.values().next().unwrap().transport else {
        panic!("not http")
    };
    let value = |name: &str| http.headers.get(name).map(Secret::expose);
    assert_eq!(value("x-api-key"), Some("variable-secret-888"));
    assert_eq!(value("authorization"), Some("file-secret-777"));
    assert_eq!(value("accept-language"), Some("de"));
    let shown = format!("{config:?} {config:#?} {}", config.warnings);
    for secret in [
        "variable-secret-888",
        "file-secret-777",
        "query-secret-999",
        "argument-secret-666",
        "plain-value-555",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("[secret]"));
}

/// Every place in which a secret could stand by mistake, with another mistake on the same line.
#[test]
fn no_report_shows_a_secret_of_the_file() {
    for text in [
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { x-api-key: hunter2 } } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { x-api-key: hunter2 }, bad: 1 } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { x-api-key: { value: hunter2 } } } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { x-api-key: [hunter2] } } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { x-api-key: { env: 1, also: hunter2 } } } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://a', headers: { cookie: a=hunter2, cookie: b=hunter2 } } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'https://ada:hunter2@a' } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'htps://ada:hunter2@a' } } }",
        "upstreams: { a: { tenants: [demo], http: { url: 'http://a?key=hunter2' } } }",
        "upstreams: { a: { tenants: [demo], stdio: { command: a b, args: [--token, hunter2] } } }",
        "upstreams: { a: { tenants: [demo], stdio: { command: a b, args: [--token=hunter2] } } }",
        "upstreams: { a: { tenants: [demo], stdio: { command: a b, env: { DB_PASSWORD: hunter2 } } } }",
        "api_key: hunter2",
        "public_url: https://ada:hunter2@a",
        "allowed_hosts: ['https://ada:hunter2@a b']",
        "allowed_origins: ['https://ada:hunter2@a/b']",
        "telemetry: { otlp_endpoint: 'https://ada:hunter2@a', log_level: x }",
        "issuers: [{ issuer: 'https://ada:hunter2@a', tenant: demo }]",
        "audit: { secret: |\n    hunter2\n  }",
    ] {
        let diagnostics = refused(text);
        let shown = format!("{diagnostics} {diagnostics:?}");
        assert!(!shown.contains("hunter2"), "{text}\n{diagnostics}");
    }
}

#[test]
fn no_report_of_a_file_that_is_no_yaml_shows_a_secret() {
    let folder = Folder::new();
    for text in [
        "x-api-key: \"hunter2\nlisten: a",
        "x-api-key: hunter2: a",
        "a: { x-api-key: hunter2",
        "a: { x-api-key: hunter2 ]",
        "x-api-key:\n  hunter2: [",
        "x-api-key: |\n  hunter2\n bad",
        "args: [--token, hunter2, *unknown]",
        "env: { A: *x, GITHUB_TOKEN: hunter2 }",
        "url: https://ada:hunter2@a: b",
        "Authorization: Bearer hunter2 \"\n\t- x",
    ] {
        let diagnostics = folder.load(text).unwrap_err();
        let shown = format!("{diagnostics} {diagnostics:?}");
        assert!(!shown.contains("hunter2"), "{text}\n{diagnostics}");
    }
}

#[test]
fn a_secret_in_a_large_or_endless_file_is_not_read() {
    let folder = Folder::new();
    std::fs::write(folder.path("large.key"), "x".repeat(70_000)).unwrap();
    for file in ["large.key", "/dev/zero"] {
        let text = completed(&format!(
            "upstreams: {{ a: {{ tenants: [demo], stdio: {{ command: node, env: {{ A: {{ file: {file} }} }} }} }} }}"
        ));
        assert!(folder.load(&text).is_err(), "{file}");
    }
}
