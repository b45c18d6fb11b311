# SPDX-License-Identifier: Apache-2.0
"""A clone that is nobody's but the reconciler's: always at the tip of the trusted branch."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from fleetsched.errors import FleetschedError
from fleetsched.files import replace_file
from fleetsched.fleetrepo.git import TIMED_OUT, Git, because
from fleetsched.fleetrepo.revision import Revision, addressed, fetch_trusted, head
from fleetsched.model.controller import Trust

_ASK_LIMIT_S = 30.0
_JUDGE_LIMIT_S = 120.0
_TIDY_LIMIT_S = 120.0
_MOST_LOOSE = 6700  # objects, roughly; Git's own default
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "Read-only file system")
_NO_REF = "cannot lock ref"  # a branch `a` that was fetched once is in the way of `a/b`
# A true or false encoding would be a mistake for Git.
_ATTRIBUTES = b"* -text -ident !working-tree-encoding\n"


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
    _take_as_committed(folder / ".git" / "info" / "attributes")
    try:
        fetch_trusted(git, trust)
    except FleetschedError as error:
        if (_NO_REF in error.message or _is_damaged(git)) and _answers(git, trust):
            raise _DamagedError(error.message, remedy=error.remedy) from error
        raise
    for command in (("checkout", "--quiet", "--force", "--detach", trust.reference), ("clean", "-ffdxq")):
        status, _, why = git.run(*command)
        if status != 0:
            kind = FleetschedError if any(words in why for words in _NO_ROOM) else _DamagedError
            raise kind(f"cannot check out {trust.branch} in {folder}{because(why)}")
    _tidy(git)
    revision = head(folder, trust, newest=_newest(folder).get(trust.branch, ""))
    if revision.approved and revision.commit:
        with suppress(OSError):  # without a disk to write to, what was approved before is still known
            remember_newest(folder, trust.branch, revision.commit)
    return revision


def _tidy(git: Git) -> None:
    """Pack objects and drop what nothing leads to, once there is much of it: each pushed state leaves some.

    Without it the clone works as well, only slower: whether Git could do it does not matter.
    """
    settings = (f"gc.auto={_MOST_LOOSE}", "gc.autoDetach=false", "gc.pruneExpire=1.day.ago")
    options = [word for setting in settings for word in ("-c", setting)]
    git.run(*options, "gc", "--auto", "--quiet", limit_s=_TIDY_LIMIT_S)


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


def _is_damaged(git: Git) -> bool:
    """Whether the clone lacks what it should have; not known where that cannot be told in time."""
    judging = ("fsck", "--connectivity-only", "--no-dangling", "--no-progress")
    status = git.run(*judging, limit_s=_JUDGE_LIMIT_S)[0]
    return status > 0 and status != TIMED_OUT


def _answers(git: Git, trust: Trust) -> bool:
    """Whether the remote has the branch to give: without it nothing could be cloned afresh."""
    settings, remote = addressed(trust)
    asking = ("ls-remote", "--exit-code", "--heads", "--", remote, trust.branch)
    return git.run(*settings, *asking, limit_s=_ASK_LIMIT_S)[0] == 0


def _take_as_committed(attributes: Path) -> None:
    """Have files checked out as the bytes that are committed."""
    if not attributes.exists() or attributes.read_bytes() != _ATTRIBUTES:
        attributes.parent.mkdir(exist_ok=True)
        replace_file(attributes, _ATTRIBUTES)


def _break_locks(folder: Path) -> None:
    """Remove locks and unfinished packs of a Git that was killed: nobody else works here."""
    left = [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock"), *folder.glob("objects/pack/tmp_*")]
    for file in left:
        file.unlink(missing_ok=True)


def subject(folder: Path, commit: str) -> str:
    """The first line of a commit's message."""
    return Git(folder).output("show", "--no-patch", "--format=%s", commit, "--")
