//! Servers that were added at a terminal, laid over the configuration.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use cardea_config::{
    Config, Http, Sandbox, SandboxMode, Secret, Stdio, Transport, Upstream, spki_pin,
};
use cardea_domain::{Clock, Destination, TenantId};
use cardea_registry::{AddedMode, AddedServer, Launch, Reference, Registrar};
use url::Url;

/// The configuration with what was added; what nobody has approved is known by its name alone, so that policies may speak of
/// it. One of the configuration stands before one of its name.
pub(crate) fn lay_over(
    mut config: Config,
    servers: Vec<(TenantId, AddedServer)>,
) -> anyhow::Result<Config> {
    for (tenant, server) in servers {
        let key = (tenant.clone(), server.upstream.clone());
        if !config.tenants.contains_key(&tenant) {
            continue;
        }
        if config.upstreams.contains_key(&key) {
            tracing::warn!(%tenant, upstream = %server.upstream, "a server of this name was added too; the one of the configuration stands");
            continue;
        }
        // One that lacks a secret or a file is not there; the others are.
        match upstream(&config, &tenant, &server) {
            Ok(upstream) => {
                config.warnings.forget(cardea_config::NO_UPSTREAM);
                config.upstreams.insert(key, upstream);
            }
            Err(error) => {
                tracing::error!(%tenant, upstream = %server.upstream, error = format!("{error:#}"), "an added server cannot be used");
            }
        }
    }
    Ok(config)
}

/// The configuration with what the store in its `state_dir` has, where there is one; for commands that only look.
pub(crate) fn of_store(config: Config) -> anyhow::Result<Config> {
    if !Registrar::is_there(&config.state_dir) {
        return Ok(config);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let servers = runtime.block_on(async {
        let registrar = Registrar::open(&config.state_dir, Clock::system()).await?;
        let mut servers = Vec::new();
        for tenant in config.tenants.keys() {
            let of_tenant = registrar.servers(tenant).await?;
            let of_tenant = of_tenant.iter().map(without_secrets);
            servers.extend(of_tenant.map(|server| (tenant.clone(), server)));
        }
        registrar.close().await;
        anyhow::Ok(servers)
    });
    lay_over(config, servers.context("what was added cannot be read")?)
}

/// An added server as if it stood in the configuration.
pub(crate) fn upstream(
    config: &Config,
    tenant: &TenantId,
    server: &AddedServer,
) -> anyhow::Result<Upstream> {
    let transport = match &server.record.launch {
        Launch::Stdio {
            command,
            args,
            env,
            cwd,
            locked,
            sandbox,
        } => Transport::Stdio(Stdio {
            command: command.clone(),
            args: args.clone(),
            env: secrets(env)?,
            cwd: cwd.clone(),
            sandbox: Sandbox {
                mode: match sandbox.mode {
                    AddedMode::Strict => SandboxMode::Strict,
                    AddedMode::BestEffort => SandboxMode::BestEffort,
                    AddedMode::Off => SandboxMode::Off,
                },
                // What was installed, wherever the runtime would look for it.
                read: locked.keys().chain(&sandbox.read).cloned().collect(),
                write: sandbox.write.clone(),
                exec: sandbox.exec.clone(),
                allow: (sandbox.allow.iter())
                    .map(|text| text.parse::<Destination>())
                    .collect::<Result<_, _>>()?,
                ..Sandbox::default()
            },
            locked: locked
                .iter()
                .map(|(path, hex)| Ok((path.clone(), digest(hex)?)))
                .collect::<anyhow::Result<_>>()?,
        }),
        Launch::Http {
            url,
            ca_file,
            spki_pins,
            spiffe_id,
            client_certificate,
        } => Transport::Http(Http {
            url: Url::parse(url)?,
            headers: BTreeMap::new(),
            ca_file: ca_file.clone(),
            spki_pins: spki_pins
                .iter()
                .map(|pin| spki_pin(pin).with_context(|| format!("`{pin}` is no pin")))
                .collect::<anyhow::Result<_>>()?,
            spiffe_id: spiffe_id.clone(),
            client_certificate: client_certificate
                .as_ref()
                .map(|ours| (ours.certificate.clone(), ours.key.clone())),
        }),
    };
    Ok(Upstream {
        is_held: server.approved.is_none(),
        added_ms: Some(server.added_ms),
        ..config.added(tenant, &server.upstream, transport)
    })
}

/// The same without what only the gateway can read.
pub(crate) fn without_secrets(server: &AddedServer) -> AddedServer {
    let mut server = server.clone();
    if let Launch::Stdio { env, .. } = &mut server.record.launch {
        env.clear();
    }
    server
}

fn secrets(env: &BTreeMap<String, Reference>) -> anyhow::Result<BTreeMap<String, Secret>> {
    let read = |reference: &Reference| match reference {
        Reference::Env(name) => {
            std::env::var(name).with_context(|| format!("the environment variable `{name}`"))
        }
        Reference::File(path) => of_file(path),
        Reference::Text(text) => Ok(text.clone()),
    };
    let each = env.iter();
    each.map(|(name, reference)| Ok((name.clone(), Secret::new(read(reference)?))))
        .collect()
}

/// Without the line break that editors put at the end.
fn of_file(path: &PathBuf) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

fn digest(hex: &str) -> anyhow::Result<[u8; 32]> {
    let mut digest = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        bail!("`{hex}` is no SHA-256");
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        let pair = hex.get(at * 2..at * 2 + 2).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).context("a digest")?;
    }
    Ok(digest)
}
