//! Grants: codes, and the family of tokens that comes of one authorization.

use cardea_domain::{SubjectId, TenantId};
use sqlx::{Sqlite, Transaction};

use crate::{SecretHash, Store, StoreError, seconds, subject, tenant, unsigned};

/// What an authorization code turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Good, and used up by this.
    Good {
        /// Whose it is.
        tenant: TenantId,
        /// What was approved, as the caller wrote it.
        approval: String,
        /// The family that its tokens will be of.
        family: String,
    },
    /// It was used before: somebody else has it too.
    Reused {
        /// Whose it is.
        tenant: TenantId,
        /// The family that came of it.
        family: String,
    },
    /// There is none, or it has ended.
    Unknown,
}

/// What begins with an authorization.
#[derive(Debug, Clone)]
pub struct NewFamily<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Its name, unique within the tenant.
    pub family: &'a str,
    /// The person.
    pub subject: &'a SubjectId,
    /// The client's id.
    pub client: &'a str,
    /// What was approved, as the caller writes it.
    pub approval: &'a str,
    /// The run that its tokens name.
    pub run: &'a str,
    /// Now.
    pub now_s: u64,
    /// When no token can come of it any more.
    pub expires_s: u64,
}

/// A family that was not taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub family: String,
    /// The person.
    pub subject: SubjectId,
    /// The client's id.
    pub client: String,
    /// What was approved, as the caller wrote it.
    pub approval: String,
    /// The run that its tokens name.
    pub run: String,
    /// When a token was last issued.
    pub active_s: u64,
    /// When no token can come of it any more.
    pub expires_s: u64,
}

/// What a refresh token turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// Good, and used up by this.
    Good(Box<Family>),
    /// It was used before: somebody else has it too.
    Reused(Box<Family>),
    /// There is none, it has ended, or its family was taken back.
    Unknown,
}

/// An access token that is not good any more, although it has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    /// Its `jti`.
    pub token_id: String,
    /// When it ends by itself.
    pub expires_s: u64,
}

type Row = (String, String, String, String, String, String, i64, i64);

impl Store {
    /// Remembers a code. It is good until `good_until_s`, and known as used until `expires_s`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_code(
        &self,
        hash: &SecretHash,
        of: &TenantId,
        family: &str,
        approval: &str,
        good_until_s: u64,
        expires_s: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO code (code_hash, tenant, approval, family, good_until_s, expires_s)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(hash.as_slice())
        .bind(of.as_str())
        .bind(approval)
        .bind(family)
        .bind(seconds(good_until_s))
        .bind(seconds(expires_s))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Uses a code up: of any number of callers one finds it good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_code(&self, hash: &SecretHash, now_s: u64) -> Result<Code, StoreError> {
        let good: Option<(String, String, String)> = sqlx::query_as(
            "UPDATE code SET used_s = $2
             WHERE code_hash = $1 AND used_s IS NULL AND good_until_s > $2
             RETURNING tenant, approval, family",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        if let Some((of, approval, family)) = good {
            return Ok(Code::Good {
                tenant: tenant(&of)?,
                approval,
                family,
            });
        }
        let used: Option<(String, String)> = sqlx::query_as(
            "SELECT tenant, family FROM code WHERE code_hash = $1 AND used_s IS NOT NULL",
        )
        .bind(hash.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        match used {
            Some((of, family)) => Ok(Code::Reused {
                tenant: tenant(&of)?,
                family,
            }),
            None => Ok(Code::Unknown),
        }
    }

    /// Begins a family; `false` when it was taken back before it began.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_family(&self, new: &NewFamily<'_>) -> Result<bool, StoreError> {
        let begun = sqlx::query(
            "INSERT INTO family
                 (tenant, family, subject, client, approval, run, active_s, expires_s)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT DO NOTHING",
        )
        .bind(new.tenant.as_str())
        .bind(new.family)
        .bind(new.subject.as_str())
        .bind(new.client)
        .bind(new.approval)
        .bind(new.run)
        .bind(seconds(new.now_s))
        .bind(seconds(new.expires_s))
        .execute(&self.pool)
        .await?;
        Ok(begun.rows_affected() == 1)
    }

    /// Remembers which run a family is in, and that it is in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch_family(
        &self,
        of: &TenantId,
        family: &str,
        run: &str,
        now_s: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE family SET run = $3, active_s = $4 WHERE tenant = $1 AND family = $2")
            .bind(of.as_str())
            .bind(family)
            .bind(run)
            .bind(seconds(now_s))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Remembers a refresh token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_refresh(
        &self,
        hash: &SecretHash,
        of: &TenantId,
        family: &str,
        expires_s: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO refresh_token (token_hash, tenant, family, expires_s)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(hash.as_slice())
        .bind(of.as_str())
        .bind(family)
        .bind(seconds(expires_s))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What a refresh token is, without using it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn refresh(
        &self,
        hash: &SecretHash,
        now_s: u64,
    ) -> Result<Option<Family>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT f.tenant, f.family, f.subject, f.client, f.approval, f.run, f.active_s,
                    f.expires_s
             FROM refresh_token r JOIN family f ON f.tenant = r.tenant AND f.family = r.family
             WHERE r.token_hash = $1 AND r.expires_s > $2 AND f.revoked_s IS NULL",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        row.map(family).transpose()
    }

    /// Uses a refresh token up: of any number of callers one finds it good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_refresh(&self, hash: &SecretHash, now_s: u64) -> Result<Refresh, StoreError> {
        let Some(family) = self.refresh(hash, now_s).await? else {
            return Ok(Refresh::Unknown);
        };
        let used = sqlx::query(
            "UPDATE refresh_token SET used_s = $2 WHERE token_hash = $1 AND used_s IS NULL",
        )
        .bind(hash.as_slice())
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        Ok(if used.rows_affected() == 1 {
            Refresh::Good(Box::new(family))
        } else {
            Refresh::Reused(Box::new(family))
        })
    }

    /// Remembers an access token; `false` when its family was taken back meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_access(
        &self,
        of: &TenantId,
        family: &str,
        token_id: &str,
        expires_s: u64,
    ) -> Result<bool, StoreError> {
        let made = sqlx::query(
            "INSERT INTO access_token (tenant, family, token_id, expires_s)
             SELECT tenant, family, $3, $4 FROM family
             WHERE tenant = $1 AND family = $2 AND revoked_s IS NULL",
        )
        .bind(of.as_str())
        .bind(family)
        .bind(token_id)
        .bind(seconds(expires_s))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    /// Takes back one access token of a client; `None` when it is not one of theirs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_access(
        &self,
        of: &TenantId,
        client: &str,
        token_id: &str,
        now_s: u64,
    ) -> Result<Option<RevokedToken>, StoreError> {
        let row: Option<(String, i64)> = sqlx::query_as(
            "UPDATE access_token SET revoked_s = $4
             WHERE tenant = $1 AND token_id = $3 AND expires_s > $4 AND family IN
                 (SELECT family FROM family WHERE tenant = $1 AND client = $2)
             RETURNING token_id, expires_s",
        )
        .bind(of.as_str())
        .bind(client)
        .bind(token_id)
        .bind(seconds(now_s))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(revoked))
    }

    /// Takes back a family with everything that came of it; gives what had not ended. One that has not begun cannot
    /// begin any more: whoever uses a code for the second time may be faster than the first is with its family.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_family(
        &self,
        of: &TenantId,
        family: &str,
        now_s: u64,
    ) -> Result<Vec<RevokedToken>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let tokens = revoke(&mut transaction, of, family, now_s).await?;
        transaction.commit().await?;
        Ok(tokens)
    }

    /// Takes back every family of a person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_person(
        &self,
        of: &TenantId,
        who: &SubjectId,
        now_s: u64,
    ) -> Result<Vec<RevokedToken>, StoreError> {
        let families: Vec<(String,)> = sqlx::query_as(
            "SELECT family FROM family
             WHERE tenant = $1 AND subject = $2 AND revoked_s IS NULL",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .fetch_all(&self.pool)
        .await?;
        let mut tokens = Vec::new();
        for (family,) in families {
            tokens.extend(self.revoke_family(of, &family, now_s).await?);
        }
        Ok(tokens)
    }

    /// Every access token of any tenant that was taken back and has not ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoked_tokens(&self, now_s: u64) -> Result<Vec<RevokedToken>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT token_id, expires_s FROM access_token
             WHERE revoked_s IS NOT NULL AND expires_s > $1",
        )
        .bind(seconds(now_s))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(revoked).collect())
    }
}

async fn revoke(
    transaction: &mut Transaction<'_, Sqlite>,
    of: &TenantId,
    family: &str,
    now_s: u64,
) -> Result<Vec<RevokedToken>, StoreError> {
    sqlx::query(
        "INSERT INTO family
             (tenant, family, subject, client, approval, run, active_s, revoked_s, expires_s)
         VALUES ($1, $2, '', '', '', '', $3, $3, $3 + 86400)
         ON CONFLICT DO UPDATE SET revoked_s = COALESCE(revoked_s, excluded.revoked_s)",
    )
    .bind(of.as_str())
    .bind(family)
    .bind(seconds(now_s))
    .execute(&mut **transaction)
    .await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE access_token SET revoked_s = COALESCE(revoked_s, $3)
         WHERE tenant = $1 AND family = $2 AND expires_s > $3
         RETURNING token_id, expires_s",
    )
    .bind(of.as_str())
    .bind(family)
    .bind(seconds(now_s))
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows.into_iter().map(revoked).collect())
}

fn revoked((token_id, expires_s): (String, i64)) -> RevokedToken {
    RevokedToken {
        token_id,
        expires_s: unsigned(expires_s),
    }
}

fn family(
    (of, family, who, client, approval, run, active_s, expires_s): Row,
) -> Result<Family, StoreError> {
    Ok(Family {
        tenant: tenant(&of)?,
        family,
        subject: subject(&who)?,
        client,
        approval,
        run,
        active_s: unsigned(active_s),
        expires_s: unsigned(expires_s),
    })
}
