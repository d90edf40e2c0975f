//! One tenant's registry, as a command uses it.

use std::io::Write as _;

use cardea_config::{Config, Upstream};
use cardea_domain::{Clock, TenantId, UpstreamId};
use cardea_registry::{AddedServer, DefinitionKind, Registrar, RegistrarError, View};
use serde_json::Value;

use crate::{
    cli::server::WhereArgs,
    command::{
        failure::{Failure, Status},
        load,
    },
    wiring::added,
};

/// The registry of a tenant.
pub(super) struct Office {
    pub(super) config: Config,
    /// What was added, approved or not, beside the configuration.
    added: Vec<(AddedServer, Upstream)>,
    pub(super) tenant: TenantId,
    pub(super) registrar: Registrar,
    pub(super) is_json: bool,
    /// Who decides, for records: the user of the operating system, whose right to write into `state_dir` it is.
    pub(super) by: String,
}

impl Office {
    pub(super) async fn open(at: &WhereArgs) -> Result<Self, Failure> {
        let config = load(&at.config.config).map_err(|error| Failure::wrong_use(&error))?;
        let tenant = tenant(&config, at.tenant.as_deref())?;
        let opened = Registrar::open(&config.state_dir, Clock::system()).await;
        let registrar = opened.map_err(|error| Failure::new(Status::Failed, error.to_string()))?;
        let servers = registrar.servers(&tenant).await;
        let servers = servers.map_err(|error| Failure::new(Status::Failed, error.to_string()))?;
        let added = servers.into_iter().filter_map(|server| {
            // Secrets are the gateway's to read: where they are not there, it is shown all the same.
            let without = added::without_secrets(&server);
            let upstream = added::upstream(&config, &tenant, &without).ok()?;
            let key = (tenant.clone(), server.upstream.clone());
            (!config.upstreams.contains_key(&key)).then_some((server, upstream))
        });
        let added = added.collect();
        Ok(Self {
            added,
            config,
            tenant,
            registrar,
            is_json: at.json,
            by: format!("uid {} at a terminal", rustix::process::getuid().as_raw()),
        })
    }

    pub(super) async fn close(&self) {
        self.registrar.close().await;
    }

    /// The tenant's servers, by name.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Upstream> {
        let configured = self.config.upstreams.values();
        configured
            .filter(|upstream| upstream.tenant == self.tenant)
            .chain(self.added.iter().map(|(_, upstream)| upstream))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &UpstreamId> {
        self.servers().map(|upstream| &upstream.id)
    }

    /// Whether the configuration has a server of this name.
    pub(super) fn is_configured(&self, name: &UpstreamId) -> bool {
        let key = (self.tenant.clone(), name.clone());
        self.config.upstreams.contains_key(&key)
    }

    /// The added server of this name.
    pub(super) fn added(&self, name: &str) -> Option<&AddedServer> {
        let mut added = self.added.iter().map(|(server, _)| server);
        added.find(|server| server.upstream.as_str() == name)
    }

    /// The configuration with everything that was added but this one.
    pub(super) fn without(&self, name: &UpstreamId) -> Config {
        let mut config = self.config.clone();
        let others = self
            .added
            .iter()
            .filter(|(server, _)| server.upstream != *name);
        for (server, upstream) in others {
            let key = (self.tenant.clone(), server.upstream.clone());
            config.upstreams.insert(key, upstream.clone());
        }
        config
    }

    /// The server of this name.
    pub(super) fn server(&self, name: &str) -> Result<&Upstream, Failure> {
        let found = self.servers().find(|upstream| upstream.id.as_str() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.servers().map(|u| u.id.as_str()).collect();
            let known = match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has: {}", names.join(", ")),
            };
            let text = format!(
                "the tenant `{}` has no server `{name}`; {known}",
                self.tenant
            );
            Failure::new(Status::Unknown, text)
        })
    }

    /// What is approved in the tenant, and what waits.
    pub(super) async fn view(&self) -> Result<View, Failure> {
        let view = self.registrar.view(&self.tenant).await;
        view.map_err(|error| Failure::new(Status::Failed, error.to_string()))
    }

    /// Prints a document for programs, or a text for people.
    pub(super) fn tell(&self, document: &Value, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let written = match self.is_json {
            true => writeln!(out, "{document}"),
            false => writeln!(out, "{text}"),
        };
        written.map_err(|error| Failure::new(Status::Failed, error.to_string()))
    }
}

/// A definition as it is typed.
pub(super) fn named(text: &str) -> (DefinitionKind, &str) {
    if text == DefinitionKind::Instructions.as_str() {
        return (DefinitionKind::Instructions, "");
    }
    let split = text.split_once(':').and_then(|(word, name)| {
        let kind = DefinitionKind::parse(word).filter(|k| *k != DefinitionKind::Instructions)?;
        Some((kind, name))
    });
    split.unwrap_or((DefinitionKind::Tool, text))
}

/// A definition as it would be typed.
pub(super) fn typed(kind: DefinitionKind, name: &str) -> String {
    let is_ambiguous = name == DefinitionKind::Instructions.as_str()
        || named(name) != (DefinitionKind::Tool, name);
    match kind {
        DefinitionKind::Instructions => kind.to_string(),
        DefinitionKind::Tool if !is_ambiguous => name.to_owned(),
        _ => format!("{kind}:{name}"),
    }
}

pub(super) fn failed(error: RegistrarError) -> Failure {
    let status = match &error {
        RegistrarError::NotWaiting { .. }
        | RegistrarError::NotApproved { .. }
        | RegistrarError::Unknown(_) => Status::Unknown,
        RegistrarError::Changed { .. } | RegistrarError::RollBack { .. } => Status::Over,
        RegistrarError::Unreadable { .. } => Status::Refused,
        RegistrarError::Reason => Status::WrongUse,
        RegistrarError::Store(_) => Status::Failed,
    };
    Failure::new(status, error.to_string())
}

fn tenant(config: &Config, named: Option<&str>) -> Result<TenantId, Failure> {
    let names = || {
        let names: Vec<_> = config.tenants.keys().map(TenantId::as_str).collect();
        names.join(", ")
    };
    let Some(name) = named else {
        let mut tenants = config.tenants.keys();
        return match (tenants.next(), tenants.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => {
                let text = format!("say for which tenant: `--tenant`, one of {}", names());
                Err(Failure::new(Status::WrongUse, text))
            }
        };
    };
    let known = config.tenants.keys().find(|tenant| tenant.as_str() == name);
    known.cloned().ok_or_else(|| {
        let text = format!("there is no tenant `{name}`; there are: {}", names());
        Failure::new(Status::Unknown, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_names_one_definition() {
        for (text, kind, name) in [
            ("read_file", DefinitionKind::Tool, "read_file"),
            ("prompt:hello", DefinitionKind::Prompt, "hello"),
            (
                "template:file:///{path}",
                DefinitionKind::Template,
                "file:///{path}",
            ),
            ("instructions", DefinitionKind::Instructions, ""),
            ("tool:instructions", DefinitionKind::Tool, "instructions"),
            ("tool:prompt:x", DefinitionKind::Tool, "prompt:x"),
            ("a:b", DefinitionKind::Tool, "a:b"),
        ] {
            assert_eq!(named(text), (kind, name), "{text}");
            assert_eq!(typed(kind, name), text);
        }
    }
}
