"""A server for workbooks that takes any path, over stdio and over HTTP."""

import pathlib
import subprocess

from attack import SERVERS, Attack, Http, Stdio, python
from lab import Lab, free_port
from session import Session

# A workbook that holds one text, made with the library that the server has.
WORKBOOK = "import sys, openpyxl as x; book = x.Workbook(); book.active.title = 'Data'; book.active['A1'] = sys.argv[2]; book.save(sys.argv[1])"


def prepare(lab: Lab) -> None:
    log().touch()
    for path, text in (("inside/figures.xlsx", "figures of the year"), ("secret.xlsx", lab.secret)):
        python3 = SERVERS / "excel/.venv/bin/python3"
        subprocess.run([python3, "-c", WORKBOOK, lab.folder / path, text], check=True)


def log() -> pathlib.Path:
    """The server keeps a log within its own installation, and does not start where it cannot."""
    [library] = (SERVERS / "excel/.venv/lib").glob("python3*")
    return library / "excel-mcp.log"


def over_stdio(lab: Lab) -> Stdio:
    return python("excel", "-m", "excel_mcp", "stdio", cwd=lab.inside)


def over_http(lab: Lab) -> Http:
    port = free_port()
    stdio = over_stdio(lab)
    env = {"EXCEL_FILES_PATH": str(lab.inside), "FASTMCP_HOST": "127.0.0.1", "FASTMCP_PORT": str(port)}
    return Http(stdio.command, ["-m", "excel_mcp", "streamable-http"], lab.inside, port, env)


async def works_with(folder: str, session: Session) -> None:
    await session.expect("figures of the year", "read_data_from_excel", filepath=f"{folder}figures.xlsx", sheet_name="Data")
    await session.call("create_workbook", filepath=f"{folder}new.xlsx")
    await session.call("create_worksheet", filepath=f"{folder}new.xlsx", sheet_name="More")
    await session.call("write_data_to_excel", filepath=f"{folder}new.xlsx", sheet_name="More", data=[["a", "b"], [1, 2]])
    await session.expect("More", "get_workbook_metadata", filepath=f"{folder}new.xlsx")


async def goes_to(folder: str, session: Session) -> None:
    await session.attempt("read_data_from_excel", filepath=f"{folder}secret.xlsx", sheet_name="Data")
    await session.attempt("create_workbook", filepath=f"{folder}planted.xlsx")


def happened(session: Session, lab: Lab) -> bool:
    return session.heard_of(lab.secret) or (lab.folder / "planted.xlsx").exists()


async def ordinary_stdio(session: Session, lab: Lab) -> None:
    await works_with(f"{lab.inside}/", session)


async def attack_stdio(session: Session, lab: Lab) -> None:
    await goes_to(f"{lab.folder}/", session)
    await goes_to(f"{lab.inside}/../", session)


async def ordinary_http(session: Session, _: Lab) -> None:
    await works_with("", session)


async def attack_http(session: Session, lab: Lab) -> None:
    await goes_to("../", session)
    await goes_to(f"{lab.folder}/", session)


COMMON = {
    "ids": "CVE-2026-40576",
    "package": "excel-mcp-server==0.1.7",
    "prepare": prepare,
    "happened": happened,
    "needs": ("excel",),
}

ATTACKS = (
    Attack(
        name="excel-path",
        what="reads and writes workbooks anywhere",
        server=over_stdio,
        ordinary=ordinary_stdio,
        attack=attack_stdio,
        constraints=lambda lab: [{"at": "/filepath", "path": {"roots": [str(lab.inside)], "extensions": ["xlsx"]}}],
        sandbox=lambda lab: {"write": [str(lab.inside), str(log())]},
        **COMMON,
    ),
    Attack(
        name="excel-path-http",
        what="leaves the server's folder by a relative path",
        server=over_http,
        ordinary=ordinary_http,
        attack=attack_http,
        constraints=lambda lab: [
            {"at": "/filepath", "path": {"roots": [str(lab.inside)], "relative": True, "extensions": ["xlsx"]}}
        ],
        no_sandbox="the server runs by itself, so that the gateway puts no sandbox around it",
        **COMMON,
    ),
)
