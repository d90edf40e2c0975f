//! Statements that may be run, decided by parsing them.
//!
//! What the parser does not know, and what is known and not listed here, is refused. So are
//! comments, statements behind the first, spellings that differ between databases (a backslash in a
//! string), and conditions that are true whatever the row: nobody needs them, and injections do.

mod functions;
mod statement;
mod tables;

use std::collections::BTreeSet;

use sqlparser::{
    dialect::{
        AnsiDialect, Dialect as Grammar, DuckDbDialect, GenericDialect, MsSqlDialect, MySqlDialect,
        PostgreSqlDialect, SQLiteDialect,
    },
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, Tokenizer, Whitespace},
};

use super::{Expected, text};

/// Statements that may be run.
#[derive(Debug, Clone)]
pub struct SqlRule {
    /// The database's own SQL.
    pub dialect: Dialect,
    /// What a statement may do, with its subqueries and clauses: one that reads to insert, or tells what it has removed,
    /// has to be allowed to select, too.
    pub verbs: BTreeSet<Verb>,
    /// The tables it may name, as they have to be spelt; `None` is any but the system's own.
    pub tables: Option<BTreeSet<String>>,
    /// Functions that it may call beside the common ones without effects, in lower case.
    pub functions: BTreeSet<String>,
    /// Whether results of several queries may be put together (`UNION`, `EXCEPT`, `INTERSECT`).
    pub set_operations: bool,
    /// Whether conditions may hold that are the same for each row, such as `1=1`.
    pub constant_conditions: bool,
}

impl Default for SqlRule {
    fn default() -> Self {
        Self {
            dialect: Dialect::Generic,
            verbs: [Verb::Select].into(),
            tables: None,
            functions: BTreeSet::new(),
            set_operations: false,
            constant_conditions: false,
        }
    }
}

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// What most databases understand.
    Generic,
    /// The standard's.
    Ansi,
    /// PostgreSQL's.
    Postgresql,
    /// MySQL's and MariaDB's.
    Mysql,
    /// SQLite's.
    Sqlite,
    /// SQL Server's.
    Mssql,
    /// DuckDB's.
    Duckdb,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// It reads.
    Select,
    /// It adds rows.
    Insert,
    /// It changes rows; it says which.
    Update,
    /// It removes rows; it says which.
    Delete,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A statement of more is a program.
const BYTES_MAX: usize = 32 * 1024;
/// Words and signs; a list of a thousand values fits.
const TOKENS_MAX: usize = 4000;
/// Each operator and keyword may nest the tree one deeper, and what walks it recurses.
const OPERATORS_MAX: usize = 500;
/// A level takes up to 8 KiB in a build that is not optimised.
const STACK_BYTES: usize = 16 << 20;
/// Brackets and subqueries within each other.
const NESTING_MAX: usize = 40;

impl SqlRule {
    pub(super) fn check(&self, sql: &str) -> Result<(), Expected> {
        if sql.len() > BYTES_MAX {
            return Err(Expected(format!(
                "a statement of at most {BYTES_MAX} bytes"
            )));
        }
        if sql.contains('\\') {
            return Err(Expected::of(
                "no backslash: databases read it in different ways",
            ));
        }
        // MySQL runs what stands in some of these.
        if sql.contains("/*") {
            return Err(Expected::of("no comments"));
        }
        let blanks = |c| matches!(c, '\n' | '\r' | '\t');
        text::plain(&sql.replace(blanks, " "), "'\"`;-/*#=@")?;
        let grammar = self.dialect.grammar();
        let unreadable = |_| Expected::of("one statement that can be parsed");
        let tokens = Tokenizer::new(&*grammar, sql)
            .tokenize()
            .map_err(|_| unreadable(()))?;
        check_tokens(&tokens)?;
        if !self.dialect.reads_alike(&tokens) {
            return Err(alike());
        }
        on_a_stack_of_its_own(|| {
            let grammar = self.dialect.grammar();
            let mut parser = Parser::new(&*grammar)
                .with_recursion_limit(NESTING_MAX)
                .with_tokens(tokens);
            let statements = parser.parse_statements().map_err(|_| unreadable(()))?;
            match &*statements {
                [statement] => statement::check(self, statement),
                _ => Err(Expected::of("one statement")),
            }
        })
    }

    /// What this may do, for people.
    fn verbs(&self) -> String {
        let words: Vec<_> = self.verbs.iter().map(|verb| verb.word()).collect();
        words.join(" or ")
    }
}

impl Dialect {
    fn grammar(self) -> Box<dyn Grammar> {
        match self {
            Self::Generic => Box::new(GenericDialect {}),
            Self::Ansi => Box::new(AnsiDialect {}),
            Self::Postgresql => Box::new(PostgreSqlDialect {}),
            Self::Mysql => Box::new(MySqlDialect {}),
            Self::Sqlite => Box::new(SQLiteDialect {}),
            Self::Mssql => Box::new(MsSqlDialect {}),
            Self::Duckdb => Box::new(DuckDbDialect {}),
        }
    }
}

fn alike() -> Expected {
    Expected::of("a statement that all databases read alike")
}

impl Dialect {
    /// Whether no database that this stands for reads something else than the parser does.
    fn reads_alike(self, tokens: &[Token]) -> bool {
        let mut words: Vec<&Token> = tokens.iter().collect();
        words.retain(|token| !matches!(token, Token::Whitespace(_)));
        match self {
            Self::Generic => !words_in_brackets(&words) && !ends_a_statement(&words),
            Self::Ansi => !words_in_brackets(&words),
            Self::Mssql => !ends_a_statement(&words),
            Self::Postgresql | Self::Mysql | Self::Sqlite | Self::Duckdb => true,
        }
    }
}

/// Whether something quoted stands in brackets: they quote a name themselves to some, so that what is a string to others
/// ends behind them.
fn words_in_brackets(tokens: &[&Token]) -> bool {
    let mut is_within = false;
    for token in tokens {
        match token {
            Token::LBracket if !is_within => is_within = true,
            Token::RBracket => is_within = false,
            Token::Number(..) | Token::Comma | Token::Colon | Token::Minus => {}
            Token::Word(word) if word.quote_style.is_none() => {}
            _ if is_within => return true,
            _ => {}
        }
    }
    false
}

/// Whether a word stands where others read a name for what is before it, and SQL Server reads the next statement: that
/// needs no sign before it.
fn ends_a_statement(tokens: &[&Token]) -> bool {
    const STATEMENTS: [&str; 14] = [
        "begin",
        "break",
        "checkpoint",
        "commit",
        "continue",
        "disconnect",
        "go",
        "kill",
        "reconfigure",
        "return",
        "revert",
        "rollback",
        "setuser",
        "shutdown",
    ];
    // What may stand before a name of a column.
    const BEFORE: [&str; 27] = [
        "all",
        "and",
        "as",
        "between",
        "by",
        "case",
        "distinct",
        "else",
        "from",
        "having",
        "in",
        "into",
        "is",
        "join",
        "like",
        "limit",
        "not",
        "offset",
        "on",
        "or",
        "returning",
        "select",
        "set",
        "then",
        "update",
        "when",
        "where",
    ];
    let is_of = |token: &Token, words: &[&str]| match token {
        Token::Word(word) => {
            word.quote_style.is_none() && words.contains(&&*word.value.to_lowercase())
        }
        _ => false,
    };
    tokens.windows(2).any(|pair| {
        let [before, word] = pair else { return false };
        let ends = match before {
            Token::Word(_) => !is_of(before, &BEFORE),
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::RParen
            | Token::RBracket
            | Token::Mul => true,
            _ => false,
        };
        ends && is_of(word, &STATEMENTS)
    })
}

/// Parsing, walking and dropping a tree recurse, and the stack that a call has may be small. A thread costs some tens
/// of microseconds, little beside a statement's own work.
fn on_a_stack_of_its_own(
    work: impl FnOnce() -> Result<(), Expected> + Send,
) -> Result<(), Expected> {
    let failed = || Expected::of("a statement that can be checked");
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("sql".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|_| failed())?;
        thread.join().unwrap_or_else(|_| Err(failed()))
    })
}

fn check_tokens(tokens: &[Token]) -> Result<(), Expected> {
    let is_comment = |token: &&Token| {
        matches!(
            token,
            Token::Whitespace(
                Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)
            )
        )
    };
    if tokens.iter().any(|token| is_comment(&token)) {
        return Err(Expected::of("no comments"));
    }
    let words = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)));
    if words.clone().count() > TOKENS_MAX {
        return Err(Expected(format!(
            "a statement of at most {TOKENS_MAX} words and signs"
        )));
    }
    if words.clone().filter(|token| may_nest(token)).count() > OPERATORS_MAX {
        return Err(Expected(format!(
            "a statement of at most {OPERATORS_MAX} operators and keywords"
        )));
    }
    if tokens.windows(2).any(is_ambiguous) || words.clone().any(is_some_dialects) {
        return Err(alike());
    }
    let before_end = words.clone().count().saturating_sub(1);
    if words
        .take(before_end)
        .any(|token| *token == Token::SemiColon)
    {
        return Err(Expected::of("one statement, with nothing behind it"));
    }
    Ok(())
}

fn may_nest(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen => false,
        _ => true,
    }
}

/// `#` begins a comment to MySQL and `@` a variable; of the operators of others that begin so, one is common. `0x61` is
/// a number to some.
fn is_some_dialects(token: &Token) -> bool {
    if let Token::Number(digits, _) = token {
        return !digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    }
    let text = token.to_string();
    text.starts_with(['#', '@']) && text != "@>"
}

/// `--` is a comment to most and two signs to MySQL; `0x61` is a number to some, and to others one with a name behind it.
fn is_ambiguous(pair: &[Token]) -> bool {
    matches!(
        pair,
        [Token::Minus, Token::Minus] | [Token::Number(..), Token::Word(_)]
    )
}
