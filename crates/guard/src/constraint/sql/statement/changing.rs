//! Statements that add, change or remove rows: their clauses can do more than their first word says.
//!
//! Each statement is taken apart to its last member: what a new version of the parser learns does not compile here until
//! somebody has decided about it.

use sqlparser::ast::{
    Delete, Expr, FromTable, Insert, ObjectName, OnConflictAction, OnInsert, OutputClause,
    SelectItem, SqliteOnConflict, TableFactor, TableObject, TableWithJoins, Update,
};

use super::{Scope, Verdict, Walk, is_constant, no, tables};
use crate::constraint::{Expected, sql::Verb};

pub(super) fn insert(walk: &Walk<'_>, insert: &Insert) -> Verdict {
    let Insert {
        insert_token: _,
        optimizer_hints,
        or,
        ignore: _,
        into: _,
        table,
        table_alias: _,
        columns: _,
        by_name: _,
        overwrite,
        // Visited by itself.
        source: _,
        assignments: _,
        partitioned,
        after_columns,
        overriding: _,
        has_table_keyword: _,
        on,
        returning,
        output,
        replace_into,
        priority: _,
        insert_alias: _,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    let TableObject::TableName(name) = table else {
        return no("insertion into what is no table");
    };
    is_written(walk, name)?;
    walk.may(Verb::Insert)?;
    let is_plain = optimizer_hints.is_empty()
        && !overwrite
        && partitioned.is_none()
        && after_columns.is_empty()
        && settings.is_none()
        && format_clause.is_none();
    let is_single = multi_table_insert_type.is_none()
        && multi_table_into_clauses.is_empty()
        && multi_table_when_clauses.is_empty()
        && multi_table_else_clause.is_none();
    if !is_plain || !is_single {
        return no("insertion that overwrites, or with hints, partitions, settings or formats");
    }
    if *replace_into {
        replaces(walk)?;
    }
    conflict(walk, *or)?;
    match on {
        None => {}
        Some(OnInsert::DuplicateKeyUpdate(_)) => walk.may(Verb::Update)?,
        Some(OnInsert::OnConflict(on)) => match on.action {
            OnConflictAction::DoNothing => {}
            OnConflictAction::DoUpdate(_) => walk.may(Verb::Update)?,
        },
        // The parser's list of these may grow.
        Some(_) => return no("such an answer to rows that are there already"),
    }
    tells(walk, returning.as_deref(), output.as_ref())
}

pub(super) fn update(walk: &Walk<'_>, update: &Update) -> Verdict {
    let Update {
        update_token: _,
        optimizer_hints,
        table,
        on_cluster,
        assignments: _,
        from,
        selection,
        returning,
        output,
        or,
        order_by: _,
        limit: _,
        settings,
    } = update;
    walk.may(Verb::Update)?;
    target(walk, &table.relation)?;
    if !optimizer_hints.is_empty() || on_cluster.is_some() || settings.is_some() {
        return no("hints, clusters or settings in a change");
    }
    says_which(selection.as_ref(), "changed")?;
    conflict(walk, *or)?;
    if from.is_some() || !table.joins.is_empty() {
        walk.may(Verb::Select)?;
    }
    tells(walk, returning.as_deref(), output.as_ref())
}

pub(super) fn delete(walk: &Walk<'_>, delete: &Delete) -> Verdict {
    let Delete {
        delete_token: _,
        optimizer_hints,
        tables,
        from,
        on_cluster,
        using,
        selection,
        returning,
        output,
        order_by: _,
        limit: _,
        settings,
    } = delete;
    walk.may(Verb::Delete)?;
    if !optimizer_hints.is_empty() || on_cluster.is_some() || settings.is_some() {
        return no("hints, clusters or settings in a removal");
    }
    says_which(selection.as_ref(), "removed")?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = from;
    if !tables.is_empty() || from.len() > 1 {
        return no("removal from several tables at once");
    }
    for table in from {
        target(walk, &table.relation)?;
    }
    let is_joined = |table: &TableWithJoins| !table.joins.is_empty();
    if using.is_some() || from.iter().any(is_joined) {
        walk.may(Verb::Select)?;
    }
    tells(walk, returning.as_deref(), output.as_ref())
}

/// What is changed is a table, whatever else has its name here: databases write to the table of a name that the statement
/// gives to a subquery.
fn target(walk: &Walk<'_>, table: &TableFactor) -> Verdict {
    match table {
        TableFactor::Table { name, .. } => is_written(walk, name),
        _ => no("change of what is no table"),
    }
}

fn is_written(walk: &Walk<'_>, name: &ObjectName) -> Verdict {
    tables::check(walk.rule, &Scope::default(), name)
}

/// What changes rows says which.
fn says_which(condition: Option<&Expr>, done: &str) -> Verdict {
    match condition {
        Some(condition) if !is_constant(condition) => Ok(()),
        _ => Err(Expected(format!(
            "a `WHERE` that says which rows are {done}"
        ))),
    }
}

/// SQLite's `OR`: what becomes of rows that are in the way.
fn conflict(walk: &Walk<'_>, or: Option<SqliteOnConflict>) -> Verdict {
    match or {
        None | Some(SqliteOnConflict::Abort | SqliteOnConflict::Ignore) => Ok(()),
        Some(SqliteOnConflict::Replace) => replaces(walk),
        // They end a transaction, or leave half of a statement done.
        Some(SqliteOnConflict::Rollback | SqliteOnConflict::Fail) => {
            no("`OR ROLLBACK` and no `OR FAIL`")
        }
    }
}

/// A row in the way is removed, and another one takes its place.
fn replaces(walk: &Walk<'_>) -> Verdict {
    walk.may(Verb::Update)?;
    walk.may(Verb::Delete)
}

/// What a change gives back was read.
fn tells(
    walk: &Walk<'_>,
    returning: Option<&[SelectItem]>,
    output: Option<&OutputClause>,
) -> Verdict {
    match output {
        Some(OutputClause::Output {
            into_table: Some(_),
            ..
        }) => return no("`OUTPUT` into a table"),
        Some(OutputClause::Output { .. } | OutputClause::Returning { .. }) => {
            walk.may(Verb::Select)?;
        }
        None => {}
    }
    match returning {
        Some(_) => walk.may(Verb::Select),
        None => Ok(()),
    }
}
