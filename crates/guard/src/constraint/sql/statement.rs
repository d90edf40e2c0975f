//! What a parsed statement does, seen from each of its parts.

mod changing;

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Ident, InTarget, ObjectName, Query, Select,
    SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit as _, Visitor,
};

use super::{
    Expected, SqlRule, Verb, functions,
    tables::{self, Scope},
};
use crate::schema::shown;

pub(super) fn check(rule: &SqlRule, statement: &Statement) -> Result<(), Expected> {
    let mut walk = Walk {
        rule,
        scope: Scope::default(),
    };
    match statement.visit(&mut walk) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(expected) => Err(expected),
    }
}

struct Walk<'r> {
    rule: &'r SqlRule,
    scope: Scope,
}

type Verdict = Result<(), Expected>;

fn no(what: &str) -> Verdict {
    Err(Expected(format!("no {what}")))
}

fn flow(verdict: Verdict) -> ControlFlow<Expected> {
    match verdict {
        Ok(()) => ControlFlow::Continue(()),
        Err(expected) => ControlFlow::Break(expected),
    }
}

impl Visitor for Walk<'_> {
    type Break = Expected;

    /// Statements stand within others too: `WITH x AS (DELETE …)`.
    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Expected> {
        flow(self.statement(statement))
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Expected> {
        self.scope.enter(query);
        flow(self.query(query))
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Expected> {
        self.scope.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Expected> {
        flow(self.select(select))
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Expected> {
        flow(tables::check(self.rule, &self.scope, name))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Expected> {
        flow(self.table(table))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Expected> {
        flow(self.expression(expr))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Expected> {
        flow(literal(&value.value))
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> ControlFlow<Expected> {
        flow(match ident.value.starts_with('@') {
            true => no("variables"),
            false => Ok(()),
        })
    }
}

impl Walk<'_> {
    fn statement(&self, statement: &Statement) -> Verdict {
        match statement {
            // What it does is seen in its parts.
            Statement::Query(_) => self.may(Verb::Select),
            Statement::Insert(insert) => changing::insert(self, insert),
            Statement::Update(update) => changing::update(self, update),
            Statement::Delete(delete) => changing::delete(self, delete),
            _ => Err(self.verbs_only()),
        }
    }

    /// Whether the rule allows statements, or parts of them, that do this.
    fn may(&self, verb: Verb) -> Verdict {
        match self.rule.verbs.contains(&verb) {
            true => Ok(()),
            false => Err(self.verbs_only()),
        }
    }

    fn verbs_only(&self) -> Expected {
        Expected(format!("{} and nothing else", self.rule.verbs()))
    }

    fn query(&self, query: &Query) -> Verdict {
        let is_plain = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if !is_plain {
            return no("locks, settings or formats in a query");
        }
        self.body(&query.body)
    }

    fn body(&self, body: &SetExpr) -> Verdict {
        match body {
            SetExpr::Select(_) => self.may(Verb::Select),
            // Rows that are written out, and queries of their own, which are visited too.
            SetExpr::Values(_) | SetExpr::Query(_) => Ok(()),
            SetExpr::SetOperation { left, right, .. } if self.rule.set_operations => {
                self.body(left)?;
                self.body(right)
            }
            SetExpr::SetOperation { .. } => no("`UNION`, `EXCEPT` or `INTERSECT`"),
            // Their own statements are visited too.
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) => Ok(()),
            SetExpr::Merge(_) | SetExpr::Table(_) => no("`MERGE` or `TABLE`"),
        }
    }

    fn select(&self, select: &Select) -> Verdict {
        if select.into.is_some() {
            return no("`INTO` in a query");
        }
        if !select.optimizer_hints.is_empty() {
            return no("hints");
        }
        let conditions = [&select.selection, &select.having, &select.qualify];
        match conditions.into_iter().flatten().any(is_constant) && !self.rule.constant_conditions {
            true => constant_condition(),
            false => Ok(()),
        }
    }

    fn table(&self, table: &TableFactor) -> Verdict {
        match table {
            TableFactor::Table {
                args: None,
                with_hints,
                json_path: None,
                version: None,
                ..
            } if with_hints.is_empty() => Ok(()),
            TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::UNNEST { .. } => Ok(()),
            _ => no("functions or hints in place of a table"),
        }
    }

    /// What is not named here is refused, whatever the parser learns.
    fn expression(&self, expr: &Expr) -> Verdict {
        if !self.rule.constant_conditions && is_constant_condition(expr) {
            return constant_condition();
        }
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Identifier(ident) => identifier(ident),
            Expr::In { target, .. } => match target {
                InTarget::List(_)
                | InTarget::Subquery(_)
                | InTarget::Unnest(_)
                | InTarget::Table { args: None, .. } => Ok(()),
                InTarget::Table { .. } => no("functions in place of a table"),
            },
            Expr::CompoundIdentifier(_)
            | Expr::CompoundFieldAccess { .. }
            | Expr::JsonAccess { .. }
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::BinaryOp { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::Cast { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::TypedString(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => Ok(()),
            _ => no("such an expression"),
        }
    }

    fn function(&self, function: &Function) -> Verdict {
        let name = function.name.to_string().to_lowercase();
        let is_listed = functions::is_common(&name) || self.rule.functions.contains(&name);
        if !is_listed || !matches!(function.parameters, FunctionArguments::None) {
            return Err(Expected(format!("no function `{}`", shown(&name))));
        }
        Ok(())
    }
}

fn constant_condition() -> Verdict {
    no("condition that is the same for each row, such as `1=1`")
}

/// Words that some databases read as a function without brackets: of the user or the server.
const TELLING: [&str; 12] = [
    "current_user",
    "session_user",
    "system_user",
    "user",
    "current_role",
    "current_catalog",
    "current_schema",
    "role",
    "uid",
    "rownum",
    "rowid",
    "sysdate",
];

pub(super) fn identifier(ident: &Ident) -> Verdict {
    let name = ident.value.to_lowercase();
    match ident.quote_style.is_none() && TELLING.contains(&&*name) {
        true => Err(Expected(format!("no `{name}`"))),
        false => Ok(()),
    }
}

fn literal(value: &Value) -> Verdict {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::DoubleQuotedString(_)
        | Value::Boolean(_)
        | Value::Null => Ok(()),
        _ => no("literal but numbers, plain strings, booleans and null"),
    }
}

/// Whether a value is the same for each row, as far as its text tells.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => true,
        // A name to databases without booleans, and a constant to all others.
        Expr::Identifier(name) => {
            let is_word = |word| name.value.eq_ignore_ascii_case(word);
            name.quote_style.is_none() && (is_word("true") || is_word("false"))
        }
        Expr::Nested(inner)
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Cast { expr: inner, .. } => is_constant(inner),
        Expr::BinaryOp { left, right, .. } => is_constant(left) && is_constant(right),
        Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner) => is_constant(inner),
        Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
            is_constant(expr) && is_constant(pattern)
        }
        Expr::Between {
            expr, low, high, ..
        } => is_constant(expr) && is_constant(low) && is_constant(high),
        Expr::In {
            expr,
            target: InTarget::List(list),
            ..
        } => is_constant(expr) && list.iter().all(is_constant),
        Expr::Tuple(values) => values.iter().all(is_constant),
        Expr::Subquery(query) => reads_nothing(query),
        Expr::Exists { subquery, .. } => reads_nothing(subquery) || has_all_rows(subquery),
        // Whatever is made of values alone, by functions, cases and all the rest.
        _ => !reads(expr),
    }
}

/// Whether a column or a table stands somewhere in it.
fn reads(expr: &Expr) -> bool {
    struct Reader;
    impl Visitor for Reader {
        type Break = ();

        fn pre_visit_relation(&mut self, _: &ObjectName) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let is_column = match expr {
                Expr::Identifier(_) => !is_constant(expr),
                Expr::CompoundIdentifier(_)
                | Expr::CompoundFieldAccess { .. }
                | Expr::JsonAccess { .. }
                | Expr::QualifiedWildcard(..) => true,
                _ => false,
            };
            match is_column {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Reader).is_break()
}

/// Whether a query gives a row as soon as its tables have one.
fn has_all_rows(query: &Query) -> bool {
    let is_bounded = query.limit_clause.is_some() || query.fetch.is_some();
    matches!(&*query.body, SetExpr::Select(select)
        if select.selection.is_none() && select.having.is_none() && select.qualify.is_none())
        && !is_bounded
}

/// A comparison or a part of a condition that is the same for each row.
fn is_constant_condition(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor => {
                is_constant(left) || is_constant(right)
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship => {
                is_constant(left) && is_constant(right)
                    || is_same(left, right)
                    // `a = 1 || 1 = 1` is one to some, and an alternative to MySQL.
                    || is_comparison(left)
                    || is_comparison(right)
            }
            _ => false,
        },
        Expr::Like {
            expr: left,
            pattern: right,
            ..
        }
        | Expr::ILike {
            expr: left,
            pattern: right,
            ..
        } => is_constant(left) && is_constant(right) || is_same(left, right),
        Expr::In {
            expr: left,
            target: InTarget::List(list),
            ..
        } => is_constant(expr) || list.iter().any(|value| is_same(left, value)),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::In { .. }
        | Expr::Between { .. }
        | Expr::Exists { .. } => is_constant(expr),
        _ => false,
    }
}

/// Whether it is twice the same, or a column and the same column of its table.
fn is_same(left: &Expr, right: &Expr) -> bool {
    let (left, right) = (unwrapped(left), unwrapped(right));
    let is_column_of = |column: &Expr, whole: &Expr| match (column, whole) {
        (Expr::Identifier(name), Expr::CompoundIdentifier(names)) => names
            .last()
            .is_some_and(|last| last.value.eq_ignore_ascii_case(&name.value)),
        _ => false,
    };
    left == right || is_column_of(left, right) || is_column_of(right, left)
}

fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unwrapped(inner),
        expr => expr,
    }
}

/// A query without tables gives the same for each row.
fn reads_nothing(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::Select(select) if select.from.is_empty())
}

fn is_comparison(expr: &Expr) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq, Spaceship};
    matches!(
        expr,
        Expr::BinaryOp {
            op: Eq | NotEq | Lt | LtEq | Gt | GtEq | Spaceship,
            ..
        }
    )
}
