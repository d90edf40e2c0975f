//! Servers that were added at a terminal: what they are started from or where they are, locked by digests.
//!
//! They stand beside those of the configuration, which a server of the same name there takes precedence over. Nothing of one
//! is started or called before it is approved, and nothing but a terminal with the right to write into `state_dir` adds one.

use std::{collections::BTreeMap, path::PathBuf};

use cardea_domain::{TenantId, UpstreamId};
use cardea_store::{ServerRow, StoreError};
use serde::{Deserialize, Serialize};

use super::{Registrar, RegistrarError, id, reason};

/// What an added server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerRecord {
    /// What it was added by.
    pub spec: String,
    /// How it is reached.
    pub launch: Launch,
    /// What was installed for it, with the hashes that its registry gave.
    #[serde(default)]
    pub sources: Vec<Source>,
}

/// How an added server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Launch {
    /// By starting it.
    Stdio {
        /// The program, absolute.
        command: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment: variables of the gateway, and files, by name. No secret stands here.
        #[serde(default)]
        env: BTreeMap<String, Reference>,
        /// The folder in which it runs.
        cwd: PathBuf,
        /// What has to be unchanged before each start: path and SHA-256, in hexadecimal.
        locked: BTreeMap<PathBuf, String>,
        /// What it may see and reach besides what its runtime needs.
        #[serde(default)]
        sandbox: AddedBox,
    },
    /// By HTTPS.
    Http {
        /// Its endpoint.
        url: String,
        /// Authorities besides the public ones, or instead of them with a SPIFFE ID.
        ca_file: Option<PathBuf>,
        /// Keys that it may have: SHA-256 of the SubjectPublicKeyInfo, `sha256/` and base64.
        #[serde(default)]
        spki_pins: Vec<String>,
        /// The SPIFFE ID that it has to have.
        spiffe_id: Option<String>,
        /// What it is shown of ours, where it asks.
        client_certificate: Option<ClientCertificate>,
    },
}

/// What an added server may see and reach besides what its runtime needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AddedBox {
    /// What is done where the machine lacks a layer.
    pub mode: AddedMode,
    /// Files and folders to be read, absolute.
    pub read: Vec<PathBuf>,
    /// Files and folders to be read and written, absolute.
    pub write: Vec<PathBuf>,
    /// Programs to be executed: absolute paths, or bare names.
    pub exec: Vec<PathBuf>,
    /// What it may connect to: hosts with ports.
    pub allow: Vec<String>,
}

/// What is done where the machine lacks a layer of the box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddedMode {
    /// The server is not started.
    #[default]
    Strict,
    /// It is started with the layers that there are.
    BestEffort,
    /// It is started without a box.
    Off,
}

/// Where the value of a variable is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// In a variable of the gateway.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// Here; it is no secret.
    Text(String),
}

/// A certificate of ours, with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// A package that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The hash by which it was downloaded.
    pub integrity: String,
}

/// An added server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedServer {
    /// Its name.
    pub upstream: UpstreamId,
    /// What it is.
    pub record: ServerRecord,
    /// Who added it.
    pub added_by: String,
    /// When.
    pub added_ms: u64,
    /// Who approved it, and why; `None` as long as nobody has.
    pub approved: Option<(String, String)>,
}

impl Registrar {
    /// Adds a server, or another version of one: nobody has approved it by that. What was approved of its definitions
    /// stays.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn add_server(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        record: &ServerRecord,
        by: &str,
    ) -> Result<(), RegistrarError> {
        let _turn = self.turn.lock().await;
        let row = ServerRow {
            upstream: upstream.clone(),
            record: serde_json::to_string(record)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?,
            added_by: by.to_owned(),
            added_ms: self.clock.unix_ms(),
            approved: None,
        };
        let mut change = self.store.change_registry(tenant).await?;
        change.put_server(&row).await?;
        change.unsurvey(upstream).await?;
        let detail = format!("{}, by {by}", record.spec);
        change.note(&id(), upstream, SERVER_ADDED, &detail).await?;
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// Approves an added server as it is: from here on it may be started and called.
    ///
    /// # Errors
    /// [`RegistrarError`]; [`RegistrarError::Unknown`] where there is none.
    pub async fn approve_server(
        &self,
        tenant: &TenantId,
        server: &AddedServer,
        by: &str,
        why: &str,
    ) -> Result<(), RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let mut change = self.store.change_registry(tenant).await?;
        let approved = change
            .approve_server(&server.upstream, server.added_ms, by, why)
            .await?;
        if !approved {
            return Err(RegistrarError::Unknown(server.upstream.clone()));
        }
        let detail = format!("{}, by {by}: {why}", server.record.spec);
        change
            .note(&id(), &server.upstream, SERVER_APPROVED, &detail)
            .await?;
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// Removes an added server, with everything that was approved of it.
    ///
    /// # Errors
    /// [`RegistrarError`]; [`RegistrarError::Unknown`] where there is none.
    pub async fn remove_server(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        by: &str,
        why: &str,
    ) -> Result<(), RegistrarError> {
        let why = reason(why)?;
        let _turn = self.turn.lock().await;
        let mut change = self.store.change_registry(tenant).await?;
        if !change.remove_server(upstream).await? {
            return Err(RegistrarError::Unknown(upstream.clone()));
        }
        change.forget(upstream).await?;
        let detail = format!("by {by}: {why}");
        change
            .note(&id(), upstream, SERVER_REMOVED, &detail)
            .await?;
        self.finish(tenant, change).await?;
        Ok(())
    }

    /// The servers that were added for a tenant, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn servers(&self, tenant: &TenantId) -> Result<Vec<AddedServer>, StoreError> {
        let rows = self.store.servers(tenant).await?;
        let servers = rows.into_iter().map(|row| {
            Ok(AddedServer {
                upstream: row.upstream,
                record: serde_json::from_str(&row.record)
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?,
                added_by: row.added_by,
                added_ms: row.added_ms,
                approved: row.approved,
            })
        });
        servers.collect()
    }
}

/// Events after which there are other servers than before.
const SERVER_ADDED: &str = "server_added";
const SERVER_APPROVED: &str = "server_approved";
const SERVER_REMOVED: &str = "server_removed";

/// Whether there are other servers to call after this event.
#[must_use]
pub fn changes_servers(event: &str) -> bool {
    matches!(event, SERVER_ADDED | SERVER_APPROVED | SERVER_REMOVED)
}
