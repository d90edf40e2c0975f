//! Local accounts as an administrator handles them, from a process of their own.

use std::path::Path;

use cardea_domain::{Clock, SubjectId, TenantId};
use cardea_store::{Account, Note, SetupLink, Store, StoreError};
use thiserror::Error;
use uuid::Uuid;

use super::secret;

/// The accounts of a store. The running gateway, if there is one, sees every change at its next
/// login and writes it to the log.
pub struct Accounts {
    store: Store,
    clock: Clock,
}

/// An account cannot be handled as asked.
#[derive(Debug, Error)]
pub enum AccountError {
    /// There is one by this name.
    #[error("there is an account `{0}` in this tenant already; `reset` makes a new link for it")]
    Exists(SubjectId),
    /// There is none by this name.
    #[error("there is no account `{0}` in this tenant")]
    Unknown(SubjectId),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    Randomness,
}

/// A link by which a password is set is good for a day.
const LINK_S: u64 = 24 * 3600;

impl Accounts {
    /// Opens the accounts in `state_dir`.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub async fn open(state_dir: &Path, clock: Clock) -> Result<Self, AccountError> {
        let store = Store::open_in(state_dir).await?;
        Ok(Self { store, clock })
    }

    /// A link for the first account of each of these tenants that has none. The path is for the
    /// gateway's public origin; the secret in it is stored nowhere.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn first_links(
        &self,
        tenants: impl IntoIterator<Item = &TenantId>,
    ) -> Result<Vec<(TenantId, String)>, AccountError> {
        let mut links = Vec::new();
        for tenant in tenants {
            if self.store.accounts(tenant).await?.is_empty() {
                // The old one was printed by an earlier start; one is enough.
                self.store.remove_first_links(tenant).await?;
                links.push((tenant.clone(), self.link(tenant, None).await?));
            }
        }
        Ok(links)
    }

    /// Makes an account and a link for its password.
    ///
    /// # Errors
    /// [`AccountError::Exists`].
    pub async fn add(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        groups: &[String],
    ) -> Result<String, AccountError> {
        let now_s = self.clock.unix_s();
        if !self
            .store
            .add_account(tenant, subject, groups, now_s)
            .await?
        {
            return Err(AccountError::Exists(subject.clone()));
        }
        self.store.remove_first_links(tenant).await?;
        self.note(tenant, subject, "added").await?;
        self.link(tenant, Some(subject)).await
    }

    /// Makes a new link for an account's password. The old password goes on until it is used.
    ///
    /// # Errors
    /// [`AccountError::Unknown`].
    pub async fn reset(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
    ) -> Result<String, AccountError> {
        if self.store.account(tenant, subject).await?.is_none() {
            return Err(AccountError::Unknown(subject.clone()));
        }
        self.store.remove_links(tenant, subject).await?;
        self.note(tenant, subject, "reset").await?;
        self.link(tenant, Some(subject)).await
    }

    /// Removes an account, and ends its logins and grants.
    ///
    /// # Errors
    /// [`AccountError::Unknown`].
    pub async fn remove(&self, tenant: &TenantId, subject: &SubjectId) -> Result<(), AccountError> {
        if !self.store.remove_account(tenant, subject).await? {
            return Err(AccountError::Unknown(subject.clone()));
        }
        self.store.end_sessions(tenant, subject).await?;
        let now_s = self.clock.unix_s();
        self.store.revoke_person(tenant, subject, now_s).await?;
        self.note(tenant, subject, "removed").await
    }

    /// The accounts of a tenant, by name.
    ///
    /// # Errors
    /// [`AccountError::Store`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Account>, AccountError> {
        Ok(self.store.accounts(tenant).await?)
    }

    /// Waits until everything is on disk.
    pub async fn close(&self) {
        self.store.close().await;
    }

    async fn link(
        &self,
        tenant: &TenantId,
        subject: Option<&SubjectId>,
    ) -> Result<String, AccountError> {
        let text = secret::random().map_err(|_| AccountError::Randomness)?;
        let link = SetupLink {
            tenant: tenant.clone(),
            subject: subject.cloned(),
            expires_s: self.clock.unix_s() + LINK_S,
        };
        self.store.add_link(&secret::hash(&text), &link).await?;
        Ok(format!("/setup?link={text}"))
    }

    async fn note(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        what: &str,
    ) -> Result<(), AccountError> {
        let note = Note {
            id: Uuid::now_v7().to_string(),
            tenant: tenant.clone(),
            subject: subject.clone(),
            what: format!("{what} by an administrator"),
        };
        Ok(self.store.add_note(&note).await?)
    }
}
