//! What files mean when nothing is wrong with them.

use std::time::Duration;

use cardea_config::{
    Algorithm, ArgumentsInAudit, AskBy, Binding, GrantBinding, GrantKind, Issuer, KeySource,
    LogLevel, Need, OnForeign, OnUntyped, RequiredBinding, Roles, TenantSource, Transport,
};

use cardea_domain::TenantId;

use crate::files::{Folder, accepted, completed};

#[test]
fn the_smallest_file_gets_every_default() {
    let config = accepted("");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8808");
    assert_eq!(config.public_origin(), "http://127.0.0.1:8808");
    assert_eq!(config.admin_listen, None);
    assert!((1..=64).contains(&config.workers));
    assert!(config.state_dir.ends_with(".state"));
    assert!(config.state_dir.is_absolute());
    assert_eq!(config.audit.dir, config.state_dir.join("audit"));
    assert_eq!(config.audit.rotate_bytes, 64 << 20);
    assert_eq!(config.audit.arguments, ArgumentsInAudit::Full);
    assert_eq!(config.audit.arguments_bytes_max, 4096);
    assert_eq!(config.telemetry.log_level, LogLevel::Info);
    assert_eq!(config.telemetry.service_name, "cardea");
    let limits = config.limits;
    assert_eq!(limits.body_bytes_max, 4 << 20);
    assert_eq!(limits.json_depth_max, 64);
    assert_eq!(limits.header_count_max, 64);
    assert_eq!(limits.header_bytes_max, 32 << 10);
    assert_eq!(limits.header_timeout, Duration::from_secs(60));
    assert_eq!(limits.body_timeout, Duration::from_secs(30));
    assert_eq!(limits.connections_max, 10_000);
    assert_eq!(limits.streams_per_principal_max, 64);
    assert_eq!(limits.answer_bytes_max, 16 << 20);
    assert_eq!(limits.call_timeout, Duration::from_secs(300));
    assert_eq!(limits.stream_idle_timeout, Duration::from_secs(1800));
    assert_eq!(limits.connect_timeout, Duration::from_secs(5));
    assert_eq!(limits.sessions_stdio_max, 64);
    assert_eq!(limits.sessions_stdio_per_principal_max, 8);
    assert_eq!(limits.session_idle_timeout, Duration::from_secs(1800));
    assert_eq!(limits.max_staleness, Duration::from_secs(10));
    assert_eq!(limits.drain_timeout, Duration::from_secs(20));
    assert!(config.warnings.is_empty(), "{}", config.warnings);
}

#[test]
fn json_is_a_configuration_too() {
    let text = r#"{"listen":"127.0.0.1:1","tenants":{"demo":{}},"issuers":[{"embedded":true}],"allowed_hosts":[],
      "upstreams":{"e":{"tenants":["demo"],"http":{"url":"http://127.0.0.1:3901/mcp"}}},"policies":["policies"]}"#;
    let config = Folder::new().load(text).unwrap();
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.upstreams.len(), 1);
}

#[test]
fn each_tenant_has_its_upstreams_limits_policies_and_log() {
    let config = accepted(
        "tenants:\n  demo: {}\n  acme:\n    upstreams:\n      files: { stdio: { command: node }, limits: { call_timeout: 5s } }\n    policies: [policies]\n    limits: { calls_max: 3, call_timeout: 9s }\n    audit: { arguments: digest }\nlimits: { streams_per_tenant_max: 7 }\nupstreams:\n  files: { tenants: [demo], http: { url: 'http://127.0.0.1:1' } }\n  time: { tenants: [demo, acme], stdio: { command: node } }\n",
    );
    let found: Vec<_> = config
        .upstreams
        .values()
        .map(|u| {
            let own = if u.is_own { "own" } else { "shared" };
            format!(
                "{} {} {own} {}s",
                u.tenant,
                u.id,
                u.limits.call_timeout.as_secs()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "acme files own 5s",
            "acme time shared 9s",
            "demo files shared 300s",
            "demo time shared 300s"
        ]
    );
    let tenants: Vec<_> = config
        .tenants
        .iter()
        .map(|(id, t)| (id.as_str(), t))
        .collect();
    let [("acme", acme), ("demo", demo)] = tenants[..] else {
        panic!("{tenants:?}")
    };
    assert_eq!(acme.limits.calls_per_tenant_max, 3);
    assert_eq!(demo.limits.calls_per_tenant_max, 5_000);
    assert_eq!(acme.limits.streams_per_tenant_max, 7);
    assert_eq!(acme.audit.arguments, ArgumentsInAudit::Digest);
    assert_eq!(demo.audit.arguments, ArgumentsInAudit::Full);
    assert_eq!(acme.audit.dir, config.audit.dir.join("tenants/acme"));
    assert_eq!(acme.policies, config.policies);
    assert!(demo.policies.files.is_empty());
    assert_eq!(config.policy_roots().count(), 2);
}

#[test]
fn one_issuer_may_be_for_several_tenants_that_its_tokens_tell_apart() {
    let config = accepted(
        "tenants:\n  demo: {}\n  acme:\n    issuers:\n      - { issuer: 'https://a.example.com', required_claims: { /org: a } }\n  globex: {}\nissuers:\n  - { issuer: 'https://a.example.com', tenant: globex, required_claims: { /org: b } }\n  - { issuer: 'https://a.example.com', tenant_claim: /org, tenant_values: { c: demo, d: demo } }\n",
    );
    let found: Vec<_> = config
        .issuers
        .iter()
        .map(|issuer| match issuer {
            Issuer::Embedded(_) => panic!("none is embedded"),
            Issuer::External(i) => (i.owner.as_ref().map(|o| o.as_str()), i.advertised),
        })
        .collect();
    assert_eq!(found, [(None, true), (None, true), (Some("acme"), false)]);
}

#[test]
fn words_that_once_were_truth_values_stay_text() {
    let config = accepted(
        "tenants: { no: {}, on: {}, demo: {} }\n\
         telemetry: { service_name: yes }\n\
         upstreams:\n  y: { tenants: [no, on], stdio: { command: off, args: [no] } }\n",
    );
    assert_eq!(config.telemetry.service_name, "yes");
    let tenants: Vec<_> = config.tenants.keys().map(|t| t.as_str()).collect();
    assert_eq!(tenants, ["demo", "no", "on"]);
}

#[test]
fn anchors_and_aliases_share_a_value() {
    let config = accepted(
        "upstreams:\n\
         \x20 a: { tenants: &t [demo], stdio: { command: node } }\n\
         \x20 b: { tenants: *t, stdio: { command: node } }\n",
    );
    assert!(
        config
            .upstreams
            .values()
            .all(|u| u.tenant.as_str() == "demo")
    );
}

#[test]
fn windows_line_breaks_and_a_byte_order_mark_change_nothing() {
    let folder = Folder::new();
    let text = completed("listen: 127.0.0.1:9 # ü\n");
    let plain = folder.load(&text).unwrap();
    let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(folder.load(&marked).unwrap(), plain);
}

#[test]
fn limits_of_an_upstream_lie_over_those_of_the_gateway() {
    let config = accepted(
        "limits: { call_timeout: 2m, connect_timeout: 1500ms, answer_bytes_max: 1048576 }\n\
         upstreams:\n  a: { tenants: [demo], stdio: { command: node }, limits: { call_timeout: 60s } }\n",
    );
    let limits = config.upstreams.values().next().unwrap().limits;
    assert_eq!(limits.call_timeout, Duration::from_secs(60));
    assert_eq!(limits.connect_timeout, Duration::from_millis(1500));
    assert_eq!(limits.answer_bytes_max, 1 << 20);
    assert_eq!(config.limits.call_timeout, Duration::from_secs(120));
}

#[test]
fn an_issuer_gets_its_defaults_and_keeps_its_exact_name() {
    let config = accepted(
        "issuers:\n  - issuer: https://Login.example.com/tenant/\n    tenant_claim: /https:~1~1example.com~1org\n",
    );
    let [Issuer::External(issuer)] = config.issuers.as_slice() else {
        panic!("{:?}", config.issuers)
    };
    assert_eq!(issuer.issuer, "https://Login.example.com/tenant/");
    assert!(matches!(issuer.keys, KeySource::WellKnown(_)));
    let algorithms: Vec<_> = issuer.algorithms.iter().map(|a| a.as_str()).collect();
    assert_eq!(algorithms, ["RS256", "PS256", "ES256", "EdDSA"]);
    assert!(issuer.algorithms.contains(&Algorithm::EdDSA));
    assert_eq!(issuer.subject_claim.as_str(), "/sub");
    let actor: Vec<_> = issuer.actor_claims.iter().map(|c| c.as_str()).collect();
    assert_eq!(actor, ["/act/sub", "/client_id", "/azp"]);
    assert_eq!(issuer.require_typ, Some("at+jwt"));
    let TenantSource::Claim(claim) = &issuer.tenant else {
        panic!("{:?}", issuer.tenant)
    };
    let claims = serde_json::json!({ "https://example.com/org": "demo" });
    assert_eq!(claim.find(&claims), Some(&"demo".into()));
}

#[test]
fn an_issuer_whose_name_is_no_url_says_where_its_keys_are() {
    let config = accepted(
        "issuers:\n  - issuer: accounts.example.com\n    jwks_url: http://127.0.0.1:8/keys\n    tenant: demo\n    require_typ: any\n",
    );
    let [Issuer::External(issuer)] = config.issuers.as_slice() else {
        panic!("{:?}", config.issuers)
    };
    assert!(matches!(issuer.keys, KeySource::Jwks(_)));
    assert_eq!(issuer.require_typ, None);
}

#[test]
fn the_names_of_the_gateway_are_accepted_and_no_others() {
    let config = accepted(
        "listen: 127.0.0.1:8808\n\
         public_url: https://mcp.example.com\n\
         allowed_hosts: [gateway.internal:8443]\n\
         allowed_origins: ['HTTPS://Chat.example.com:443', 'vscode-webview://abc']\n",
    );
    for host in [
        "mcp.example.com",
        "MCP.example.com:443",
        "127.0.0.1:8808",
        "localhost:8808",
        "gateway.internal:8443",
    ] {
        assert!(config.accepts_host(host), "{host}");
    }
    for host in [
        "",
        "127.0.0.1",
        "localhost:1",
        "gateway.internal",
        "evil.test",
        "mcp.example.com.evil.test",
    ] {
        assert!(!config.accepts_host(host), "{host}");
    }
    for origin in [
        "https://mcp.example.com",
        "https://chat.example.com",
        "vscode-webview://abc",
    ] {
        assert!(config.accepts_origin(origin), "{origin}");
    }
    for origin in ["null", "", "http://mcp.example.com", "https://evil.test"] {
        assert!(!config.accepts_origin(origin), "{origin}");
    }
}

#[test]
fn policies_of_a_folder_come_by_name_and_nothing_else_does() {
    let folder = Folder::new();
    let config = folder
        .load(&completed("policies: [policies, policies/b.cedar]\n"))
        .unwrap();
    let expected = ["policies/a.cedar", "policies/b.cedar"].map(|name| folder.path(name));
    assert_eq!(config.policies.files, expected);
    assert_eq!(
        config.policies.roots,
        ["policies", "policies/b.cedar"].map(|n| folder.path(n))
    );
}

#[test]
fn a_command_is_a_path_of_the_file_or_a_bare_name() {
    let folder = Folder::new();
    let text = completed(
        "upstreams:\n  a: { tenants: [demo], stdio: { command: node, cwd: policies } }\n  b: { tenants: [demo], stdio: { command: /bin/sh } }\n",
    );
    let config = folder.load(&text).unwrap();
    let commands: Vec<_> = config
        .upstreams
        .values()
        .map(|upstream| match &upstream.transport {
            Transport::Stdio(stdio) => (stdio.command.to_str().unwrap(), stdio.cwd.clone()),
            Transport::Http(_) => panic!("not stdio"),
        })
        .collect();
    assert_eq!(
        commands,
        [
            ("node", folder.path("policies")),
            ("/bin/sh", folder.path(""))
        ]
    );
}

#[test]
fn a_sandbox_is_strict_and_empty_unless_it_is_said_otherwise() {
    let folder = Folder::new();
    let text = completed(
        "upstreams:\n  a: { tenants: [demo], stdio: { command: node } }\n  b: { tenants: [demo], stdio: { command: node }, sandbox: { mode: best-effort, preset: python, read: [key.txt], exec: [git, /bin/sh], network: { allow: ['*.example.com:443'] }, limits: { cpu_time_max: 1m, tmp_bytes_max: 1MiB } } }\n",
    );
    let config = folder.load(&text).unwrap();
    let mut boxes = config.upstreams.values().map(|u| match &u.transport {
        Transport::Stdio(stdio) => stdio.sandbox.clone(),
        Transport::Http(_) => panic!("not stdio"),
    });
    let (default, given) = (boxes.next().unwrap(), boxes.next().unwrap());
    assert_eq!(default.mode, cardea_config::SandboxMode::Strict);
    assert!(default.read.is_empty() && default.write.is_empty() && default.exec.is_empty());
    assert!(default.allow.is_empty());
    assert_eq!(given.mode, cardea_config::SandboxMode::BestEffort);
    assert_eq!(given.preset, Some(cardea_config::SandboxPreset::Python));
    assert_eq!(given.read, [folder.path("key.txt")]);
    assert_eq!(given.exec, ["git", "/bin/sh"].map(std::path::PathBuf::from));
    assert_eq!(given.allow[0].to_string(), "*.example.com:443");
    assert_eq!(given.limits.cpu_time_max, Some(Duration::from_secs(60)));
    assert_eq!(given.limits.tmp_bytes_max, 1 << 20);
    assert_eq!(
        given.limits.memory_bytes_max,
        default.limits.memory_bytes_max
    );
}

#[test]
fn every_default_of_a_limit_is_within_its_range() {
    let schema = cardea_config::json_schema();
    let limits = schema.pointer("/$defs/Limits/properties").unwrap();
    let limits: serde_json::Map<_, _> = limits
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, limit)| (key.clone(), limit["default"].clone()))
        .collect();
    assert!(limits.len() >= 15);
    let text = format!("limits: {}\n", serde_json::Value::Object(limits));
    assert_eq!(accepted(&text).limits, accepted("").limits);
}

#[test]
fn a_command_that_is_not_in_path_is_a_warning() {
    let folder = Folder::new();
    let file = folder.path("cardea.yaml");
    std::fs::write(&file, completed("")).unwrap();
    let env = |name: &str| (name == "PATH").then(|| "/nowhere".to_owned());
    let config = cardea_config::load_with(&file, &env).unwrap();
    let report = config.warnings.to_string();
    assert!(report.contains("there is no `node` in `PATH`"), "{report}");
}

#[test]
fn proofs_have_defaults_and_tokens_need_no_key_unless_the_tenant_says_so() {
    let config = accepted("");
    assert!(!config.dpop.require_nonce);
    assert_eq!(config.dpop.iat_window, Duration::from_secs(60));
    assert!(!config.dpop.algorithms.contains(&Algorithm::RS256));
    assert!(config.required_bindings.is_empty() && config.tls.is_none());
    assert!(config.trusted_proxies.is_empty());

    let tenants = "trusted_proxies: [10.0.0.0/8, '2001:db8::1']\ntenants:\n  demo: { require_binding: true }\n  a: { require_binding: dpop }\n  b: { require_binding: certificate }\n  c: { require_binding: false }\n";
    let config = accepted(tenants);
    let required: Vec<_> = config.required_bindings.iter().collect();
    let wanted = [
        ("a", RequiredBinding::Dpop),
        ("b", RequiredBinding::Certificate),
        ("demo", RequiredBinding::Any),
    ];
    for ((tenant, required), wanted) in required.iter().zip(wanted) {
        assert_eq!((tenant.as_str(), **required), wanted);
    }
    assert_eq!(required.len(), 3);
    let proxies: Vec<_> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(proxies, ["10.0.0.0/8", "2001:db8::1/128"]);
}

#[test]
fn with_tls_the_gateway_is_seen_under_https() {
    let tls = "tls:\n  certificate: ca.pem\n  key: key.txt\n  client_certificates:\n    ca_file: ca.pem\n    spiffe: { example.org: ca.pem }\n    required: true\n";
    let config = accepted(tls);
    assert_eq!(config.public_origin(), "https://127.0.0.1:8808");
    let tls = config.tls.unwrap();
    assert_eq!(tls.files().count(), 4);
    let clients = tls.clients.unwrap();
    assert!(clients.required && clients.spiffe.contains_key("example.org"));
}

#[test]
fn rules_for_tools_that_serve_several_tenants_are_read_with_their_defaults() {
    let config = accepted(
        "tenants: { demo: {}, acme: {} }\nupstreams:\n  a:\n    tenants: [demo, acme]\n    http: { url: 'https://a.example.com/mcp' }\n    \
         tenant_values: { acme: 42 }\n    tools:\n      list:\n        arguments: [{ at: /org, tenant: default }]\n        \
         headers: { X-Org: tenant-value }\n        results: { at: ['/*/org', '/**/org'] }\n    identity: {}\n",
    );
    let values: Vec<_> = config
        .upstreams
        .values()
        .map(|u| (u.tenant.as_str(), u.tenant_value.text()))
        .collect();
    assert_eq!(
        values,
        [("acme", "42".to_owned()), ("demo", "demo".to_owned())]
    );
    let upstream = config.upstreams.values().next().unwrap();
    let rules = &upstream.tools["list"];
    assert_eq!(rules.arguments[0].binding, Binding::Default);
    assert!(rules.headers.contains("x-org"));
    let results = rules.results.as_ref().unwrap();
    assert_eq!(results.at, ["/*/org", "/**/org"]);
    assert_eq!(
        (results.foreign, results.untyped),
        (OnForeign::Drop, OnUntyped::Refuse)
    );
    let identity = upstream.identity.as_ref().unwrap();
    assert_eq!(identity.audience, "https://a.example.com/mcp");
    assert_eq!(identity.ttl, Duration::from_secs(60));
    assert_eq!(identity.header.as_deref(), Some("txn-token"));
}

#[test]
fn what_may_be_asked_for_is_the_gateways_and_the_tenants_own() {
    let config = accepted(
        "authorization_server: {}
tenants:
  demo:
    roles: { administrators: { subjects: [root], groups: [ops] } }
    agents: { 'https://bots.example.com/*': { owners: { subjects: [ada], groups: [platform] } }, cli: { ask_by: http } }
    entitlements:
      read:
        resources: [{ upstream: '*', resources: ['file:///*'] }]
        kinds: [time]
        duration_max: 8h
        bytes_max: 1MiB
        calls_per_minute_max: 30
        bound_to: agent
        approval: [{ subjects: [ada, bob], need: all }, { groups: [leads], need: 2 }]
        second_person: false
        justification: required
        hold: 30s
  acme: {}
entitlements:
  write:
    title: Change files
    requesters: { groups: [staff] }
    resources: [{ upstream: files, tools: [write_file, 'edit_*'] }]
    arguments: { properties: { path: { pattern: '^/work/' } } }
    approval: [{ groups: [leads] }]
",
    );
    let of = |tenant: &str| &config.tenants[&TenantId::parse(tenant).unwrap()];
    let ids = |tenant: &str| of(tenant).entitlements.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids("demo"), ["read", "write"]);
    assert_eq!(ids("acme"), ["write"]);
    let write = &of("acme").entitlements["write"];
    assert_eq!(write.title, "Change files");
    assert_eq!(write.kinds, [GrantKind::Once]);
    assert!(write.second_person);
    assert_eq!(write.approval[0].need, Need::Number(1));
    assert_eq!(write.resources[0].tools, ["write_file", "edit_*"]);
    let read = &of("demo").entitlements["read"];
    assert_eq!(read.title, "read");
    assert_eq!(read.duration_max, Duration::from_secs(8 * 3600));
    assert_eq!(
        (read.bytes_max, read.calls_per_minute_max),
        (Some(1 << 20), Some(30))
    );
    assert_eq!(read.approval[0].need, Need::All);
    assert_eq!(read.approval[1].need, Need::Number(2));
    assert_eq!(read.hold, Some(Duration::from_secs(30)));
    assert_eq!(read.bound_to, GrantBinding::Agent);
    assert!(of("demo").roles.administrators.groups.contains("ops"));
    assert_eq!(of("acme").roles, Roles::default());
    let owners = &of("demo").agents["https://bots.example.com/*"].owners;
    assert!(owners.groups.contains("platform") && owners.subjects.len() == 1);
    assert_eq!(of("demo").agents["cli"].ask_by, AskBy::Http);
    assert!(of("acme").agents.is_empty());
}
