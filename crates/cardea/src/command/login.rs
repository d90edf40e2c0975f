//! `cardea login` and `cardea logout`, and what `cardea connect` shares with them.

use std::{env, ffi::OsString, fs, io::Write as _, path::Path, path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail};
use cardea_connect::{Credentials, Grant, Secret, Settings, SigningKey, Store};
use cardea_domain::Clock;
use url::Url;

use crate::cli::login::{ClientArgs, LoginArgs, LogoutArgs, PersonArgs, StoreArgs};

pub(super) fn login(args: LoginArgs) -> anyhow::Result<()> {
    let server = server(args.gateway.as_deref(), args.url.as_deref())?;
    let settings = settings(
        server.clone(),
        &args.store,
        Some(&args.client),
        person(&args.person),
        args.person.no_browser,
    )?;
    let credentials = Credentials::new(settings)?;
    let outcome = runtime()?.block_on(credentials.login())?;
    let mut out = std::io::stdout();
    writeln!(out, "logged in to {server} by {}", outcome.issuer)?;
    if !outcome.scopes.is_empty() {
        writeln!(out, "  scopes: {}", outcome.scopes.join(" "))?;
    }
    let bound = match outcome.bound {
        true => "bound to a key of this installation",
        false => "not bound to a key; the server does not offer it",
    };
    writeln!(out, "  tokens: {bound}")?;
    if !outcome.renewable {
        writeln!(
            out,
            "  the login ends with its token; the server gave none to renew it with"
        )?;
    }
    writeln!(out, "  kept in {}", outcome.file.display())?;
    Ok(())
}

pub(super) fn logout(args: LogoutArgs) -> anyhow::Result<()> {
    let server = server(args.gateway.as_deref(), args.url.as_deref())?;
    let settings = settings(server.clone(), &args.store, None, Grant::Stored, true)?;
    let credentials = Credentials::new(settings)?;
    let was_there = runtime()?
        .block_on(credentials.logout())
        .context("the login is forgotten here, but could not be ended at its server")?;
    let text = match was_there {
        true => "logged out of",
        false => "there was no login for",
    };
    writeln!(std::io::stdout(), "{text} {server}")?;
    Ok(())
}

/// Where somebody logs in: at the API of a gateway, or at an MCP server.
fn server(gateway: Option<&str>, url: Option<&str>) -> anyhow::Result<Url> {
    Ok(match (gateway, url) {
        (Some(gateway), _) => cardea_connect::api_url(gateway)?,
        (None, Some(url)) => cardea_connect::server_url(url)?,
        (None, None) => bail!("name a gateway, or an MCP server by `--url`"),
    })
}

/// How a person logs in by these arguments.
pub(super) fn person(args: &PersonArgs) -> Grant {
    match args.device {
        true => Grant::Device,
        false => Grant::Browser,
    }
}

/// The settings of one server.
pub(super) fn settings(
    server: Url,
    args: &StoreArgs,
    client: Option<&ClientArgs>,
    grant: Grant,
    no_browser: bool,
) -> anyhow::Result<Settings> {
    let secret = client.map(secret).transpose()?.flatten();
    let key = client.and_then(|client| client.client_key_file.as_deref());
    Ok(Settings {
        server,
        store: store(args)?,
        grant,
        client_id: client.and_then(|client| client.client_id.clone()),
        client_secret: secret,
        client_key: key
            .map(SigningKey::from_pem_file)
            .transpose()?
            .map(Arc::new),
        client_metadata_url: client.and_then(|client| client.client_metadata_url.clone()),
        scopes: client
            .map(|client| client.scope.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default(),
        ca_file: args.ca_file.clone(),
        browsers: match no_browser {
            true => Vec::new(),
            false => browsers(),
        },
        say: Arc::new(|text| {
            let _ = writeln!(std::io::stderr(), "{text}");
        }),
        clock: Clock::system(),
    })
}

/// Where logins lie.
pub(super) fn store(args: &StoreArgs) -> anyhow::Result<Store> {
    Ok(Store::new(match &args.store {
        Some(folder) => folder.clone(),
        None => default_store()?,
    }))
}

pub(super) fn secret_file(path: &Path) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the secret in {}", path.display()))?;
    Ok(Secret::new(&text))
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

fn secret(client: &ClientArgs) -> anyhow::Result<Option<Secret>> {
    if let Some(path) = &client.client_secret_file {
        return secret_file(path).map(Some);
    }
    let Some(name) = &client.client_secret_env else {
        return Ok(None);
    };
    let value = env::var(name).with_context(|| format!("cannot use the variable `{name}`"))?;
    Ok(Some(Secret::new(&value)))
}

/// XDG Base Directory Specification.
fn default_store() -> anyhow::Result<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    if let Some(data) = set("XDG_DATA_HOME") {
        return Ok(data.join("cardea"));
    }
    match set("HOME") {
        Some(home) => Ok(home.join(".local/share/cardea")),
        None => bail!("there is no home folder to keep logins in; pass `--store`"),
    }
}

/// Programs that open an address: the person's choice, else the desktop's.
fn browsers() -> Vec<OsString> {
    let chosen = env::var_os("BROWSER").filter(|program| !program.is_empty());
    let desktop = ["xdg-open", "open"].map(OsString::from);
    chosen.into_iter().chain(desktop).collect()
}
