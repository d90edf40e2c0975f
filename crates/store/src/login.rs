//! Login sessions of people, by the hash of their cookie.

use cardea_domain::{SubjectId, TenantId};

use crate::{SecretHash, Store, StoreError, seconds, subject, tenant, unsigned};

/// Somebody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSession {
    /// Their tenant.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// How and when they logged in, as the caller wrote it.
    pub login: String,
    /// When the session ends.
    pub expires_s: u64,
}

impl Store {
    /// Begins a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_session(
        &self,
        hash: &SecretHash,
        session: &LoginSession,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO login_session (session_hash, tenant, subject, login, expires_s)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(hash.as_slice())
        .bind(session.tenant.as_str())
        .bind(session.subject.as_str())
        .bind(&session.login)
        .bind(seconds(session.expires_s))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The session of a cookie, unless it has ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(
        &self,
        hash: &SecretHash,
        now_s: u64,
    ) -> Result<Option<LoginSession>, StoreError> {
        let row: Option<(String, String, String, i64)> = sqlx::query_as(
            "SELECT tenant, subject, login, expires_s FROM login_session
             WHERE session_hash = $1 AND expires_s > $2",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(of, who, login, expires_s)| {
            Ok(LoginSession {
                tenant: tenant(&of)?,
                subject: subject(&who)?,
                login,
                expires_s: unsigned(expires_s),
            })
        })
        .transpose()
    }

    /// Ends one session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_session(&self, hash: &SecretHash) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM login_session WHERE session_hash = $1")
            .bind(hash.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends all sessions of a person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions(&self, of: &TenantId, who: &SubjectId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM login_session WHERE tenant = $1 AND subject = $2")
            .bind(of.as_str())
            .bind(who.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
