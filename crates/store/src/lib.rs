//! State that outlives a process: accounts, logins, consents, grants. Decisions are made from
//! memory; on the way of a call it is asked only to count what may happen so many times.
//!
//! What it is: typed reads and writes over one SQLite file, each a statement or a transaction of
//! its own. What it is not: no rules. Whether a code may be used is the caller's to decide; that
//! it is used once is a property of the statement here.
//!
//! Secrets come as [`SecretHash`]es and are never here in the clear. What belongs to a tenant is
//! read and written with that tenant's id, which is the first part of its key; what is found by a
//! secret alone says whose it is.
//!
//! The SQL keeps to what SQLite and PostgreSQL both understand.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod access;
mod account;
mod consent;
mod device;
mod family;
mod login;
mod note;
mod once;
mod pulse;
mod registration;
mod registry;
#[cfg(test)]
mod tests;

pub use access::{
    AccessChange, ApprovalRow, Filter, GrantRow, LockRow, Onlooker, Page, RequestCount, RequestRow,
};
pub use account::{Account, SetupLink};
pub use consent::Consent;
pub use device::{Device, DeviceState, Poll};
pub use family::{Code, Family, NewFamily, Refresh, RevokedToken};
pub use login::LoginSession;
pub use note::Note;
pub use once::Once;
use pulse::Pulse;
pub use registry::{FailureRow, PinRow, QuarantineRow, RegistryChange, RegistryNote, ServerRow};

use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use cardea_domain::{InvalidId, SubjectId, TenantId};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;

/// The store, shared by whoever needs it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: SqlitePool,
    pulse: Pulse,
}

/// The store could not be opened or asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be made or opened.
    #[error("cannot open {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The file is of a later version, or not a store.
    #[error("the store's tables cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database refused.
    #[error("the store refused: {0}")]
    Sql(#[from] sqlx::Error),
    /// The file was removed, or another one is in its place.
    #[error("{path} is not the file any more that was opened; bring it back, or restart")]
    Gone {
        /// The file.
        path: String,
    },
    /// What is stored is not what was written.
    #[error("the store holds what it should not: {0}")]
    Corrupt(String),
}

/// The SHA-256 of a secret: what is stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

/// The store's file in `state_dir`.
pub const FILE: &str = "cardea.db";

/// A handful of writers wait for each other anyway, and readers are few.
const CONNECTIONS_MAX: u32 = 4;

/// A login that waits longer for the disk is better told so.
const WAIT_MAX: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the store in this file, which only its owner can read, and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File {
            path: path.display().to_string(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        // Made here, for its mode; the files beside it get the same.
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A used code that comes back after a power cut would be usable again.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT_MAX);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(WAIT_MAX)
            .connect_with(options)
            .await?;
        sqlx::migrate!().run(&pool).await?;
        let pulse = Pulse::of(path).map_err(failed)?;
        Ok(Self { pool, pulse })
    }

    /// Removes what has ended.
    ///
    /// # Errors
    /// [`StoreError::Sql`].
    pub async fn purge(&self, now_s: u64) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM setup_link WHERE expires_s <= $1",
            "DELETE FROM login_session WHERE expires_s <= $1",
            "DELETE FROM code WHERE expires_s <= $1",
            "DELETE FROM refresh_token WHERE expires_s <= $1",
            "DELETE FROM access_token WHERE expires_s <= $1",
            "DELETE FROM family WHERE expires_s <= $1",
            "DELETE FROM device WHERE expires_s <= $1",
            "DELETE FROM registration WHERE expires_s <= $1",
            "DELETE FROM once WHERE expires_s <= $1",
        ] {
            sqlx::query(statement)
                .bind(seconds(now_s))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// Opens the store of a `state_dir`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_in(state_dir: &Path) -> Result<Self, StoreError> {
        Self::open(&state_dir.join(FILE)).await
    }

    /// Waits until everything is on disk and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl SecretHash {
    /// Of the 32 bytes of a SHA-256.
    #[must_use]
    pub fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<InvalidId> for StoreError {
    fn from(error: InvalidId) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Seconds as the database keeps them.
fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Seconds as everything else keeps them.
fn unsigned(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0)
}

fn tenant(text: &str) -> Result<TenantId, StoreError> {
    Ok(TenantId::parse(text)?)
}

fn subject(text: &str) -> Result<SubjectId, StoreError> {
    Ok(SubjectId::parse(text)?)
}
