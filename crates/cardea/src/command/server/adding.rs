//! Adding and removing servers. What is added is installed without running anything of it, locked by digests, and neither
//! started nor called before somebody approves it.

mod npm;
mod pypi;
mod run;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cardea_domain::{Destination, UpstreamId};
use cardea_registry::{
    AddedBox, AddedMode, AddedServer, ClientCertificate, Digests, Launch, Neighbours, Reference,
    ServerRecord, Source, Spec, digest_text,
};
use cardea_sandbox::PlanError;
use serde_json::json;

use super::office::{Office, failed};
use crate::{
    cli::server::{AddArgs, RemoveArgs},
    command::failure::{Failure, Status},
    policies,
    wiring::{added, sandbox},
};

/// Below `state_dir`: one folder for each installed tree, by its digest.
const FOLDER: &str = "servers";

/// Stands in arguments for the folder that a tree is moved to.
const PLACE: &str = "{place}";

/// What was installed, before it has its place.
struct Installed {
    /// The folder that is to be locked as a whole.
    tree: PathBuf,
    /// The program that runs it.
    command: PathBuf,
    /// Its arguments, with [`PLACE`] for the folder.
    args: Vec<String>,
    /// What was downloaded, by which hash.
    sources: Vec<Source>,
}

pub(super) async fn add(office: &Office, args: &AddArgs) -> Result<(), Failure> {
    let spec = Spec::parse(&args.spec)
        .map_err(|error| Failure::new(Status::WrongUse, error.to_string()))?;
    let name = args.name.clone().unwrap_or_else(|| spec.default_name());
    let upstream = UpstreamId::parse(&name)
        .map_err(|error| Failure::new(Status::WrongUse, format!("{error}; give `--name`")))?;
    refuse_taken(office, &upstream, args)?;
    let (launch, sources) = match &spec {
        Spec::Https(url) => (http(url.as_str(), args)?, Vec::new()),
        Spec::Exec(path) => (exec(office, path, args)?, Vec::new()),
        Spec::Npm { .. } | Spec::PyPi { .. } => package(office, &spec, args).await?,
    };
    let record = ServerRecord {
        spec: spec.to_string(),
        launch,
        sources,
    };
    let server = AddedServer {
        upstream: upstream.clone(),
        record: record.clone(),
        added_by: office.by.clone(),
        added_ms: 0,
        approved: None,
    };
    let unplanned = check_box(office, &server)?;
    let adding = office
        .registrar
        .add_server(&office.tenant, &upstream, &record, &office.by);
    adding.await.map_err(failed)?;
    let like = names_like(office, &upstream);
    let mut lines = vec![format!("added `{upstream}`: {spec}")];
    if let Launch::Stdio {
        command,
        args,
        locked,
        ..
    } = &record.launch
    {
        lines.push(format!("  runs: {} {}", command.display(), args.join(" ")));
        for (path, digest) in locked {
            lines.push(format!("  locked: sha256:{digest} {}", path.display()));
        }
        if !record.sources.is_empty() {
            lines.push(format!("  packages: {}", record.sources.len()));
        }
    }
    lines.extend(unplanned);
    let unseen = unseen(office, &server, &args.args);
    if !unseen.is_empty() {
        lines.push(format!(
            "  ! its box does not show it `{}`: add it again with `--replace`, and with `--read` or `--write` for what it needs",
            unseen.join("`, `")
        ));
    }
    if !like.is_empty() {
        lines.push(format!("  ! its name looks like `{}`", like.join("`, `")));
    }
    lines.push(format!(
        "nothing of it is started before: cardea server approve --all {upstream} --reason …"
    ));
    let document = json!({
        "added": upstream.as_str(),
        "spec": spec.to_string(),
        "record": record,
        "looks_like": like,
        "unseen": unseen,
    });
    office.tell(&document, &lines.join("\n"))
}

pub(super) async fn remove(office: &Office, args: &RemoveArgs) -> Result<(), Failure> {
    let Some(added) = office.added(&args.server) else {
        let text = format!(
            "no server `{}` was added here; those of the configuration are removed there",
            args.server
        );
        return Err(Failure::new(Status::Unknown, text));
    };
    let (tenant, id) = (&office.tenant, &added.upstream);
    // A gateway whose policies speak of what is not there keeps the world that it has.
    if let Err(mistakes) = policies::compile(&office.without(id), None) {
        let text =
            format!("without `{id}` the policies are not good; mend them first:\n{mistakes}");
        return Err(Failure::new(Status::WrongUse, text));
    }
    let removing = office
        .registrar
        .remove_server(tenant, id, &office.by, &args.reason);
    removing.await.map_err(failed)?;
    office.tell(
        &json!({ "removed": id.as_str() }),
        &format!("removed `{id}`"),
    )
}

/// One name must not mean two servers.
fn refuse_taken(office: &Office, upstream: &UpstreamId, args: &AddArgs) -> Result<(), Failure> {
    if office.is_configured(upstream) {
        let text = format!("the configuration has a server `{upstream}` already; give `--name`");
        return Err(Failure::new(Status::WrongUse, text));
    }
    if office.added(upstream.as_str()).is_some() && !args.replace {
        let text = format!(
            "a server `{upstream}` was added already; give `--name`, or `--replace` for another version of it"
        );
        return Err(Failure::new(Status::WrongUse, text));
    }
    Ok(())
}

fn names_like(office: &Office, upstream: &UpstreamId) -> Vec<String> {
    let names: Vec<UpstreamId> = office.names().cloned().collect();
    let neighbours = Neighbours::of([], &names);
    let like = neighbours.servers_like(upstream.as_str());
    like.into_iter().map(ToString::to_string).collect()
}

/// Refuses a server whose box would hold what is the gateway's own; of others that cannot be put up as things are, a line
/// that says why.
fn check_box(office: &Office, server: &AddedServer) -> Result<Option<String>, Failure> {
    let (config, tenant) = (&office.config, &office.tenant);
    let Ok(upstream) = added::upstream(config, tenant, &added::without_secrets(server)) else {
        return Ok(None);
    };
    match sandbox::plan_of(config, &upstream) {
        Some(Err(error @ (PlanError::Secret { .. } | PlanError::Steering { .. }))) => {
            Err(Failure::new(Status::Refused, error.to_string()))
        }
        Some(Err(error)) => Ok(Some(format!("  ! its box cannot be put up: {error}"))),
        Some(Ok(_)) | None => Ok(None),
    }
}

/// Arguments that name a file or folder which the server will not see from within its box.
fn unseen(office: &Office, server: &AddedServer, given: &[String]) -> Vec<String> {
    let config = &office.config;
    let Ok(upstream) = added::upstream(config, &office.tenant, &added::without_secrets(server))
    else {
        return Vec::new();
    };
    let Some(view) = sandbox::view(config, &upstream) else {
        return Vec::new();
    };
    let is_seen = |path: &Path| {
        let mut shown = view.read.iter().chain(&view.write);
        shown.any(|shown| path.starts_with(shown))
    };
    let cwd = folder_of(office);
    let is_unseen = |argument: &&String| {
        // `--root=./files` names a folder as well.
        let named = argument.split_once('=').map_or("", |(_, value)| value);
        [argument.as_str(), named]
            .into_iter()
            .filter(|text| !text.is_empty())
            .filter_map(|text| fs::canonicalize(cwd.join(text)).ok())
            .any(|path| !is_seen(&path))
    };
    given.iter().filter(is_unseen).cloned().collect()
}

fn exec(office: &Office, path: &Path, args: &AddArgs) -> Result<Launch, Failure> {
    let path = fs::canonicalize(path).map_err(|error| {
        let text = format!("{} cannot be used: {error}", path.display());
        Failure::new(Status::Unknown, text)
    })?;
    Ok(Launch::Stdio {
        locked: BTreeMap::from([(path.clone(), digest(&path)?)]),
        command: path,
        args: args.args.clone(),
        env: environment(&args.env)?,
        cwd: folder_of(office),
        sandbox: boxed(args)?,
    })
}

/// What a server may see and reach, as it was typed.
fn boxed(args: &AddArgs) -> Result<AddedBox, Failure> {
    let absolute = |paths: &[PathBuf]| -> Result<Vec<PathBuf>, Failure> {
        let each = paths.iter();
        each.map(|path| fs::canonicalize(path).map_err(|error| cannot("use", path, &error)))
            .collect()
    };
    for destination in &args.allow {
        destination
            .parse::<Destination>()
            .map_err(|error| Failure::new(Status::WrongUse, format!("`{destination}`: {error}")))?;
    }
    Ok(AddedBox {
        mode: match args.sandbox.as_str() {
            "off" => AddedMode::Off,
            "best-effort" => AddedMode::BestEffort,
            _ => AddedMode::Strict,
        },
        read: absolute(&args.read)?,
        write: absolute(&args.write)?,
        exec: args.exec.clone(),
        allow: args.allow.clone(),
    })
}

async fn package(
    office: &Office,
    spec: &Spec,
    args: &AddArgs,
) -> Result<(Launch, Vec<Source>), Failure> {
    let env = environment(&args.env)?;
    let folder = office.config.state_dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    let staging = tempfile::Builder::new()
        .prefix(".staging-")
        .tempdir_in(&folder)
        .map_err(|error| cannot("make a folder in", &folder, &error))?;
    let installed = match spec {
        Spec::Npm { name, version } => npm::install(staging.path(), name, version).await?,
        Spec::PyPi { name, version } => {
            pypi::install(staging.path(), name, version, &args.constraint).await?
        }
        Spec::Exec(_) | Spec::Https(_) => {
            return Err(Failure::new(Status::WrongUse, "that is no package"));
        }
    };
    let digest = digest(&installed.tree)?;
    let place = folder.join(&digest);
    if !place.exists() {
        fs::rename(&installed.tree, &place).map_err(|error| cannot("make", &place, &error))?;
    } else if self::digest(&place)? != digest {
        let text = format!(
            "{} has changed since it was installed: remove it, and add the server again",
            place.display()
        );
        return Err(Failure::new(Status::Failed, text));
    }
    let own = installed.args.into_iter();
    let own = own.map(|arg| arg.replace(PLACE, &place.display().to_string()));
    let launch = Launch::Stdio {
        command: installed.command,
        args: own.chain(args.args.iter().cloned()).collect(),
        env,
        cwd: folder_of(office),
        locked: BTreeMap::from([(place, digest)]),
        sandbox: boxed(args)?,
    };
    Ok((launch, installed.sources))
}

fn http(url: &str, args: &AddArgs) -> Result<Launch, Failure> {
    let absolute =
        |path: &PathBuf| fs::canonicalize(path).map_err(|error| cannot("use", path, &error));
    let certificate = args
        .client_certificate
        .as_ref()
        .zip(args.client_key.as_ref());
    let client_certificate = certificate.map(|(certificate, key)| {
        Ok::<_, Failure>(ClientCertificate {
            certificate: absolute(certificate)?,
            key: absolute(key)?,
        })
    });
    for pin in &args.spki_pin {
        if cardea_config::spki_pin(pin).is_none() {
            let text = format!("`{pin}` is no pin: `sha256/` and 44 characters of base64 are one");
            return Err(Failure::new(Status::WrongUse, text));
        }
    }
    Ok(Launch::Http {
        url: url.to_owned(),
        ca_file: args.ca_file.as_ref().map(absolute).transpose()?,
        spki_pins: args.spki_pin.clone(),
        spiffe_id: args.spiffe_id.clone(),
        client_certificate: client_certificate.transpose()?,
    })
}

/// Where relative paths of its arguments lead, as with servers of the configuration.
fn folder_of(office: &Office) -> PathBuf {
    let folder = office.config.file.parent();
    folder.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// `NAME=env:VARIABLE`, `NAME=file:PATH` and `NAME=text:VALUE`.
fn environment(given: &[String]) -> Result<BTreeMap<String, Reference>, Failure> {
    let read = |text: &String| {
        let (name, reference) = text.split_once('=')?;
        let reference = match reference.split_once(':')? {
            ("env", variable) => Reference::Env(variable.to_owned()),
            ("file", path) => Reference::File(fs::canonicalize(path).ok()?),
            ("text", text) if !sounds_secret(name) => Reference::Text(text.to_owned()),
            _ => return None,
        };
        Some((name.to_owned(), reference))
    };
    let each = given.iter().map(|text| {
        read(text).ok_or_else(|| {
            let text = format!(
                "`{}` is no variable: give `NAME=env:VARIABLE` or `NAME=file:PATH`, where the file is there; or `NAME=text:VALUE`, for what is no secret by its name",
                text.split_once('=').map_or(text.as_str(), |(name, _)| name)
            );
            Failure::new(Status::WrongUse, text)
        })
    });
    each.collect()
}

/// Whether a variable of this name holds what nobody should find in a store.
fn sounds_secret(name: &str) -> bool {
    const SECRET: [&str; 8] = [
        "AUTH",
        "CREDENTIAL",
        "KEY",
        "PASS",
        "PRIVATE",
        "PWD",
        "SECRET",
        "TOKEN",
    ];
    let name = name.to_uppercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// The digest of a file or tree, in hexadecimal.
fn digest(path: &Path) -> Result<String, Failure> {
    let digest = Digests::default().digest(path);
    let digest = digest.map_err(|error| Failure::new(Status::Failed, error.to_string()))?;
    let text = digest_text(&digest);
    Ok(text.strip_prefix("sha256:").unwrap_or(&text).to_owned())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Status::Failed,
        format!("cannot {what} {}: {error}", path.display()),
    )
}
