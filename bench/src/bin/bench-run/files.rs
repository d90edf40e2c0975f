//! The files that nginx and the gateway are started with, written anew for each run.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

/// The addresses of a gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatewayPorts {
    /// Where clients connect.
    pub(crate) clients: u16,
    /// Where health and metrics are served.
    pub(crate) admin: u16,
}

/// What a gateway does with arguments and results; each does what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Checks {
    /// Nothing.
    Off,
    /// Holds them to the schemas of the tools: what a gateway does unless told otherwise.
    Schemas,
    /// And arguments to constraints.
    Constraints,
    /// And follows values from results into arguments.
    Flow,
}

/// How a gateway differs from the others that are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    /// Mutual TLS with these certificates.
    pub(crate) tls: Option<&'a Pems>,
    pub(crate) checks: Checks,
}

/// Certificates in PEM, and their keys.
#[derive(Debug)]
pub(crate) struct Pems {
    /// Who signed both.
    pub(crate) authority: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) server_key: PathBuf,
    pub(crate) client: PathBuf,
    pub(crate) client_key: PathBuf,
}

/// An authority, and a certificate each for the gateway and for the client, all on P-256.
pub(crate) fn write_certificates(dir: &Path) -> Result<Pems> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let pems = Pems {
        authority: dir.join("authority.pem"),
        server: dir.join("server.pem"),
        server_key: dir.join("server.key"),
        client: dir.join("client.pem"),
        client_key: dir.join("client.key"),
    };
    fs::write(&pems.authority, params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let mut server = CertificateParams::default();
    server.subject_alt_names = vec![SanType::IpAddress(IpAddr::from([127, 0, 0, 1]))];
    let leaves = [
        (server, &pems.server, &pems.server_key),
        (CertificateParams::default(), &pems.client, &pems.client_key),
    ];
    for (params, certificate_path, key_path) in leaves {
        let key = KeyPair::generate()?;
        fs::write(certificate_path, params.signed_by(&key, &issuer)?.pem())?;
        fs::write(key_path, key.serialize_pem())?;
    }
    Ok(pems)
}

/// nginx as a plain reverse proxy: one worker, connections kept alive on both sides, no log of calls, no security.
pub(crate) fn write_nginx_conf(dir: &Path, port: u16, upstream_port: u16) -> Result<()> {
    // Buffers hold a whole result, so that nginx, too, writes an answer at once and nothing to disk.
    let conf = format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log nginx-error.log warn;

events {{
    worker_connections 4096;
}}

http {{
    access_log off;
    tcp_nodelay on;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    client_body_buffer_size 128k;
    client_body_temp_path client-body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;

    upstream echo {{
        server 127.0.0.1:{upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}

    server {{
        listen 127.0.0.1:{port} backlog=4096;

        location / {{
            proxy_pass http://echo;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffer_size 16k;
            proxy_buffers 16 16k;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"
    );
    Ok(fs::write(dir.join("nginx.conf"), conf)?)
}

/// Constraints on both arguments of the measured tool, which its calls keep.
const CONSTRAINTS: &str = "
    constraints:
      - { tools: [echo], at: /message, required: true, pattern: \"[a-z0-9 ]+\", length_max: 200 }
      - { tools: [echo], at: /size, minimum: 0, maximum: 100000 }";

/// What the measured tool gives is somebody else's, so that each result is taken into what the run has seen, and looked
/// for in the arguments of the next call.
const LABELS: &str = "echo: [untrusted, private, read-only]\n";

/// The gateway's configuration and its policies: a tenant, an issuer, an upstream, one worker.
pub(crate) fn write_gateway_config(
    dir: &Path,
    ports: GatewayPorts,
    upstream_port: u16,
    Shape { tls, checks }: Shape<'_>,
) -> Result<()> {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = tls.map_or_else(String::new, |pems| {
        format!(
            "tls: {{ certificate: {:?}, key: {:?}, client_certificates: {{ ca_file: {:?} }} }}\n",
            pems.server, pems.server_key, pems.authority
        )
    });
    let GatewayPorts { clients, admin } = ports;
    let given = |is_on: bool, text: &'static str| if is_on { text } else { "" };
    let ignored = "\n    schemas: { arguments: ignore, results: ignore }";
    let schemas = given(checks < Checks::Schemas, ignored);
    let constraints = given(checks >= Checks::Constraints, CONSTRAINTS);
    let labels = given(checks >= Checks::Flow, "\n    labels: labels.yaml");
    let packs = given(checks >= Checks::Flow, "\npacks: [untrusted-values]");
    let config = format!(
        "listen: 127.0.0.1:{clients}
public_url: {scheme}://127.0.0.1:{clients}
{tls}admin_listen: 127.0.0.1:{admin}
workers: 1
state_dir: state
tenants: {{ bench: {{}} }}
issuers:
  - embedded: true
upstreams:
  echo:
    tenants: [bench]
    http: {{ url: \"http://127.0.0.1:{upstream_port}/mcp\" }}
    pins: first{schemas}{constraints}{labels}
policies: [policies]{packs}
"
    );
    fs::write(dir.join("labels.yaml"), LABELS)?;
    fs::create_dir_all(dir.join("policies"))?;
    fs::write(dir.join("policies/bench.cedar"), policies())?;
    Ok(fs::write(dir.join("cardea.yaml"), config)?)
}

/// Twenty policies: the one that permits the measured calls among those for other actors and other tools.
fn policies() -> String {
    let measured = format!("{}\n", permit_upstream("bench-agent"));
    let own_tools = [
        ("mail-agent", "send"),
        ("mail-agent", "list"),
        ("build-agent", "start"),
        ("build-agent", "status"),
        ("report-agent", "render"),
        ("report-agent", "echo"),
        ("search-agent", "search"),
        ("search-agent", "echo"),
        ("stock-agent", "count"),
        ("stock-agent", "reserve"),
    ];
    let permits = own_tools
        .iter()
        .map(|(actor, tool)| permit_tool(actor, tool));
    let forbidden = [
        ("bench-agent", "delete"),
        ("bench-agent", "transfer"),
        ("mail-agent", "transfer"),
        ("build-agent", "delete"),
        ("report-agent", "send"),
        ("search-agent", "delete"),
        ("stock-agent", "transfer"),
    ];
    let forbids = forbidden
        .iter()
        .map(|(actor, tool)| forbid_tool(actor, tool));
    let for_all = [
        permit_upstream("audit-agent"),
        forbid_upstream("suspended-agent"),
    ];
    measured
        + &permits
            .chain(forbids)
            .chain(for_all)
            .collect::<Vec<_>>()
            .join("\n")
}

fn permit_upstream(actor: &str) -> String {
    format!(
        "permit(principal in Cardea::Actor::\"bench/{actor}\", action in Cardea::Action::\"use\", resource in Cardea::Upstream::\"echo\");\n"
    )
}

fn forbid_upstream(actor: &str) -> String {
    format!(
        "forbid(principal in Cardea::Actor::\"bench/{actor}\", action, resource in Cardea::Upstream::\"echo\");\n"
    )
}

fn permit_tool(actor: &str, tool: &str) -> String {
    format!(
        "permit(principal in Cardea::Actor::\"bench/{actor}\", action == Cardea::Action::\"tools/call\", resource == Cardea::Tool::\"echo/{tool}\");\n"
    )
}

fn forbid_tool(actor: &str, tool: &str) -> String {
    format!(
        "forbid(principal in Cardea::Actor::\"bench/{actor}\", action == Cardea::Action::\"tools/call\", resource == Cardea::Tool::\"echo/{tool}\");\n"
    )
}

#[cfg(test)]
mod tests {
    use super::policies;

    #[test]
    fn there_are_twenty_policies_and_one_permits_the_measured_actor() {
        let text = policies();
        assert_eq!(text.matches(';').count(), 20);
        assert_eq!(
            text.matches("permit(principal in Cardea::Actor::\"bench/bench-agent\"")
                .count(),
            1
        );
    }
}
