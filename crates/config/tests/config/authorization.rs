//! What people are told about each key of `authorization_server`: read the snapshots.

use crate::mistakes::reports;

/// The keys of the server itself.
#[test]
fn mistakes_of_the_authorization_server_are_explained() {
    let server = |text: &str| format!("authorization_server:\n  {}\n", text.replace('\n', "\n  "));
    let cases = [
        ("an unknown key", "acces_ttl: 5m"),
        ("not a mapping", "[]"),
        ("tokens that live too long", "access_ttl: 1h"),
        ("tokens that end before they are used", "access_ttl: 1s"),
        ("a time without a unit", "access_ttl: 300"),
        ("a grant that outlives a quarter", "grant_ttl: 365d"),
        ("a grant of no use", "grant_ttl: 1m"),
        ("a switch that is a word", "registration: sometimes"),
        ("documents that are a word", "client_documents: maybe"),
        ("accounts that are a word", "local_accounts: some"),
        ("nobody can log in", "local_accounts: false"),
        (
            "private hosts without documents",
            "client_documents: false\nprivate_document_hosts: { apps.example.com: {} }",
        ),
        (
            "a private host with a port",
            "private_document_hosts: { 'apps.example.com:8443': {} }",
        ),
        (
            "a private host that is a URL",
            "private_document_hosts: { 'https://apps.example.com': {} }",
        ),
        (
            "a private host in capitals",
            "private_document_hosts: { Apps.example.com: {} }",
        ),
        (
            "private hosts as a list",
            "private_document_hosts: [apps.example.com]",
        ),
        (
            "an authority's file that is not there",
            "private_document_hosts: { apps.example.com: { ca_file: no.pem } }",
        ),
        (
            "an authority's file without a name",
            "private_document_hosts: { apps.example.com: { ca_file: '' } }",
        ),
        (
            "an unknown key of a host",
            "private_document_hosts: { apps.example.com: { ca: ca.pem } }",
        ),
    ];
    let cases = cases.map(|(title, text)| (title, server(text)));
    let cases: Vec<_> = cases
        .iter()
        .map(|(title, text)| (*title, text.as_str()))
        .collect();
    insta::assert_snapshot!(reports(&cases));
}

/// Its clients.
#[test]
fn mistakes_of_known_clients_are_explained() {
    let client = |text: &str| format!("authorization_server:\n  clients:\n    - {{ {text} }}\n");
    let cases = [
        ("no id", "name: App"),
        ("an empty id", "id: ''"),
        ("an id with a control character", r#"id: "a\u0007b""#),
        (
            "a name that is too long",
            "id: app, name: 'a name that goes on and on and on and on and on and on and on and on and on and on'",
        ),
        (
            "a redirect URI over plain http",
            "id: app, redirect_uris: ['http://app.example.com/cb']",
        ),
        (
            "a redirect URI with a fragment",
            "id: app, redirect_uris: ['https://app.example.com/cb#x']",
        ),
        (
            "a redirect URI with a wildcard",
            "id: app, redirect_uris: ['https://*.example.com/cb']",
        ),
        (
            "a redirect URI that is a script",
            "id: app, redirect_uris: ['javascript:alert(1)']",
        ),
        (
            "a redirect URI that is a path",
            "id: app, redirect_uris: [/cb]",
        ),
        (
            "the same redirect URI twice",
            "id: app, redirect_uris: ['https://a.example/cb', 'https://a.example/cb']",
        ),
        ("keys that are not there", "id: app, jwks_file: no.json"),
        (
            "keys in two places",
            "id: app, jwks_file: key.txt, jwks_url: 'https://a.example/keys'",
        ),
        (
            "keys over plain http",
            "id: app, jwks_url: 'http://a.example/keys'",
        ),
        (
            "keys at an address without a name",
            "id: app, jwks_url: 'https://10.0.0.1/keys'",
        ),
        (
            "keys behind a password",
            "id: app, jwks_url: 'https://u:pw@a.example/keys'",
        ),
        (
            "a self-signed certificate that is not known",
            "id: app, self_signed_certificate: true",
        ),
        (
            "a self-signed certificate that cannot arrive",
            "id: app, self_signed_certificate: true, jwks_url: 'https://a.example/keys'",
        ),
        (
            "a certificate that cannot arrive",
            "id: app, certificate: { ca_file: key.txt, dns_name: a.example }",
        ),
        (
            "a certificate of no authority",
            "id: app, certificate: { dns_name: a.example }",
        ),
        (
            "a certificate without a name",
            "id: app, certificate: { ca_file: key.txt }",
        ),
        (
            "a certificate with two names",
            "id: app, certificate: { ca_file: key.txt, dns_name: a.example, uri: 'spiffe://a/b' }",
        ),
        (
            "a certificate and keys",
            "id: app, jwks_url: 'https://a.example/keys', certificate: { ca_file: key.txt, uri: 'spiffe://a/b' }",
        ),
        (
            "an unknown key of a certificate",
            "id: app, certificate: { ca_file: key.txt, subject: CN=a }",
        ),
        ("an unknown tenant", "id: app, tenants: [dmeo]"),
        ("no tenant", "id: app, tenants: []"),
        (
            "an unattended client without keys",
            "id: app, subject: ada, tenants: [demo]",
        ),
        (
            "an unattended client of all tenants",
            "id: app, subject: ada, jwks_file: key.txt",
        ),
        ("an unknown upstream", "id: app, introspects: [file]"),
        ("a secret", "id: app, client_secret: hunter2"),
    ];
    let cases = cases.map(|(title, text)| (title, client(text)));
    let mut cases: Vec<_> = cases
        .iter()
        .map(|(title, text)| (*title, text.as_str()))
        .collect();
    cases.push((
        "the same id twice",
        "authorization_server:\n  clients:\n    - { id: app }\n    - { id: app }\n",
    ));
    insta::assert_snapshot!(reports(&cases));
}

/// The providers at which people log in.
#[test]
fn mistakes_of_login_providers_are_explained() {
    let login = |text: &str| format!("authorization_server:\n  login:\n    - {{ {text} }}\n");
    let good = "issuer: 'https://id.example.com', client_id: gw, tenant: demo";
    let cases = [
        ("no issuer", "client_id: gw, tenant: demo".to_owned()),
        (
            "no client id",
            "issuer: 'https://id.example.com', tenant: demo".to_owned(),
        ),
        (
            "an issuer over plain http",
            "issuer: 'http://id.example.com', client_id: gw, tenant: demo".to_owned(),
        ),
        (
            "an issuer with a query",
            "issuer: 'https://id.example.com/?a=b', client_id: gw, tenant: demo".to_owned(),
        ),
        (
            "an issuer with a password",
            "issuer: 'https://u:pw@id.example.com', client_id: gw, tenant: demo".to_owned(),
        ),
        (
            "an issuer that is a name",
            "issuer: id.example.com, client_id: gw, tenant: demo".to_owned(),
        ),
        (
            "a secret in the file",
            format!("{good}, client_secret: hunter2"),
        ),
        (
            "a variable that is not set",
            format!("{good}, client_secret: {{ env: NO_SUCH }}"),
        ),
        (
            "two ways to show who the gateway is",
            format!("{good}, client_secret: {{ env: API_KEY }}, own_keys: true"),
        ),
        (
            "no tenant",
            "issuer: 'https://id.example.com', client_id: gw".to_owned(),
        ),
        (
            "an unknown tenant",
            "issuer: 'https://id.example.com', client_id: gw, tenant: dmeo".to_owned(),
        ),
        (
            "two ways to a tenant",
            format!("{good}, tenant_claim: /org"),
        ),
        (
            "values of no claim",
            format!("{good}, tenant_values: {{ a: demo }}"),
        ),
        (
            "a claim that is no pointer",
            "issuer: 'https://id.example.com', client_id: gw, tenant_claim: org".to_owned(),
        ),
        (
            "a person's claim that is no pointer",
            format!("{good}, subject_claim: sub"),
        ),
        (
            "groups by no pointer",
            format!("{good}, groups_claim: groups"),
        ),
        (
            "two scopes in one",
            format!("{good}, scopes: ['profile email']"),
        ),
        (
            "an authority's file that is not there",
            format!("{good}, ca_file: no.pem"),
        ),
        ("an empty name", format!("{good}, name: ''")),
        (
            "an unknown key",
            format!("{good}, redirect_uri: 'https://x.example'"),
        ),
    ];
    let cases = cases.map(|(title, text)| (title, login(&text)));
    let cases: Vec<_> = cases
        .iter()
        .map(|(title, text)| (*title, text.as_str()))
        .collect();
    insta::assert_snapshot!(reports(&cases));
}
