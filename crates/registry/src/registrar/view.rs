//! What people see of a tenant's registry.

use cardea_domain::{TenantId, UpstreamId};
use cardea_store::{PinRow, QuarantineRow, StoreError};

use super::{Choice, Registrar, kind};
use crate::{
    definition::DefinitionKind,
    squatting::{Flag, Named, Neighbours},
};

/// What is approved in a tenant, and what is in quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// By server, kind and name.
    pub pinned: Vec<Pinned>,
    /// By server, kind and name.
    pub quarantined: Vec<Quarantined>,
    /// The servers that the gateway has looked at as a whole.
    pub surveyed: Vec<UpstreamId>,
    /// Those that it could not look at, the last time that it tried.
    pub failed: Vec<FailedLook>,
}

/// Why the gateway could not look at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedLook {
    /// The server.
    pub upstream: UpstreamId,
    /// Why, in words, some of which may be the server's.
    pub why: String,
    /// When, in milliseconds since the Unix epoch.
    pub failed_ms: u64,
}

/// An approved definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The server.
    pub upstream: UpstreamId,
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name; empty for instructions.
    pub name: String,
    /// The SHA-256 of its canonical form.
    pub digest: [u8; 32],
    /// The definition as raw JSON.
    pub definition: String,
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub approved_ms: u64,
}

/// A definition that nobody has approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The server.
    pub upstream: UpstreamId,
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name; empty for instructions.
    pub name: String,
    /// The SHA-256 of its canonical form; `None` where it has none, and nobody can approve it.
    pub digest: Option<[u8; 32]>,
    /// The definition as raw JSON.
    pub definition: String,
    /// The definition that was approved under this name, where there is one.
    pub approved: Option<String>,
    /// What is conspicuous about it, the alarms first.
    pub flags: Vec<Flag>,
    /// Whether somebody has decided.
    pub state: State,
    /// Who has.
    pub decided_by: Option<String>,
    /// Why; or why nobody can approve it.
    pub reason: Option<String>,
    /// When the server showed it first, in milliseconds since the Unix epoch.
    pub seen_ms: u64,
}

/// Whether somebody has decided about a definition in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has.
    Waiting,
    /// Somebody has said no.
    Rejected,
}

impl State {
    /// The word in documents and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
        }
    }
}

impl View {
    /// Why the gateway could not look at a server, the last time that it tried.
    #[must_use]
    pub fn failed_look(&self, upstream: &UpstreamId) -> Option<&FailedLook> {
        self.failed
            .iter()
            .find(|failed| failed.upstream == *upstream)
    }
}

impl Quarantined {
    /// What an approval of exactly this would name; `None` where nobody can approve it.
    #[must_use]
    pub fn choice(&self) -> Option<Choice> {
        Some(Choice {
            kind: self.kind,
            name: self.name.clone(),
            digest: self.digest?,
        })
    }
}

impl Registrar {
    /// The definition that is approved under a name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn approved(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Option<Pinned>, StoreError> {
        let row = self.pin(tenant, upstream, kind, name).await?;
        row.map(pinned).transpose()
    }

    /// The same as the store has it.
    pub(super) async fn pin(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Option<PinRow>, StoreError> {
        let is_it = |pin: &PinRow| {
            pin.upstream == *upstream && pin.kind == kind.as_str() && pin.name == name
        };
        Ok(self.store.pins(tenant).await?.into_iter().find(is_it))
    }

    /// What is approved in a tenant, and what is in quarantine, as the store has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn view(&self, tenant: &TenantId) -> Result<View, StoreError> {
        let rows = self.rows(tenant).await?;
        let neighbours = rows.neighbours()?;
        let mut quarantined = Vec::new();
        for row in &rows.quarantined {
            quarantined.push(held(row, &rows, &neighbours)?);
        }
        let surveyed = self.store.surveyed(tenant).await?;
        let failed = self.store.registry_failures(tenant).await?.into_iter();
        let failed = failed.map(|row| FailedLook {
            upstream: row.upstream,
            why: row.detail,
            failed_ms: row.failed_ms,
        });
        let pinned = rows.pinned.into_iter().map(pinned);
        Ok(View {
            pinned: pinned.collect::<Result<_, StoreError>>()?,
            quarantined,
            surveyed,
            failed: failed.collect(),
        })
    }

    /// All rows of a tenant.
    pub(super) async fn rows(&self, tenant: &TenantId) -> Result<Rows, StoreError> {
        Ok(Rows {
            pinned: self.store.pins(tenant).await?,
            quarantined: self.store.quarantine(tenant).await?,
        })
    }
}

/// What the store has of a tenant.
pub(super) struct Rows {
    pinned: Vec<PinRow>,
    quarantined: Vec<QuarantineRow>,
}

impl Rows {
    /// Everything that the tenant's servers have shown, to compare with.
    pub(super) fn neighbours(&self) -> Result<Neighbours<'_>, StoreError> {
        let pinned = (self.pinned.iter())
            .map(|row| named(&row.upstream, &row.kind, &row.name, &row.definition));
        let held = (self.quarantined.iter())
            .map(|row| named(&row.upstream, &row.kind, &row.name, &row.definition));
        let definitions = pinned.chain(held).collect::<Result<Vec<_>, _>>()?;
        let servers = definitions.iter().map(|named| named.upstream);
        Ok(Neighbours::of(definitions.iter().copied(), servers))
    }
}

fn named<'a>(
    upstream: &'a UpstreamId,
    word: &str,
    name: &'a str,
    raw: &'a str,
) -> Result<Named<'a>, StoreError> {
    Ok(Named {
        upstream,
        kind: kind(word)?,
        name,
        raw,
    })
}

fn pinned(row: PinRow) -> Result<Pinned, StoreError> {
    Ok(Pinned {
        kind: kind(&row.kind)?,
        upstream: row.upstream,
        name: row.name,
        digest: row.digest,
        definition: row.definition,
        approved_by: row.approved_by,
        reason: row.reason,
        approved_ms: row.approved_ms,
    })
}

fn held(
    row: &QuarantineRow,
    rows: &Rows,
    neighbours: &Neighbours<'_>,
) -> Result<Quarantined, StoreError> {
    let is_its = |pin: &&PinRow| {
        pin.upstream == row.upstream && pin.kind == row.kind && pin.name == row.name
    };
    let approved = rows.pinned.iter().find(is_its);
    let flags = neighbours.flags(named(&row.upstream, &row.kind, &row.name, &row.definition)?);
    Ok(Quarantined {
        upstream: row.upstream.clone(),
        kind: kind(&row.kind)?,
        name: row.name.clone(),
        digest: row.digest,
        definition: row.definition.clone(),
        approved: approved.map(|pin| pin.definition.clone()),
        flags,
        state: match row.state.as_str() {
            "rejected" => State::Rejected,
            _ => State::Waiting,
        },
        decided_by: row.decided_by.clone(),
        reason: row.reason.clone(),
        seen_ms: row.seen_ms,
    })
}
