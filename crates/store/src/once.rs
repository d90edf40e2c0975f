//! Things that may happen once.

use crate::{Store, StoreError, seconds};

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The `jti` of a client's assertion (RFC 7523 section 3).
    Assertion,
    /// A decision on a consent page.
    Consent,
    /// The `state` of a login at another provider.
    Login,
    /// The `jti` of a proof of possession (RFC 9449 section 11.1).
    Proof,
}

impl Once {
    fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::Consent => "consent",
            Self::Login => "login",
            Self::Proof => "proof",
        }
    }
}

impl Store {
    /// `true` for the first caller with this value until it ends, `false` for all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first(&self, kind: Once, value: &str, expires_s: u64) -> Result<bool, StoreError> {
        let made = sqlx::query(
            "INSERT INTO once (kind, value, expires_s) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(kind.as_str())
        .bind(value)
        .bind(seconds(expires_s))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }
}
