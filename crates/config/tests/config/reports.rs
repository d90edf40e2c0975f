//! What a report of many mistakes, of none, or of no file looks like.

use crate::files::{Folder, completed};

#[test]
fn eight_mistakes_in_one_file_are_reported_at_once_in_their_order() {
    let text = "\
listn: 127.0.0.1:8808
workers: many
tenants: { demo: {} }
issuers:
  - embedded: true
    tenants: [demo, acme]
upstreams:
  Files:
    tenants: [demo]
    stdio: { command: node }
  crm:
    tenants: [dmo]
    http:
      url: ftp://crm.example.com
      headers: { x-api-key: sk-123456 }
policies: [nowhere]
limits: { call_timeout: 5 }
";
    let folder = Folder::new();
    let diagnostics = folder.load(text).unwrap_err();
    let lines: Vec<_> = diagnostics
        .errors()
        .map(|d| d.position.unwrap().line)
        .collect();
    assert_eq!(lines, [1, 2, 6, 8, 12, 14, 15, 16, 17]);
    assert_eq!(diagnostics.warnings().count(), 0);
    let report = folder.relative(&diagnostics.to_string());
    insta::assert_snapshot!(report);
}

#[test]
fn what_follows_from_a_mistake_is_not_reported_beside_it() {
    let folder = Folder::new();
    for (text, line) in [
        ("tenants: { Demo: {} }\n", 1),
        ("public_url: 1\nlisten: 0.0.0.0:1\n", 1),
        ("upstreams: { a: { tenants: [demo], http: 1 } }\n", 1),
        ("issuers: [{ issuer: 1, tenant: demo }]\n", 1),
        (
            "issuers: [{ issuer: 'https://a', tenant: demo, jwks_url: 1 }]\n",
            1,
        ),
    ] {
        let diagnostics = folder.load(&completed(text)).unwrap_err();
        let lines: Vec<_> = diagnostics
            .iter()
            .map(|d| d.position.unwrap().line)
            .collect();
        assert_eq!(lines, [line], "{text}{diagnostics}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = Folder::new();
    let report = |name: &str| {
        let path = folder.path(name);
        let diagnostics = cardea_config::load(&path).unwrap_err();
        folder.relative(&diagnostics.to_string())
    };
    std::fs::write(folder.path("large.yaml"), "#".repeat((1 << 20) + 1)).unwrap();
    let reports = [
        report("nowhere.yaml"),
        report("policies"),
        report("binary.key"),
        report("large.yaml"),
    ];
    let reports = reports.join("\n\n");
    insta::assert_snapshot!(reports);
}
