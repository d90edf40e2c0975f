//! Which tables a statement names, and which names are its own.

use std::collections::{BTreeSet, HashMap};

use sqlparser::ast::{Ident, ObjectName, Query};

use super::{Expected, SqlRule};
use crate::schema::shown;

/// Names that a statement itself gives to subqueries (`WITH`), by where they are seen.
///
/// The name of such a subquery means the table of that name within its own definition and, for
/// some databases, within those before it. So a name is the statement's own only where every
/// database sees it, spelt the same.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// What is seen within the query that is entered, and within those around it.
    seen: Vec<BTreeSet<String>>,
    /// What is seen within a definition, by its address.
    definitions: HashMap<usize, BTreeSet<String>>,
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query) as usize
}

impl Scope {
    pub(super) fn enter(&mut self, query: &Query) {
        let around = self.definitions.remove(&address(query));
        let mut seen = around
            .or_else(|| self.seen.last().cloned())
            .unwrap_or_default();
        if let Some(with) = &query.with {
            for definition in &with.cte_tables {
                let before = seen.clone();
                seen.insert(definition.alias.name.to_string());
                let within = if with.recursive { seen.clone() } else { before };
                self.definitions.insert(address(&definition.query), within);
            }
        }
        self.seen.push(seen);
    }

    pub(super) fn leave(&mut self) {
        self.seen.pop();
    }

    fn is_own(&self, name: &ObjectName) -> bool {
        let seen = self.seen.last();
        name.0.len() == 1 && seen.is_some_and(|seen| seen.contains(&name.to_string()))
    }
}

/// Folders of what databases keep of themselves.
const SYSTEM_SCHEMAS: [&str; 14] = [
    "information_schema",
    "pg_catalog",
    "pg_toast",
    "sys",
    "system",
    "mysql",
    "performance_schema",
    "master",
    "msdb",
    "tempdb",
    "model",
    "admin",
    "local",
    "config",
];
/// Beginnings of their tables.
const SYSTEM_PREFIXES: [&str; 13] = [
    "pg_", "sqlite_", "sql_", "duckdb_", "pragma_", "dba_", "user_tab", "user_obj", "user_col",
    "v$", "gv$", "svv_", "msys",
];
/// What follows `all_` in the names of Oracle's tables.
const ORACLES: [&str; 22] = [
    "arg", "cat", "col", "cons", "db_", "dep", "dir", "err", "ext", "ind", "job", "lob", "mv",
    "obj", "part", "proc", "role", "seq", "sour", "syn", "tab", "trig",
];

pub(super) fn check(rule: &SqlRule, scope: &Scope, name: &ObjectName) -> Result<(), Expected> {
    if scope.is_own(name) {
        return Ok(());
    }
    let parts: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
    let is_admitted = parts.is_some_and(|parts| match &rule.tables {
        Some(tables) => tables.iter().any(|table| is_table(table, &parts)),
        None => is_peoples(&parts),
    });
    match (is_admitted, &rule.tables) {
        (true, _) => Ok(()),
        (false, Some(tables)) => {
            let tables: Vec<_> = tables.iter().map(String::as_str).collect();
            Err(Expected(format!(
                "no tables but {}",
                shown(&tables.join(", "))
            )))
        }
        (false, None) => Err(Expected::of("no tables of the database's own")),
    }
}

fn is_table(table: &str, parts: &[&Ident]) -> bool {
    let mut names = table.split('.');
    let all = parts.iter().all(|part| {
        names.next().is_some_and(|name| match part.quote_style {
            // Databases fold what is not quoted, and keep what is.
            None => name.eq_ignore_ascii_case(&part.value),
            Some('"' | '`' | '[') => name == part.value,
            Some(_) => false,
        })
    });
    all && names.next().is_none()
}

/// Whether it is no table that the database keeps of itself.
fn is_peoples(parts: &[&Ident]) -> bool {
    let Some((table, folders)) = parts.split_last() else {
        return false;
    };
    let is_systems_folder =
        |folder: &&Ident| SYSTEM_SCHEMAS.contains(&&*folder.value.to_lowercase());
    // Some databases read it as a function.
    let is_telling = folders.is_empty() && super::statement::identifier(table).is_err();
    !is_telling
        && !folders.iter().any(is_systems_folder)
        && !parts.iter().any(|part| is_systems(part))
}

fn is_systems(part: &Ident) -> bool {
    let name = part.value.to_lowercase();
    let is_word = name
        .chars()
        .all(|c| c.is_alphanumeric() || "_$ -".contains(c));
    let is_legacy = name.starts_with("sys") && !name.starts_with("system");
    // Some databases open a file of the name that stands where a table should.
    !is_word
        || name.is_empty()
        || part.quote_style == Some('\'')
        || is_legacy
        || name
            .strip_prefix("all_")
            .is_some_and(|rest| ORACLES.iter().any(|begin| rest.starts_with(begin)))
        || SYSTEM_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}
