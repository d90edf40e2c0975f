//! What a process that does not write the log has to tell the one that does.

use cardea_domain::{SubjectId, TenantId};

use crate::{Store, StoreError, subject, tenant};

/// A change of an account that is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name; names sort by time.
    pub id: String,
    /// The account's tenant.
    pub tenant: TenantId,
    /// The account.
    pub subject: SubjectId,
    /// What was done.
    pub what: String,
}

/// As many as are read at once; the rest waits for the next look.
const NOTES_MAX: i64 = 100;

impl Store {
    /// Leaves a note.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_note(&self, note: &Note) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO note (note, tenant, subject, what) VALUES ($1, $2, $3, $4)")
            .bind(&note.id)
            .bind(note.tenant.as_str())
            .bind(note.subject.as_str())
            .bind(&note.what)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The oldest notes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        let rows: Vec<(String, String, String, String)> =
            sqlx::query_as("SELECT note, tenant, subject, what FROM note ORDER BY note LIMIT $1")
                .bind(NOTES_MAX)
                .fetch_all(&self.pool)
                .await?;
        rows.into_iter()
            .map(|(id, of, who, what)| {
                Ok(Note {
                    id,
                    tenant: tenant(&of)?,
                    subject: subject(&who)?,
                    what,
                })
            })
            .collect()
    }

    /// Removes a note that is in the log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_note(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM note WHERE note = $1")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
