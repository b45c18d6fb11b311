# SPDX-License-Identifier: Apache-2.0
"""Which revision the fleet repository is at, and whether it is approved. The only place that runs Git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetsched.documents.node import shown
from fleetsched.errors import FleetschedError
from fleetsched.model.controller import Trust

# Nothing that a repository's configuration names is run, and no transport that runs programs is used.
_SAFE = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.ext.allow=never")
# Never ask on a terminal, never write an index only to refresh it; messages in English, as they are shown.
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
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
        FleetschedError: the branch cannot be fetched, or Git is not installed.
    """
    git = _Git(root)
    inside, _, why = git.run("rev-parse", "--is-inside-work-tree")
    if inside != 0:
        return Revision(
            None, (f"no-repository: {root} is not in a Git repository that can be read{_because(why)}",)
        )
    status, commit, _ = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status != 0:
        return Revision(None, ("no-commit: nothing is committed yet",))
    return Revision(commit, (*_dirty(git), *_unmerged(git, commit, trust, fetch)))


def _because(stderr: str) -> str:
    lines = [line.removeprefix("fatal: ") for line in stderr.splitlines() if line.strip()]
    return f" ({lines[0]})" if lines else ""


def _dirty(git: _Git) -> Iterator[str]:
    _, changed, _ = git.run(
        "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", "."
    )
    files = [entry[3:] for entry in changed.split("\0") if entry]
    # Ignored files do not count, but for those that would be loaded although no commit has them.
    listing = ("ls-files", "--others", "--ignored", "--exclude-standard", "-z", "--", "manifests", "policies")
    _, ignored, _ = git.run(*listing)
    files += [file for file in ignored.split("\0") if file.endswith((".yaml", ".yml"))]
    if files:
        more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
        yield f"dirty: not as committed: {', '.join(map(shown, files[:_MOST_NAMED]))}{more}"


def _unmerged(git: _Git, commit: str, trust: Trust, fetch: bool) -> Iterator[str]:
    trusted = f"{trust.remote}/{trust.branch}"
    _, remotes, _ = git.run("remote")
    if trust.remote not in remotes.splitlines():
        yield f'no-remote: there is no Git remote "{trust.remote}" to vouch for {commit[:12]}'
        return
    reference = f"refs/remotes/{trusted}"
    if fetch:
        git.fetch(trust, reference)
    status, _, _ = git.run("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if status != 0:
        yield f"unmerged: {trusted} was never fetched"
        return
    status, _, _ = git.run("merge-base", "--is-ancestor", commit, reference)
    if status != 0:
        yield f"unmerged: {commit[:12]} is not on {trusted}"


class _Git:
    """Git in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            import git  # takes 0.1 s, and most commands do without
        except ImportError as error:  # GitPython raises it, too, where there is no `git`
            raise FleetschedError("Git cannot be run", remedy="install git (`apt install git`)") from error
        self._git: Any = git.Git(root)

    def run(self, *arguments: str, limit_s: float | None = None) -> tuple[int, str, str]:
        """Run `git arguments`; return its exit status, output and errors."""
        options = [word for setting in _SAFE for word in ("-c", setting)]
        status, output, errors = self._git.execute(
            ["git", *options, *arguments],
            with_extended_output=True,
            with_exceptions=False,
            env=_ENVIRONMENT,
            kill_after_timeout=limit_s,
        )
        return status, output, errors

    def fetch(self, trust: Trust, reference: str) -> None:
        """Fetch the trusted branch; raise FleetschedError when it cannot be."""
        options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        refspec = f"+refs/heads/{trust.branch}:{reference}"
        status, _, why = self.run("fetch", *options, "--", trust.remote, refspec, limit_s=_FETCH_LIMIT_S)
        if status != 0:
            raise FleetschedError(
                f"cannot fetch {trust.branch} from {trust.remote} in {self._root}{_because(why)}",
                remedy="without it nobody knows what is approved; check the remote and your access to it",
            )
