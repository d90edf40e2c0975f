//! Statements: what they may do, whatever they look like.

use super::*;

const DIALECTS: [Dialect; 7] = [
    Dialect::Generic,
    Dialect::Ansi,
    Dialect::Postgresql,
    Dialect::Mysql,
    Dialect::Sqlite,
    Dialect::Mssql,
    Dialect::Duckdb,
];

#[test]
fn statements_read_what_they_may() {
    for dialect in DIALECTS {
        let rule = Check::Sql(SqlRule {
            dialect,
            ..orders()
        });
        for good in [
            "SELECT id, total FROM orders WHERE id = 42",
            "select count(*) from orders o join shop.customers c on c.id = o.customer where c.name like 'O''Brien%';",
            "SELECT customer, SUM(total) AS t FROM orders GROUP BY customer HAVING SUM(total) > 10 ORDER BY t DESC",
            "WITH recent AS (SELECT * FROM orders WHERE day > '2026-01-01') SELECT AVG(total) FROM recent",
            "SELECT CASE WHEN total > 5 THEN 'big' ELSE 'small' END\nFROM orders\nWHERE id IN (1, 2, 3)",
            "SELECT * FROM orders WHERE customer IN (SELECT id FROM shop.customers WHERE name = 'a -- b; c')",
        ] {
            assert!(admits(&rule, good), "{dialect:?}: {good}");
        }
        for bad in [
            "",
            ";",
            "1",
            "orders",
            "' OR 1=1 --",
            "SELECT * FROM users",
            "SELECT * FROM other.orders",
            "SELECT * FROM orders; DROP TABLE orders",
            "SELECT * FROM orders;;",
            "SELECT 1; SELECT 2",
            "DROP TABLE orders",
            "DELETE FROM orders WHERE id = 1",
            "UPDATE orders SET total = 0 WHERE id = 1",
            "INSERT INTO orders VALUES (1)",
            "SELECT * INTO copy FROM orders",
            "SELECT * FROM orders -- x",
            "SELECT * FROM orders /* x */",
            "SELECT /*! 1 */ id FROM orders",
            "SELECT * FROM orders WHERE id = 1 OR 1=1",
            "SELECT * FROM orders WHERE 'a'='a'",
            "SELECT * FROM orders WHERE id = 1 OR true",
            "SELECT * FROM orders WHERE id = id",
            "SELECT * FROM orders WHERE 1",
            "SELECT * FROM orders WHERE id = 1 || 1=1",
            "SELECT * FROM orders WHERE id = 1 OR (SELECT 1) = 1",
            "SELECT * FROM orders WHERE id = 1 OR EXISTS (SELECT 1)",
            "SELECT * FROM orders WHERE id = 1 OR 2 > 1",
            "SELECT * FROM orders WHERE id = 1 OR (1) IN (1)",
            "SELECT * FROM orders UNION SELECT * FROM orders",
            "SELECT * FROM orders WHERE id = (SELECT id FROM users)",
            "SELECT sleep(5) FROM orders",
            "SELECT pg_sleep(5)",
            "SELECT version()",
            "SELECT current_user",
            "SELECT @@version",
            "SELECT load_file('/etc/passwd')",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM orders FOR UPDATE",
            "SELECT 'a\\' OR 1=1",
            "SELECT \u{2019}a\u{2019} FROM orders",
            "EXPLAIN SELECT 1",
            "SET ROLE admin",
            "CALL f()",
            "EXEC xp_cmdshell 'dir'",
            "COPY orders TO '/tmp/x'",
            "PRAGMA table_info(orders)",
            "ATTACH 'x' AS y",
            "SELECT lo_import('/etc/passwd') FROM orders",
            "TABLE users",
            "SELECT a.f() FROM orders",
            "SELECT 0x61 FROM orders",
            "WITH users AS (SELECT * FROM users) SELECT * FROM users",
            "WITH x AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT * FROM x",
            "SELECT (WITH users AS (SELECT 1 AS a) SELECT a FROM users) FROM users",
            "WITH \"Users\" AS (SELECT 1) SELECT * FROM users",
            "WITH RECURSIVE a AS (SELECT * FROM users), users AS (SELECT 1) SELECT * FROM a",
        ] {
            assert!(!admits(&rule, bad), "{dialect:?}: {bad}");
        }
    }
}

#[test]
fn statements_change_what_they_may() {
    let rule = Check::Sql(SqlRule {
        verbs: [Verb::Insert, Verb::Update, Verb::Delete].into(),
        ..orders()
    });
    for good in [
        "INSERT INTO orders (id, total) VALUES (1, 2)",
        "UPDATE orders SET total = 0 WHERE id = 1",
        "DELETE FROM orders WHERE id = 1",
    ] {
        assert!(admits(&rule, good), "{good}");
    }
    for bad in [
        "SELECT * FROM orders",
        "INSERT INTO users (id) VALUES (1)",
        "UPDATE orders SET total = 0",
        "DELETE FROM orders",
        "UPDATE users SET a = 1 WHERE id = 1",
        "DELETE FROM users WHERE id = 1",
        "DELETE FROM orders WHERE 1=1",
        "UPDATE orders SET total = 0 WHERE true",
        "UPDATE orders SET total = 0 FROM users WHERE users.id = orders.id",
        "INSERT INTO orders SELECT * FROM users",
        "DELETE FROM orders USING users WHERE users.id = orders.id",
        "TRUNCATE orders",
    ] {
        assert!(!admits(&rule, bad), "{bad}");
    }
}

#[test]
fn no_clause_of_a_statement_does_what_the_rule_does_not_allow() {
    use Dialect::{Generic, Mssql, Mysql, Postgresql, Sqlite};
    use Verb::{Delete, Insert, Select, Update};
    let admitted = |dialect, verbs: &[Verb], sql: &str| {
        let rule = SqlRule {
            dialect,
            verbs: verbs.iter().copied().collect(),
            tables: Some(["notes".into(), "users".into()].into()),
            ..SqlRule::default()
        };
        admits(&Check::Sql(rule), sql)
    };
    // Each passes with all of its verbs, and with none of them missing.
    for (dialect, verbs, sql) in [
        (
            Postgresql,
            &[Insert, Update][..],
            "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET level = 'admin'",
        ),
        (
            Postgresql,
            &[Insert],
            "INSERT INTO users (id) VALUES (1) ON CONFLICT DO NOTHING",
        ),
        (
            Postgresql,
            &[Insert, Select],
            "INSERT INTO users (id) VALUES (9) RETURNING *",
        ),
        (
            Generic,
            &[Insert, Select],
            "INSERT INTO notes (t) SELECT hash FROM users WHERE id = 1",
        ),
        (
            Generic,
            &[Insert, Select],
            "INSERT INTO notes (t) VALUES ((SELECT hash FROM users WHERE id = 1))",
        ),
        (
            Mysql,
            &[Insert, Update],
            "INSERT INTO users (id) VALUES (1) ON DUPLICATE KEY UPDATE level = 'admin'",
        ),
        (
            Mysql,
            &[Insert, Update, Delete],
            "REPLACE INTO users (id) VALUES (1)",
        ),
        (
            Sqlite,
            &[Insert, Update, Delete],
            "INSERT OR REPLACE INTO users (id) VALUES (1)",
        ),
        (
            Sqlite,
            &[Update, Delete],
            "UPDATE OR REPLACE users SET id = 1 WHERE id = 2",
        ),
        (
            Sqlite,
            &[Insert],
            "INSERT OR IGNORE INTO users (id) VALUES (1)",
        ),
        (
            Postgresql,
            &[Update, Select],
            "UPDATE notes SET t = (SELECT hash FROM users WHERE id = 1) WHERE id = 7",
        ),
        (
            Postgresql,
            &[Update, Select],
            "UPDATE notes SET t = users.hash FROM users WHERE users.id = notes.id",
        ),
        (
            Mysql,
            &[Update, Select],
            "UPDATE notes JOIN users ON users.id = notes.id SET notes.t = users.hash WHERE notes.id = 7",
        ),
        (
            Postgresql,
            &[Update, Select],
            "UPDATE notes SET t = 'x' WHERE id = 7 RETURNING *",
        ),
        (
            Postgresql,
            &[Delete, Select],
            "DELETE FROM notes WHERE id = 7 RETURNING *",
        ),
        (
            Postgresql,
            &[Delete, Select],
            "DELETE FROM notes WHERE id IN (SELECT id FROM users WHERE id > 0)",
        ),
        (
            Postgresql,
            &[Delete, Select],
            "DELETE FROM notes USING users WHERE users.id = notes.id",
        ),
        (
            Mssql,
            &[Delete, Select],
            "DELETE FROM notes OUTPUT deleted.t WHERE id = 7",
        ),
    ] {
        assert!(admitted(dialect, verbs, sql), "{dialect:?}: {sql}");
        for missing in verbs {
            let fewer: Vec<_> = verbs
                .iter()
                .copied()
                .filter(|verb| verb != missing)
                .collect();
            assert!(
                !admitted(dialect, &fewer, sql),
                "without {missing:?}: {sql}"
            );
        }
    }
    let all = &[Select, Insert, Update, Delete];
    for (dialect, bad) in [
        (Sqlite, "INSERT OR ROLLBACK INTO users (id) VALUES (1)"),
        (Generic, "INSERT OVERWRITE users VALUES (1)"),
        (
            Mssql,
            "DELETE FROM notes OUTPUT deleted.t INTO users WHERE id = 7",
        ),
        (Mysql, "DELETE FROM notes, users WHERE notes.id = 7"),
    ] {
        assert!(!admitted(dialect, all, bad), "{bad}");
    }
}

#[test]
fn a_name_that_the_statement_gives_is_read_and_never_written() {
    use Verb::{Delete, Insert, Select, Update};
    for dialect in DIALECTS {
        let rule = Check::Sql(SqlRule {
            dialect,
            verbs: [Select, Insert, Update, Delete].into(),
            ..orders()
        });
        for bad in [
            "WITH secrets AS (SELECT 1 AS id) DELETE FROM secrets WHERE id > 0",
            "WITH secrets AS (SELECT 1 AS id) UPDATE secrets SET id = 2 WHERE id > 0",
            "WITH secrets AS (SELECT 1 AS id) INSERT INTO secrets (id) VALUES (1)",
            "WITH secrets AS (SELECT 1 AS id), y AS (DELETE FROM secrets WHERE id > 0 RETURNING id) SELECT * FROM y",
        ] {
            assert!(!admits(&rule, bad), "{dialect:?}: {bad}");
        }
        let reads = "WITH gone AS (SELECT id FROM orders WHERE total = 0) \
                     DELETE FROM orders WHERE id IN (SELECT id FROM gone WHERE id > 7)";
        // Not every parser knows `WITH` before a change.
        if !matches!(dialect, Dialect::Mssql) {
            assert!(admits(&rule, reads), "{dialect:?}");
        }
    }
}

#[test]
fn what_databases_read_in_different_ways_is_refused_where_it_is_not_known_whose_it_is() {
    let rule = |dialect| {
        Check::Sql(SqlRule {
            dialect,
            ..orders()
        })
    };
    for dialect in [
        Dialect::Generic,
        Dialect::Ansi,
        Dialect::Sqlite,
        Dialect::Mssql,
    ] {
        for bad in [
            "SELECT p['] FROM secrets AS ['] FROM orders",
            "SELECT p['] FROM secrets AS ['] LIMIT 10",
            "SELECT p[\"] FROM secrets AS [\"] FROM orders",
        ] {
            assert!(!admits(&rule(dialect), bad), "{dialect:?}: {bad}");
        }
    }
    for dialect in [Dialect::Generic, Dialect::Mssql] {
        for bad in [
            "SELECT 1 SHUTDOWN",
            "SELECT id FROM orders REVERT",
            "SELECT id FROM orders o COMMIT",
            "SELECT id FROM orders WHERE id = 1 CHECKPOINT",
            "SELECT CASE WHEN id > 1 THEN 1 END ROLLBACK FROM orders",
        ] {
            assert!(!admits(&rule(dialect), bad), "{dialect:?}: {bad}");
        }
    }
    for good in [
        "SELECT tags[1] FROM orders",
        "SELECT commit, kill FROM orders WHERE commit = 'a' AND kill = 1",
        "SELECT o.commit AS commit FROM orders AS o ORDER BY commit",
    ] {
        assert!(admits(&rule(Dialect::Generic), good), "{good}");
    }
    assert!(admits(
        &rule(Dialect::Postgresql),
        "SELECT id FROM orders WHERE name = ANY(ARRAY['a', 'b'])"
    ));
}

#[test]
fn a_condition_without_a_column_says_nothing_of_a_row() {
    let rule = Check::Sql(SqlRule {
        verbs: [Verb::Select, Verb::Delete].into(),
        ..orders()
    });
    for condition in [
        "length('a') = 1",
        "CASE WHEN TRUE THEN TRUE END",
        "EXISTS (SELECT 1 FROM orders)",
        "EXISTS (SELECT id FROM orders)",
        "id = 1 OR lower('A') = 'a'",
        "id = 1 OR 1 IN (SELECT 1)",
        "id = 1 OR orders.id = id",
        "id = 1 OR id IN (id)",
        "id = 1 OR coalesce(NULL, 1) = 1",
    ] {
        let sql = format!("DELETE FROM orders WHERE {condition}");
        assert!(!admits(&rule, sql), "{condition}");
    }
    for condition in [
        "id = 7",
        "lower(name) = 'a'",
        "CASE WHEN total > 5 THEN TRUE ELSE FALSE END",
        "EXISTS (SELECT 1 FROM shop.customers WHERE shop.customers.id = orders.customer)",
        "day < current_date",
        "id IN (SELECT id FROM shop.customers WHERE name = 'x')",
    ] {
        let sql = format!("DELETE FROM orders WHERE {condition}");
        assert!(admits(&rule, sql), "{condition}");
    }
}

#[test]
fn the_systems_own_tables_have_to_be_named() {
    let rule = Check::Sql(SqlRule::default());
    for good in [
        "SELECT value FROM config",
        "SELECT u.role FROM users u",
        "SELECT id AS role FROM all_orders",
        "SELECT id FROM shop.local",
    ] {
        assert!(admits(&rule, good), "{good}");
    }
    assert!(admits(&rule, "SELECT name FROM customers WHERE id = 7"));
    assert!(
        admits(&rule, "SELECT name FROM system_events")
            && admits(&rule, "SELECT \"Gross\" FROM \"Sales 2026\"")
    );
    for bad in [
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM pg_shadow",
        "SELECT * FROM sysusers",
        "SELECT * FROM sys.tables",
        "SELECT * FROM mysql.user",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM master..sysobjects",
        "SELECT * FROM \"pg_shadow\"",
        "SELECT * FROM ALL_TABLES",
        "SELECT role",
        "SELECT * FROM current_user",
        "SELECT * FROM x.config.y",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM \"a.csv\"",
    ] {
        assert!(!admits(&rule, bad), "{bad}");
    }
}

#[test]
fn large_statements_neither_take_the_stack_nor_time() {
    let rule = Check::Sql(SqlRule::default());
    let long = format!("SELECT {} FROM t", ["a"; 490].join(" + "));
    assert!(admits(&rule, long));
    let list = (0..1500)
        .map(|i| i.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    assert!(admits(
        &rule,
        format!("SELECT a FROM t WHERE id IN ({list})")
    ));
    for bad in [
        format!("SELECT {}", ["a"; 100_000].join("+")),
        format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(200), ")".repeat(200)),
        format!("SELECT {}a", "NOT ".repeat(1900)),
        format!("SELECT {}a", "- ".repeat(1900)),
        format!("SELECT * FROM {}t{}", "(".repeat(900), ")".repeat(900)),
        "(".repeat(30_000),
        "SELECT ".repeat(4000),
        "CASE WHEN ".repeat(900),
    ] {
        assert!(!admits(&rule, bad.clone()), "{bad:.60}");
    }
}
