//! `cardea account`: the people who log in with a password of the gateway's own.
//!
//! It may run beside the gateway, which sees every change at its next login and writes it to the
//! log.

use std::{io::Write as _, path::Path};

use anyhow::bail;
use cardea_config::Config;
use cardea_domain::{Clock, SubjectId, TenantId};
use cardea_identity::server::Accounts;

use crate::cli::{AccountArgs, AccountCommand, AddArgs, ListArgs};

pub(super) fn run(command: &AccountCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            AccountCommand::Add(args) => add(args).await,
            AccountCommand::List(args) => list(args).await,
            AccountCommand::Reset(args) => reset(args).await,
            AccountCommand::Remove(args) => remove(args).await,
        }
    })
}

async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let (config, accounts) = open(&args.account.config.config).await?;
    let (tenant, subject) = named(&args.account, &config)?;
    let added = accounts.add(&tenant, &subject, &args.group).await;
    accounts.close().await;
    print_link(&config, &added?)
}

async fn reset(args: &AccountArgs) -> anyhow::Result<()> {
    let (config, accounts) = open(&args.config.config).await?;
    let (tenant, subject) = named(args, &config)?;
    let reset = accounts.reset(&tenant, &subject).await;
    accounts.close().await;
    print_link(&config, &reset?)
}

async fn remove(args: &AccountArgs) -> anyhow::Result<()> {
    let (config, accounts) = open(&args.config.config).await?;
    let (tenant, subject) = named(args, &config)?;
    let removed = accounts.remove(&tenant, &subject).await;
    accounts.close().await;
    removed?;
    writeln!(
        std::io::stdout(),
        "removed `{subject}` of tenant `{tenant}`"
    )?;
    Ok(())
}

async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let (config, accounts) = open(&args.config.config).await?;
    let tenants = match &args.tenant {
        Some(id) => vec![tenant(id, &config)?],
        None => config.tenants.keys().cloned().collect(),
    };
    let mut out = std::io::stdout().lock();
    for tenant in &tenants {
        for account in accounts.list(tenant).await? {
            let state = match account.password_hash {
                Some(_) => "active",
                None => "waits for its link",
            };
            let groups = account.groups.join(",");
            writeln!(out, "{tenant}\t{}\t{groups}\t{state}", account.subject)?;
        }
    }
    accounts.close().await;
    Ok(())
}

async fn open(path: &Path) -> anyhow::Result<(Config, Accounts)> {
    let config = super::load(path)?;
    let has_accounts = config
        .authorization_server
        .as_ref()
        .is_some_and(|server| server.local_accounts);
    if !has_accounts {
        bail!("the configuration has no local accounts; see `authorization_server`");
    }
    let accounts = Accounts::open(&config.state_dir, Clock::system()).await?;
    Ok((config, accounts))
}

fn named(args: &AccountArgs, config: &Config) -> anyhow::Result<(TenantId, SubjectId)> {
    let subject = SubjectId::parse(&args.subject)?;
    Ok((tenant(&args.tenant, config)?, subject))
}

fn tenant(id: &str, config: &Config) -> anyhow::Result<TenantId> {
    let tenant = TenantId::parse(id)?;
    if !config.tenants.contains_key(&tenant) {
        bail!("the configuration has no tenant `{tenant}`");
    }
    Ok(tenant)
}

fn print_link(config: &Config, path: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}{path}", config.public_origin())?;
    Ok(())
}
