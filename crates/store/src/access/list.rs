//! Lists: filtered, and read a page at a time.

use cardea_domain::{ActorId, EntitlementId, SubjectId, TenantId, UpstreamId};
use sqlx::{FromRow, QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{
    GrantRow, RequestRow,
    read::{GRANT, REQUEST},
    row::{RawGrant, RawRequest},
};
use crate::{Store, StoreError};

/// Which rows of a list; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The one of this name.
    pub name: Option<String>,
    /// For requests a state; for grants `active` or `ended`.
    pub state: Option<String>,
    /// Of this person.
    pub subject: Option<SubjectId>,
    /// Of this agent.
    pub actor: Option<ActorId>,
    /// Of this upstream.
    pub upstream: Option<UpstreamId>,
    /// Of one of these targets, each a kind and a name.
    pub targets: Option<Vec<String>>,
    /// Only what this person may see.
    pub onlooker: Option<Onlooker>,
}

/// Somebody who sees what is in their name, what they decided about, and what is theirs to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onlooker {
    /// Who they are.
    pub subject: SubjectId,
    /// The same, as an approver.
    pub approver: String,
    /// The entitlements under which they decide.
    pub entitlements: Vec<EntitlementId>,
}

/// A stretch of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Begin after the row of this name; at the newest when absent.
    pub after: Option<String>,
    /// So many rows.
    pub rows_max: u32,
}

/// What the lists differ by.
struct List {
    columns: &'static str,
    table: &'static str,
    /// The column with the row's name.
    name: &'static str,
    state: &'static str,
}

const REQUESTS: List = List {
    columns: REQUEST,
    table: "access_request",
    name: "request",
    state: "state",
};

const GRANTS: List = List {
    columns: GRANT,
    table: "access_grant",
    name: "grant_id",
    state: "CASE WHEN ended_ms IS NULL THEN 'active' ELSE 'ended' END",
};

impl Store {
    /// A tenant's requests, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_requests(
        &self,
        of: &TenantId,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let raw: Vec<RawRequest> = self.rows(&REQUESTS, of, filter, page).await?;
        raw.into_iter().map(RequestRow::try_from).collect()
    }

    /// A tenant's grants, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access_grants(
        &self,
        of: &TenantId,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<GrantRow>, StoreError> {
        let raw: Vec<RawGrant> = self.rows(&GRANTS, of, filter, page).await?;
        raw.into_iter().map(GrantRow::try_from).collect()
    }

    async fn rows<T>(
        &self,
        list: &List,
        of: &TenantId,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut query = list.query(of, filter, page);
        Ok(query.build_query_as().fetch_all(&self.pool).await?)
    }
}

impl List {
    fn query(&self, of: &TenantId, filter: &Filter, page: &Page) -> QueryBuilder<Sqlite> {
        let Self {
            columns,
            table,
            name,
            state,
        } = self;
        let mut query = QueryBuilder::new(format!("SELECT {columns} FROM {table} WHERE tenant = "));
        query.push_bind(of.as_str().to_owned());
        let equal = [
            (*name, filter.name.as_deref()),
            (*state, filter.state.as_deref()),
            ("subject", filter.subject.as_ref().map(SubjectId::as_str)),
            ("actor", filter.actor.as_ref().map(ActorId::as_str)),
            ("upstream", filter.upstream.as_ref().map(UpstreamId::as_str)),
        ];
        for (column, value) in equal {
            if let Some(value) = value {
                query.push(format!(" AND {column} = "));
                query.push_bind(value.to_owned());
            }
        }
        if let Some(targets) = &filter.targets {
            query.push(" AND target IN ");
            one_of(&mut query, targets.iter().map(String::as_str));
        }
        if let Some(onlooker) = &filter.onlooker {
            self.seen_by(&mut query, onlooker);
        }
        if let Some(after) = &page.after {
            query.push(format!(" AND {name} < "));
            query.push_bind(after.clone());
        }
        query.push(format!(" ORDER BY {name} DESC LIMIT "));
        query.push_bind(i64::from(page.rows_max));
        query
    }

    fn seen_by(&self, query: &mut QueryBuilder<Sqlite>, onlooker: &Onlooker) {
        query.push(" AND (subject = ");
        query.push_bind(onlooker.subject.as_str().to_owned());
        query.push(" OR entitlement IN ");
        let entitlements = onlooker.entitlements.iter();
        one_of(query, entitlements.map(EntitlementId::as_str));
        let table = self.table;
        query.push(format!(
            " OR EXISTS (SELECT 1 FROM access_approval AS said WHERE said.tenant = {table}.tenant
             AND said.request = {table}.request AND said.approver = "
        ));
        query.push_bind(onlooker.approver.clone());
        query.push("))");
    }
}

/// A list in parentheses; of none, one that nothing is in.
fn one_of<'t>(query: &mut QueryBuilder<Sqlite>, texts: impl Iterator<Item = &'t str>) {
    query.push("(NULL");
    for text in texts {
        query.push(", ");
        query.push_bind(text.to_owned());
    }
    query.push(")");
}
