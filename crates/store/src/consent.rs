//! What a person has already said yes to.

use cardea_domain::{SubjectId, TenantId};

use crate::{Store, StoreError, seconds};

/// One yes: to this client, this way back, this resource, these scopes, and to nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Consent<'a> {
    /// The client's id.
    pub client: &'a str,
    /// Where its codes go.
    pub redirect_uri: &'a str,
    /// What it may use.
    pub resource: &'a str,
    /// Space-separated, sorted.
    pub scope: &'a str,
}

impl Store {
    /// Remembers a yes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_consent(
        &self,
        of: &TenantId,
        who: &SubjectId,
        consent: Consent<'_>,
        now_s: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO consent (tenant, subject, client, redirect_uri, resource, scope, granted_s)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .bind(consent.client)
        .bind(consent.redirect_uri)
        .bind(consent.resource)
        .bind(consent.scope)
        .bind(seconds(now_s))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether exactly this was said yes to at or after `since_s`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_consent(
        &self,
        of: &TenantId,
        who: &SubjectId,
        consent: Consent<'_>,
        since_s: u64,
    ) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as(
            "SELECT granted_s FROM consent WHERE tenant = $1 AND subject = $2 AND client = $3
             AND redirect_uri = $4 AND resource = $5 AND scope = $6 AND granted_s >= $7",
        )
        .bind(of.as_str())
        .bind(who.as_str())
        .bind(consent.client)
        .bind(consent.redirect_uri)
        .bind(consent.resource)
        .bind(consent.scope)
        .bind(seconds(since_s))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }
}
