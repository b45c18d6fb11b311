# SPDX-License-Identifier: Apache-2.0
"""A clone that is nobody's but the reconciler's: always at the tip of the trusted branch."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from fleetsched.errors import FleetschedError
from fleetsched.files import replace_file
from fleetsched.fleetrepo.git import Git, because
from fleetsched.fleetrepo.revision import Revision, addressed, fetch_trusted, head
from fleetsched.model.controller import Trust

_ASK_LIMIT_S = 30.0
# The files are to be the bytes that are committed. A true or false encoding would be a mistake for Git.
_ATTRIBUTES = "* -text -ident !working-tree-encoding\n"


def bring(folder: Path, trust: Trust) -> Revision:
    """Fetch the trusted branch and check its tip out, whatever the folder held before; say what it is.

    Nobody else may use the folder meanwhile. It is a cache: what is damaged in it is cloned afresh. The tip
    that was approved last is kept beside it, so that a branch that was taken back is seen.

    Args:
        folder: made when it is not there.
        trust: its remote must be a URL or a path.

    Raises:
        FleetschedError: the branch cannot be fetched, or Git fails or is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _bring(folder, trust)
    except _DamagedError:
        shutil.rmtree(folder)
        folder.mkdir()
        return _bring(folder, trust)


class _DamagedError(FleetschedError):
    """What was fetched cannot be checked out."""


def _bring(folder: Path, trust: Trust) -> Revision:
    git = Git(folder)
    if not (folder / ".git").exists():
        git.output("init", "--quiet")
    _break_locks(folder / ".git")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text(_ATTRIBUTES, encoding="ascii")
    try:
        fetch_trusted(git, trust)
    except FleetschedError as error:
        if _answers(git, trust):
            raise _DamagedError(error.message, remedy=error.remedy) from error
        raise
    for command in (("checkout", "--quiet", "--force", "--detach", trust.reference), ("clean", "-ffdxq")):
        status, _, why = git.run(*command)
        if status != 0:
            raise _DamagedError(f"cannot check out {trust.branch} in {folder}{because(why)}")
    revision = head(folder, trust, newest=_newest(folder).get(trust.branch, ""))
    if revision.approved and revision.commit:
        with suppress(OSError):  # without a disk to write to, what was approved before is still known
            remember_newest(folder, trust.branch, revision.commit)
    return revision


def remember_newest(folder: Path, branch: str, commit: str) -> None:
    """Take a commit for the newest that people have approved on a branch, whatever was the newest before.

    Args:
        folder: of the clone, which need not be there yet.
        branch: the trusted branch.
        commit: all its hex digits.

    Raises:
        OSError: it cannot be written.
    """
    newest = _newest(folder)
    if newest.get(branch) != commit:
        replace_file(_newest_file(folder), json.dumps(newest | {branch: commit}).encode())


def _newest(folder: Path) -> dict[str, str]:
    """By branch, the tip that was approved last."""
    try:
        value = json.loads(_newest_file(folder).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _newest_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.newest.json")


def _answers(git: Git, trust: Trust) -> bool:
    """Whether the remote has the branch to give, so that it is the clone that cannot take it."""
    settings, remote = addressed(trust)
    asking = ("ls-remote", "--exit-code", "--heads", "--", remote, trust.branch)
    return git.run(*settings, *asking, limit_s=_ASK_LIMIT_S)[0] == 0


def _break_locks(folder: Path) -> None:
    """Remove the locks of a Git that was killed: nobody else works here."""
    for lock in [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")]:
        lock.unlink(missing_ok=True)


def subject(folder: Path, commit: str) -> str:
    """The first line of a commit's message."""
    return Git(folder).output("show", "--no-patch", "--format=%s", commit, "--")
