"""The reference SQLite server, which hands on whatever statement it is given."""

from attack import Attack, Stdio, python
from lab import Lab
from session import Session


def server(lab: Lab) -> Stdio:
    main = "import sys, mcp_server_sqlite; sys.exit(mcp_server_sqlite.main())"
    return python("sqlite", "-c", main, "--db-path", str(lab.inside / "notes.db"), cwd=lab.inside)


async def ordinary(session: Session, _: Lab) -> None:
    await session.call("create_table", query="CREATE TABLE notes (text TEXT)")
    await session.call("write_query", query="INSERT INTO notes VALUES ('a note')")
    await session.expect("a note", "read_query", query="SELECT text FROM notes")
    await session.expect("text", "describe_table", table_name="notes")


async def attack(session: Session, lab: Lab) -> None:
    await session.attempt("write_query", query=f"VACUUM INTO '{lab.folder}/copy.db'")
    await session.attempt("write_query", query=f"ATTACH DATABASE '{lab.folder}/attached.db' AS other")


ATTACKS = (
    Attack(
        name="sqlite-statement",
        ids="after Trend Micro 2025-06",
        package="mcp-server-sqlite==2025.4.25",
        what="copies the database to anywhere by a statement that is no question",
        prepare=lambda lab: None,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=lambda _, lab: any(lab.folder.glob("*.db")),
        constraints=lambda lab: [
            {"tools": ["read_query"], "at": "/query", "sql": {"dialect": "sqlite"}},
            {"tools": ["write_query"], "at": "/query", "sql": {"dialect": "sqlite", "statements": ["insert", "update", "delete"]}},
            {"tools": ["create_table"], "at": "/query", "pattern": "CREATE TABLE [a-z_]+ \\([A-Za-z0-9_, ]+\\)"},
            {"tools": ["describe_table"], "at": "/table_name", "pattern": "[A-Za-z_][A-Za-z0-9_]*"},
        ],
        sandbox=lambda lab: {"write": [str(lab.inside)]},
        needs=("sqlite",),
    ),
)
