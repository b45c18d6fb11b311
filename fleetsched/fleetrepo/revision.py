# SPDX-License-Identifier: Apache-2.0
"""Which revision the fleet repository is at, and whether it is approved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetsched.documents.node import shown
from fleetsched.errors import FleetschedError
from fleetsched.fleetrepo.git import Git, because
from fleetsched.model.controller import Trust

_FETCH_LIMIT_S = 60.0
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the fleet repository, and what stands against applying it.

    Attributes:
        commit: 40 hex digits; None when there is no commit.
        objections: each `word: explanation`; the word is `dirty`, `unmerged`, `no-remote`, `no-commit` or
            `no-repository`. Empty = approved.
    """

    commit: str | None
    objections: tuple[str, ...] = ()

    @property
    def approved(self) -> bool:
        """Whether nothing stands against it."""
        return not self.objections

    @property
    def dirty(self) -> bool:
        """Whether files differ from the commit."""
        return any(objection.startswith("dirty:") for objection in self.objections)

    @property
    def label(self) -> str:
        """How records name it: the commit, with `+dirty` where files differ, or `none`."""
        return (self.commit or "none") + ("+dirty" if self.dirty else "")


def head(root: Path, trust: Trust, *, fetch: bool = False) -> Revision:
    """Judge what lies in the folder against the trusted branch.

    Args:
        root: the fleet repository's folder; it may lie inside a larger Git repository.
        trust: of the controller's own file.
        fetch: ask the remote for the branch first; without it the answer is as old as the last fetch.

    Raises:
        FleetschedError: the branch cannot be fetched, or Git fails or is not installed.
    """
    git = Git(root)
    status, inside, why = git.run("rev-parse", "--is-inside-work-tree")
    if status != 0 or inside != "true":
        return Revision(
            None, (f"no-repository: {root} is not in a Git repository that can be read{because(why)}",)
        )
    status, commit, _ = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status != 0:
        return Revision(None, ("no-commit: nothing is committed yet",))
    return Revision(commit, (*_dirty(git), *_unmerged(git, commit, trust, fetch)))


def _dirty(git: Git) -> Iterator[str]:
    changed = git.output("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    files = [entry[3:] for entry in changed.split("\0") if entry]
    # Ignored files do not count, but for those that would be loaded although no commit has them.
    listing = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", "manifests", "policies")
    files += [file for file in git.output(*listing).split("\0") if file.endswith((".yaml", ".yml"))]
    if files:
        more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
        yield f"dirty: not as committed: {', '.join(map(shown, files[:_MOST_NAMED]))}{more}"


def _unmerged(git: Git, commit: str, trust: Trust, fetch: bool) -> Iterator[str]:
    trusted = f"{trust.remote}/{trust.branch}"
    if trust.remote not in git.output("remote").splitlines():
        yield f'no-remote: there is no Git remote "{trust.remote}" to vouch for {commit[:12]}'
        return
    reference = f"refs/remotes/{trusted}"
    if fetch:
        _fetch(git, trust, reference)
    status, _, _ = git.run("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if status != 0:
        yield f"unmerged: {trusted} was never fetched"
        return
    status, _, _ = git.run("merge-base", "--is-ancestor", commit, reference)
    if status != 0:
        yield f"unmerged: {commit[:12]} is not on {trusted}"


def _fetch(git: Git, trust: Trust, reference: str) -> None:
    options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    refspec = f"+refs/heads/{trust.branch}:{reference}"
    status, _, why = git.run("fetch", *options, "--", trust.remote, refspec, limit_s=_FETCH_LIMIT_S)
    if status != 0:
        raise FleetschedError(
            f"cannot fetch {trust.branch} from the Git remote {trust.remote}{because(why)}",
            remedy="without it nobody knows what is approved; check the remote and your access to it",
        )
