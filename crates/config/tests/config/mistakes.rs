//! What people are told, for each kind of mistake: read the snapshots.

use crate::files::{Folder, completed};

/// One section per case: what it shows, the text, the report.
pub(crate) fn reports(cases: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    let mut out = String::new();
    for (title, text) in cases {
        let report = folder.report(&completed(text));
        assert!(report.contains("error: "), "{title}: {report}");
        out.push_str(&format!("# {title}\n\n{report}\n\n"));
    }
    out
}

fn warnings(cases: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    let mut out = String::new();
    for (title, text) in cases {
        let report = folder.report(&completed(text));
        assert!(report.contains("warning: "), "{title}: {report}");
        assert!(!report.contains("error: "), "{title}: {report}");
        out.push_str(&format!("# {title}\n\n{report}\n\n"));
    }
    out
}

#[test]
fn mistakes_of_yaml_are_explained() {
    let folder = Folder::new();
    let mut out = String::new();
    for (title, text) in [
        ("nothing at all", ""),
        ("only a comment", "# cardea\n"),
        ("a list instead of a mapping", "[a, b]\n"),
        ("not YAML", "listen: a: b\n"),
        ("indented with a tab", "tenants:\n\tdemo: {}\n"),
        ("a tab after a colon", "listen:\t127.0.0.1:8808\n"),
        ("an open quote", "listen: \"127.0.0.1\ntenants: {}\n"),
        ("an unknown anchor", "tenants: *all\n"),
        ("an alias within its own anchor", "tenants: &a [*a]\n"),
        ("nested too deeply", &"[".repeat(40)),
    ] {
        let report = folder.report(text);
        out.push_str(&format!("# {title}\n\n{report}\n\n"));
    }
    out.push_str(&reports(&[
        (
            "a second document",
            "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n",
        ),
        (
            "the same key twice",
            "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n",
        ),
        ("a key that is a number", "tenants:\n  1: {}\n  demo: {}\n"),
        ("a key that is a list", "? [a]\n: b\n"),
        ("a tag", "listen: !address 127.0.0.1:1\n"),
        (
            "a number that does not fit",
            "workers: 99999999999999999999\n",
        ),
        (
            "a merge key",
            "limits: &l { call_timeout: 1m }\naudit:\n  <<: *l\n",
        ),
    ]));
    insta::assert_snapshot!(out);
}

#[test]
fn mistakes_of_structure_are_explained() {
    let reports = reports(&[
        ("an unknown key with a near one", "upsteams: {}\n"),
        (
            "an unknown key that belongs elsewhere",
            "call_timeout: 5s\n",
        ),
        ("an unknown key", "database: {}\n"),
        ("an unknown key below", "limits:\n  call-timout: 5s\n"),
        (
            "a key where there are none",
            "tenants:\n  demo: { name: Demo }\n",
        ),
        (
            "a missing key",
            "upstreams:\n  files:\n    stdio: { command: node }\n",
        ),
        ("text instead of a mapping", "limits: none\n"),
        ("text instead of a list", "allowed_hosts: mcp.example.com\n"),
        (
            "a number instead of text",
            "upstreams:\n  a:\n    tenants: [demo]\n    stdio: { command: a, args: [--port, 8080] }\n",
        ),
        ("yes instead of a truth value", "allow_plain_http: yes\n"),
        ("text instead of a number", "workers: \"2\"\n"),
        (
            "a number instead of a duration",
            "limits: { call_timeout: 30 }\n",
        ),
        ("no value", "audit:\n"),
        ("no value in a list", "allowed_hosts:\n  -\n"),
        ("an empty mapping", "tenants: {}\n"),
        ("an empty list", "issuers: []\n"),
        ("an empty text", "state_dir: ''\n"),
        (
            "a value that is not among those",
            "audit: { arguments: digests }\n",
        ),
        ("a number out of range", "workers: 65\n"),
        ("a negative number", "limits: { connections_max: -1 }\n"),
        (
            "a size in other units",
            "limits: { body_bytes_max: 4 MB }\n",
        ),
        (
            "a size that is a fraction",
            "limits: { body_bytes_max: 1.5 }\n",
        ),
        ("a size out of range", "limits: { body_bytes_max: 1B }\n"),
        (
            "a duration in other units",
            "limits: { drain_timeout: 20 sec }\n",
        ),
        ("a duration out of range", "limits: { call_timeout: 2d }\n"),
        ("an id with capitals", "tenants: { Demo_1: {}, demo: {} }\n"),
        ("the same item twice", "policies: [policies, policies]\n"),
        (
            "a limit of one upstream out of range",
            "upstreams:\n  files:\n    tenants: [demo]\n    stdio: { command: node }\n    limits: { sessions_stdio_max: 0 }\n",
        ),
    ]);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_the_network_are_explained() {
    let reports = reports(&[
        ("a name to listen on", "listen: localhost:8808\n"),
        ("no port to listen on", "listen: 127.0.0.1\n"),
        ("any port to listen on", "listen: 127.0.0.1:0\n"),
        (
            "open to the network without a public URL",
            "listen: 0.0.0.0:8808\n",
        ),
        (
            "the same address twice",
            "listen: 127.0.0.1:1\nadmin_listen: 127.0.0.1:1\n",
        ),
        (
            "a public URL with a path",
            "public_url: https://mcp.example.com/mcp\n",
        ),
        (
            "a public URL with a slash",
            "public_url: https://mcp.example.com/\n",
        ),
        (
            "a public URL over plain http",
            "public_url: http://mcp.example.com\n",
        ),
        ("a public URL that is none", "public_url: mcp.example.com\n"),
        (
            "a public URL of another scheme",
            "public_url: ftp://mcp.example.com\n",
        ),
        (
            "a host that is a URL",
            "allowed_hosts: ['https://a.example.com']\n",
        ),
        (
            "a host with a wildcard",
            "allowed_hosts: ['*.example.com']\n",
        ),
        (
            "an origin with a path",
            "allowed_origins: ['https://a.example.com/chat']\n",
        ),
        ("any origin", "allowed_origins: ['*']\n"),
        (
            "telemetry to nowhere",
            "telemetry: { otlp_endpoint: '127.0.0.1:4318' }\n",
        ),
    ]);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_tls_and_of_bound_tokens_are_explained() {
    let tls = |rest: &str| format!("tls: {{ certificate: key.txt, key: key.txt, {rest} }}\n");
    let cases = [
        ("no key", "tls: { certificate: key.txt }\n".to_owned()),
        (
            "no such certificate",
            "tls: { certificate: server.pem, key: key.txt }\n".to_owned(),
        ),
        (
            "a public URL over plain http",
            format!("public_url: http://127.0.0.1:8808\n{}", tls("")),
        ),
        (
            "nobody who stands for clients",
            tls("client_certificates: { required: true }"),
        ),
        (
            "no such bundle",
            tls("client_certificates: { spiffe: { example.org: bundle.pem } }"),
        ),
        (
            "a trust domain that is a URI",
            tls("client_certificates: { spiffe: { 'spiffe://example.org': key.txt } }"),
        ),
        (
            "a misspelt key",
            tls("client_certificate: { ca_file: key.txt }"),
        ),
        (
            "a proxy by its name",
            "trusted_proxies: [proxy.example.com]\n".to_owned(),
        ),
        (
            "everybody as a proxy",
            "trusted_proxies: [0.0.0.0/0]\n".to_owned(),
        ),
        (
            "a shared secret for proofs",
            "dpop: { algorithms: [HS256] }\n".to_owned(),
        ),
        (
            "no algorithm for proofs",
            "dpop: { algorithms: [] }\n".to_owned(),
        ),
        (
            "proofs that are good for an hour",
            "dpop: { iat_window: 1h }\n".to_owned(),
        ),
        (
            "an unknown kind of binding",
            "tenants: { demo: { require_binding: dpopp } }\n".to_owned(),
        ),
        (
            "certificates where none can come",
            "tenants: { demo: { require_binding: certificate } }\n".to_owned(),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    let reports = reports(&cases);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_issuers_are_explained() {
    let reports = reports(&[
        (
            "an embedded issuer with other keys",
            "issuers:\n  - embedded: true\n    tenant: demo\n",
        ),
        (
            "an embedded issuer that is not",
            "issuers:\n  - embedded: false\n",
        ),
        (
            "two embedded issuers",
            "issuers:\n  - embedded: true\n  - embedded: true\n",
        ),
        ("an issuer without a name", "issuers:\n  - tenant: demo\n"),
        (
            "an issuer without a tenant",
            "issuers:\n  - issuer: https://a.example.com\n",
        ),
        (
            "an issuer with two ways to a tenant",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    tenant_claim: /org\n",
        ),
        (
            "tenants of an external issuer",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    tenants: [demo]\n",
        ),
        (
            "an unknown tenant",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: dmeo\n",
        ),
        (
            "an unknown tenant among values",
            "issuers:\n  - issuer: https://a.example.com\n    tenant_claim: /org\n    tenant_values: { org_1: acme }\n",
        ),
        (
            "values of no claim",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    tenant_values: { org_1: demo }\n",
        ),
        (
            "the same issuer twice",
            "issuers:\n  - &a { issuer: https://a.example.com, tenant: demo }\n  - *a\n",
        ),
        (
            "a claim that is no pointer",
            "issuers:\n  - issuer: https://a.example.com\n    tenant_claim: org.id\n",
        ),
        (
            "a symmetric algorithm",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    algorithms: [HS256]\n",
        ),
        (
            "keys over plain http",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    jwks_url: http://a.example.com/keys\n",
        ),
        (
            "keys in two places",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    jwks_url: https://a.example.com/keys\n    discovery_url: https://a.example.com/metadata\n",
        ),
        (
            "a name that leads nowhere",
            "issuers:\n  - issuer: accounts.example.com\n    tenant: demo\n",
        ),
        (
            "no such CA file",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    ca_file: ca.crt\n",
        ),
        (
            "two scopes in one",
            "issuers:\n  - issuer: https://a.example.com\n    tenant: demo\n    required_scopes: ['mcp read']\n",
        ),
    ]);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_upstreams_are_explained() {
    let stdio =
        |line: &str| format!("upstreams:\n  a:\n    tenants: [demo]\n    stdio:\n      {line}\n");
    let http = |line: &str| {
        format!(
            "upstreams:\n  a:\n    tenants: [demo]\n    http:\n      url: https://a.example.com/mcp\n      {line}\n"
        )
    };
    let cases = [
        ("neither way to reach it", "upstreams:\n  a:\n    tenants: [demo]\n".to_owned()),
        ("both ways to reach it", "upstreams:\n  a:\n    tenants: [demo]\n    stdio: { command: node }\n    http: { url: https://a.example.com }\n".to_owned()),
        ("a key of its transport", "upstreams:\n  a:\n    tenants: [demo]\n    url: https://a.example.com\n".to_owned()),
        ("an unknown tenant", "upstreams:\n  a:\n    tenants: [dem]\n    stdio: { command: node }\n".to_owned()),
        ("a command with arguments", stdio("command: node server.js")),
        ("a program that is not there", stdio("command: ./server")),
        ("a program that is not executable", stdio("command: ./key.txt")),
        ("a folder that is not there", stdio("{ command: node, cwd: nowhere }")),
        ("a folder that is a file", stdio("{ command: node, cwd: key.txt }")),
        ("a bad name of a variable", stdio("{ command: node, env: { LOG-LEVEL: warn } }")),
        ("a secret variable as text", stdio("{ command: node, env: { GITHUB_TOKEN: ghp_abcdef } }")),
        ("an unset variable", stdio("{ command: node, env: { A: { env: NOT_THERE } } }")),
        ("an empty variable", stdio("{ command: node, env: { A: { env: EMPTY } } }")),
        ("a secret's file that is not there", stdio("{ command: node, env: { A: { file: secrets/a } } }")),
        ("a secret's file that is empty", stdio("{ command: node, env: { A: { file: empty.txt } } }")),
        ("a secret's file that is not text", stdio("{ command: node, env: { A: { file: binary.key } } }")),
        ("a secret's file that is a folder", stdio("{ command: node, env: { A: { file: policies } } }")),
        ("two sources of a secret", stdio("{ command: node, env: { A: { env: API_KEY, file: key.txt } } }")),
        ("no source of a secret", stdio("{ command: node, env: { A: {} } }")),
        ("plain http", "upstreams:\n  a:\n    tenants: [demo]\n    http: { url: http://a.example.com/mcp }\n".to_owned()),
        ("credentials in a URL", "upstreams:\n  a:\n    tenants: [demo]\n    http: { url: 'https://ada:pw-12345@a.example.com/mcp' }\n".to_owned()),
        ("a secret header as text", http("headers: { Authorization: Bearer abcdef }")),
        ("a header of the gateway's own", http("headers: { Mcp-Session-Id: a }")),
        ("the same header twice", http("headers: { X-A: a, x-a: b }")),
        ("a header with a line break", http("headers: { X-A: { env: MULTILINE } }")),
        ("a bad name of a header", http("headers: { 'X A': a }")),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    let reports = reports(&cases);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_sandboxes_are_explained() {
    let sandbox = |line: &str| {
        format!(
            "upstreams:\n  a:\n    tenants: [demo]\n    stdio: {{ command: node }}\n    sandbox:\n      {line}\n"
        )
    };
    let cases = [
        ("a mode that there is not", sandbox("mode: none")),
        ("a preset that there is not", sandbox("preset: ruby")),
        ("everything there is", sandbox("read: [/]")),
        ("the kernel's", sandbox("read: [/proc/1]")),
        ("the folder of the gateway's keys", sandbox("read: [.]")),
        ("the keys themselves", sandbox("read: [.state/keys]")),
        ("policies to be written", sandbox("write: [policies]")),
        ("a program that is not there", sandbox("exec: [./git]")),
        ("every program", sandbox("exec: [/]")),
        (
            "a host without a port",
            sandbox("network: { allow: [api.example.com] }"),
        ),
        (
            "a metadata service",
            sandbox("network: { allow: ['169.254.169.254:80'] }"),
        ),
        (
            "a name that is an address in disguise",
            sandbox("network: { allow: ['0x7f.1:80'] }"),
        ),
        (
            "too little memory",
            sandbox("limits: { memory_bytes_max: 1MiB }"),
        ),
        (
            "one of a server elsewhere",
            "upstreams:\n  a:\n    tenants: [demo]\n    http: { url: https://a.example.com }\n    sandbox: {}\n".to_owned(),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    insta::assert_snapshot!(reports(&cases));
}

#[test]
fn mistakes_of_tenants_are_explained() {
    let own = |line: &str| format!("tenants:\n  demo:\n    {line}\n");
    let one_iss = |first: &str, second: &str| {
        format!(
            "tenants: {{ demo: {{}}, acme: {{}} }}\nissuers:\n  - {{ issuer: 'https://a.example.com', {first} }}\n  - {{ issuer: 'https://a.example.com', {second} }}\n"
        )
    };
    let cases = [
        (
            "an own upstream with tenants",
            own("upstreams: { mine: { tenants: [demo], stdio: { command: node } } }"),
        ),
        (
            "an own upstream of a shared one's id",
            "tenants:\n  demo:\n    upstreams: { files: { stdio: { command: node } } }\nupstreams:\n  files:\n    tenants: [demo]\n    stdio: { command: node }\n".to_owned(),
        ),
        (
            "an own upstream that cannot be reached",
            own("upstreams: { mine: {} }"),
        ),
        (
            "an own issuer that names a tenant",
            own("issuers: [{ issuer: 'https://a.example.com', tenant: acme }]"),
        ),
        ("an own embedded issuer", own("issuers: [{ embedded: true }]")),
        ("own policies that are not there", own("policies: [policy]")),
        ("an own limit out of range", own("limits: { calls_max: 0 }")),
        (
            "an own limit that tenants have not",
            own("limits: { connections_max: 10 }"),
        ),
        (
            "a limit of the gateway's name",
            own("limits: { calls_per_tenant_max: 10 }"),
        ),
        ("an own audit folder", own("audit: { dir: elsewhere }")),
        (
            "an own size out of range",
            own("audit: { rotate_bytes: 1B }"),
        ),
        ("nobody's tokens", "issuers: []\n".to_owned()),
        (
            "one issuer for two tenants, with nothing to tell them apart",
            one_iss("tenant: demo", "tenant: acme"),
        ),
        (
            "one issuer for two tenants by the same claim and value",
            one_iss(
                "tenant: demo, required_claims: { /org: a }",
                "tenant: acme, required_claims: { /org: a }",
            ),
        ),
        (
            "one issuer for two tenants by different claims",
            one_iss(
                "tenant: demo, required_claims: { /org: a }",
                "tenant: acme, required_claims: { /team: b }",
            ),
        ),
        (
            "one issuer with two sources of keys",
            one_iss(
                "tenant: demo, required_claims: { /org: a }",
                "tenant: acme, required_claims: { /org: b }, jwks_url: 'https://b.example.com/keys'",
            ),
        ),
        (
            "an own issuer that a shared one speaks over",
            "tenants:\n  demo:\n    issuers: [{ issuer: 'https://a.example.com' }]\nissuers:\n  - issuer: https://a.example.com\n    tenant_claim: /org\n".to_owned(),
        ),
        (
            "a required claim that is no pointer",
            one_iss("tenant: demo, required_claims: { org: a }", "tenant: acme, required_claims: { /org: b }"),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    let reports = reports(&cases);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_of_tools_that_serve_several_tenants_are_explained() {
    let upstream = |way: &str, lines: &str| {
        let lines = lines.replace('\n', "\n    ");
        format!(
            "tenants: {{ demo: {{}}, acme: {{}}, other: {{}} }}\nupstreams:\n  a:\n    tenants: [demo, acme]\n    {way}\n    {lines}\n"
        )
    };
    let http = |lines: &str| {
        upstream(
            "http: { url: 'https://a.example.com/mcp', headers: { X-A: a } }",
            lines,
        )
    };
    let stdio = |lines: &str| upstream("stdio: { command: node }", lines);
    let tool = |rules: &str| http(&format!("tools: {{ list: {{ {rules} }} }}"));
    let cases = [
        (
            "a value for an unknown tenant",
            http("tenant_values: { acne: org-1 }"),
        ),
        (
            "a value for a tenant of other upstreams",
            http("tenant_values: { other: org-1 }"),
        ),
        (
            "two tenants of one name",
            http("tenant_values: { demo: 17, acme: '17' }"),
        ),
        (
            "a tenant called like another's id",
            http("tenant_values: { demo: acme }"),
        ),
        (
            "a tenant called by nothing",
            http("tenant_values: { demo: '' }"),
        ),
        (
            "a tenant called by blanks",
            http("tenant_values: { demo: ' org' }"),
        ),
        (
            "a tenant called by a fraction",
            http("tenant_values: { demo: 1.5 }"),
        ),
        (
            "a tenant called by too large a number",
            http("tenant_values: { demo: 9007199254740993 }"),
        ),
        ("a tool without rules", http("tools: { list: {} }")),
        (
            "an argument that is no pointer",
            tool("arguments: [{ at: org, tenant: force }]"),
        ),
        (
            "an argument at any depth",
            tool("arguments: [{ at: /**/org, tenant: force }]"),
        ),
        (
            "an unknown binding",
            tool("arguments: [{ at: /org, tenant: set }]"),
        ),
        (
            "an argument without a binding",
            tool("arguments: [{ at: /org }]"),
        ),
        (
            "arguments within each other",
            tool("arguments: [{ at: /org, tenant: force }, { at: /org/id, tenant: check }]"),
        ),
        (
            "a header of the gateway's own",
            tool("headers: { Mcp-Param-Org: tenant-value }"),
        ),
        (
            "a header that is set already",
            tool("headers: { x-a: tenant-value }"),
        ),
        (
            "a header of another value",
            tool("headers: { X-Org: org-17 }"),
        ),
        (
            "a value that no header carries",
            http(
                "tenant_values: { demo: Zürich }\ntools: { list: { headers: { X-Org: tenant-value } } }",
            ),
        ),
        (
            "a header for standard streams",
            stdio("tools: { list: { headers: { X-Org: tenant-value } } }"),
        ),
        (
            "results without a pointer",
            tool("results: { columns: [org] }"),
        ),
        (
            "any depth in the middle",
            tool("results: { at: [/a/**/org] }"),
        ),
        ("any depth of nothing", tool("results: { at: [/**] }")),
        (
            "foreign rows let through",
            tool("results: { at: [/org], foreign: allow }"),
        ),
        ("an identity for too long", http("identity: { ttl: 1h }")),
        (
            "an identity in a header that is taken",
            http("identity: { header: x-a }"),
        ),
        (
            "an identity in a header of standard streams",
            stdio("identity: { header: X-Id }"),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    insta::assert_snapshot!(reports(&cases));
}

#[test]
fn mistakes_of_entitlements_are_explained() {
    const GOOD: &str =
        "resources: [{ upstream: files, tools: [write] }], approval: [{ groups: [leads] }]";
    let with =
        |keys: &str| format!("authorization_server: {{}}\nentitlements:\n  a: {{ {keys} }}\n");
    let one = |keys: &str| with(&format!("{GOOD}, {keys}"));
    let approved = |stages: &str| {
        with(&format!(
            "resources: [{{ upstream: files, tools: [write] }}], {stages}"
        ))
    };
    let of = |resource: &str| {
        with(&format!(
            "resources: [{resource}], approval: [{{ groups: [leads] }}]"
        ))
    };
    let own = "entitlements: { a: { resources: [{ upstream: files, tools: [write] }], approval: [{ groups: [leads] }] } }";
    let cases = [
        (
            "nobody can log in",
            one("").replace("authorization_server: {}\n", ""),
        ),
        (
            "nothing to ask for",
            approved("approval: [{ groups: [leads] }]")
                .replace("[{ upstream: files, tools: [write] }]", "[]"),
        ),
        ("nobody decides", approved("approval: []")),
        (
            "no stages at all",
            with("resources: [{ upstream: files, tools: [write] }]"),
        ),
        ("a stage of nobody", approved("approval: [{ need: 2 }]")),
        (
            "more people than there are",
            approved("approval: [{ need: 2, subjects: [ada] }]"),
        ),
        (
            "a need that is a word",
            approved("approval: [{ need: most, groups: [leads] }]"),
        ),
        (
            "only oneself decides",
            approved("requesters: { subjects: [ada] }, approval: [{ subjects: [ada] }]"),
        ),
        (
            "an upstream with a near one",
            of("{ upstream: flies, tools: [write] }"),
        ),
        (
            "an upstream without anything of it",
            of("{ upstream: files }"),
        ),
        (
            "a pattern of stars",
            of("{ upstream: files, tools: ['*a*b*c*d*e*f*g*h*i*'] }"),
        ),
        ("a kind that does not exist", one("kinds: [forever]")),
        ("calls of no kind", one("calls_max: 3")),
        ("a day that never ends", one("duration_max: 400d")),
        ("a hold that no client waits for", one("hold: 1h")),
        ("a schema that is none", one("arguments: { type: objekt }")),
        (
            "a schema with a pattern that cannot be",
            one("arguments: { properties: { path: { pattern: '(' } } }"),
        ),
        ("an id with a blank", one("").replace("  a:", "  a b:")),
        (
            "an id twice",
            format!("{}tenants: {{ demo: {{ {own} }} }}\n", one("hidden: true")),
        ),
        (
            "another tenant's upstream",
            format!("authorization_server: {{}}\ntenants:\n  demo: {{}}\n  acme: {{ {own} }}\n"),
        ),
        (
            "an agent that nobody owns",
            "tenants: { demo: { agents: { bot: { owners: { groups: [] } } } } }\n".to_owned(),
        ),
        (
            "an agent's name with too many stars",
            "tenants: { demo: { agents: { '*a*b*c*d*e*f*g*h*i*': { owners: { groups: [x] } } } } }\n".to_owned(),
        ),
        (
            "an unknown role",
            "tenants: { demo: { roles: { admins: { groups: [ops] } } } }\n".to_owned(),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(t, text)| (*t, text.as_str())).collect();
    insta::assert_snapshot!(reports(&cases));
}

#[test]
fn mistakes_of_policies_are_explained() {
    let reports = reports(&[
        ("no such folder", "policies: [policy]\n"),
        ("a folder below home", "policies: [~/policies]\n"),
        ("a file of another kind", "policies: [policies/notes.txt]\n"),
    ]);
    insta::assert_snapshot!(reports);
}

#[test]
fn what_is_allowed_but_doubtful_is_a_warning() {
    let reports = warnings(&[
        (
            "plain http to the network",
            "listen: 0.0.0.0:8808\npublic_url: http://mcp.example.com\nallow_plain_http: true\n",
        ),
        ("open metrics", "admin_listen: 0.0.0.0:8809\n"),
        ("no upstream", "upstreams: {}\n"),
        ("no policy", "policies: [empty]\n"),
        (
            "a tenant that nobody speaks for",
            "tenants: { demo: {}, acme: {} }\nissuers: [{ embedded: true, tenants: [demo] }]\n",
        ),
        (
            "secrets in arguments",
            "upstreams:\n  a:\n    tenants: [demo]\n    stdio: { command: node, args: [--token, abc, --api-key=def, --port, '1'] }\n",
        ),
        (
            "a secret in a URL",
            "upstreams:\n  a:\n    tenants: [demo]\n    http: { url: 'https://a.example.com/mcp?api_key=abcdef' }\n",
        ),
        (
            "no sandbox",
            "upstreams:\n  a:\n    tenants: [demo]\n    stdio: { command: node }\n    sandbox: { mode: off }\n",
        ),
        (
            "a folder that is not there yet",
            "upstreams:\n  a:\n    tenants: [demo]\n    stdio: { command: node }\n    sandbox: { write: [later] }\n",
        ),
        (
            "telemetry over plain http",
            "telemetry: { otlp_endpoint: http://collector:4318 }\n",
        ),
    ]);
    insta::assert_snapshot!(reports);
}

#[test]
fn mistakes_in_a_file_of_labels_are_told_with_their_places() {
    let folder = Folder::new();
    let upstreams =
        "upstreams: { files: { tenants: [demo], stdio: { command: node }, labels: labels.yaml } }";
    let report = |labels: &str| {
        std::fs::write(folder.path("labels.yaml"), labels).unwrap();
        folder.report(&completed(upstreams))
    };
    for (labels, place, message) in [
        (
            "read: [untrusted]\nsend: [untrustd]\n",
            "labels.yaml:2:8",
            "did you mean `untrusted`?",
        ),
        ("send: untrusted\n", "labels.yaml:1:7", "are no list"),
        (
            "send: [read-only, destructive]\n",
            "labels.yaml:1:7",
            "cannot be read-only and destructive",
        ),
        ("- send\n", "labels.yaml:1:1", "this is no file of labels"),
        (
            "read: [untrusted]\nread: []\n",
            "labels.yaml:2:1",
            "stands here twice",
        ),
    ] {
        let report = report(labels);
        assert!(
            report.contains(place) && report.contains(message),
            "{labels}: {report}"
        );
    }
    std::fs::remove_file(folder.path("labels.yaml")).unwrap();
    let missing = folder.report(&completed(upstreams));
    assert!(missing.contains("there is no `labels.yaml`"), "{missing}");
}
