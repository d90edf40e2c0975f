//! Local accounts, and the one-time links by which their passwords are set.

use cardea_domain::{SubjectId, TenantId};

use crate::{SecretHash, Store, StoreError, seconds, subject, tenant, unsigned};

/// A person who logs in with a password of the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The one tenant that it belongs to.
    pub tenant: TenantId,
    /// The person, unique within the tenant.
    pub subject: SubjectId,
    /// Groups, as tokens and policies name them.
    pub groups: Vec<String>,
    /// The password as a PHC string; `None` until the one-time link was used.
    pub password_hash: Option<String>,
    /// When it was made.
    pub created_s: u64,
    /// When its password was set last; 0 for never, or before that was kept.
    pub password_set_s: u64,
}

/// A one-time link by which a password is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupLink {
    /// The account's tenant.
    pub tenant: TenantId,
    /// The account; `None` when it is the tenant's first, which names itself.
    pub subject: Option<SubjectId>,
    /// When it ends.
    pub expires_s: u64,
}

type Row = (String, String, String, Option<String>, i64, i64);

impl Store {
    /// The account of this person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(
        &self,
        of: &TenantId,
        who: &SubjectId,
    ) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT tenant, subject, groups, password_hash, created_s, password_set_s FROM account
             WHERE tenant = $1 AND subject = $2",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.map(account).transpose()
    }

    /// All accounts of a tenant, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(&self, of: &TenantId) -> Result<Vec<Account>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT tenant, subject, groups, password_hash, created_s, password_set_s FROM account
             WHERE tenant = $1 ORDER BY subject",
        )
        .bind(of.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(account).collect()
    }

    /// Makes an account without a password; `false` when there is one by this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_account(
        &self,
        of: &TenantId,
        who: &SubjectId,
        groups: &[String],
        now_s: u64,
    ) -> Result<bool, StoreError> {
        let groups =
            serde_json::to_string(groups).map_err(|e| StoreError::Corrupt(e.to_string()))?;
        let made = sqlx::query(
            "INSERT INTO account (tenant, subject, groups, created_s) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .bind(groups)
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    /// Sets the password of an account; `false` when there is none by this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_password(
        &self,
        of: &TenantId,
        who: &SubjectId,
        phc: &str,
        now_s: u64,
    ) -> Result<bool, StoreError> {
        let set = sqlx::query(
            "UPDATE account SET password_hash = $3, password_set_s = $4
             WHERE tenant = $1 AND subject = $2",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .bind(phc)
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        Ok(set.rows_affected() == 1)
    }

    /// Removes an account and its links; `false` when there was none. Logins and grants are
    /// ended by [`Store::end_sessions`] and [`Store::revoke_person`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_account(&self, of: &TenantId, who: &SubjectId) -> Result<bool, StoreError> {
        self.remove_links(of, who).await?;
        let removed = sqlx::query("DELETE FROM account WHERE tenant = $1 AND subject = $2")
            .bind(of.as_str())
            .bind(who.as_str())
            .execute(&self.pool)
            .await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Takes back the links of an account that were not used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_links(&self, of: &TenantId, who: &SubjectId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM setup_link WHERE tenant = $1 AND subject = $2")
            .bind(of.as_str())
            .bind(who.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes back the links for the first account of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_first_links(&self, of: &TenantId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM setup_link WHERE tenant = $1 AND subject IS NULL")
            .bind(of.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Remembers a link.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_link(&self, hash: &SecretHash, link: &SetupLink) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO setup_link (link_hash, tenant, subject, expires_s)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(hash.as_slice())
        .bind(link.tenant.as_str())
        .bind(link.subject.as_ref().map(SubjectId::as_str))
        .bind(seconds(link.expires_s))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A link that can still be used, left as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn link(
        &self,
        hash: &SecretHash,
        now_s: u64,
    ) -> Result<Option<SetupLink>, StoreError> {
        let row: Option<(String, Option<String>, i64)> = sqlx::query_as(
            "SELECT tenant, subject, expires_s FROM setup_link
             WHERE link_hash = $1 AND expires_s > $2",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        row.map(link).transpose()
    }

    /// Uses a link up: of any number of callers one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_link(
        &self,
        hash: &SecretHash,
        now_s: u64,
    ) -> Result<Option<SetupLink>, StoreError> {
        let row: Option<(String, Option<String>, i64)> = sqlx::query_as(
            "DELETE FROM setup_link WHERE link_hash = $1 AND expires_s > $2
             RETURNING tenant, subject, expires_s",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        row.map(link).transpose()
    }
}

fn account(
    (of, who, groups, password_hash, created_s, password_set_s): Row,
) -> Result<Account, StoreError> {
    Ok(Account {
        tenant: tenant(&of)?,
        subject: subject(&who)?,
        groups: serde_json::from_str(&groups).map_err(|e| StoreError::Corrupt(e.to_string()))?,
        password_hash,
        created_s: unsigned(created_s),
        password_set_s: unsigned(password_set_s),
    })
}

fn link((of, who, expires_s): (String, Option<String>, i64)) -> Result<SetupLink, StoreError> {
    Ok(SetupLink {
        tenant: tenant(&of)?,
        subject: who.as_deref().map(subject).transpose()?,
        expires_s: unsigned(expires_s),
    })
}
