# SPDX-License-Identifier: Apache-2.0
"""Which revision the fleet repository is at, and whether it is approved."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import FleetschedError
from fleetsched.fleetrepo.git import UNSAFE_REMEDY, Git, because
from fleetsched.fleetrepo.misnamed import misnamed_commits, misnamed_objects
from fleetsched.fleetrepo.signatures import signature_objections
from fleetsched.fleetrepo.worktree import worktree_objections
from fleetsched.model.controller import Trust

_FETCH_LIMIT_S = 60.0
_FIRST_FETCH_LIMIT_S = 600.0  # of the whole history
_REMEDIES = {
    "dirty": "commit the changes and have them merged, or take them back",
    "rewound": "push again what is missing and take it back by new commits (`git revert`); where people "
    "have taken the branch back on purpose, accept it (docs/trust.md, A branch that was taken back)",
    "unmerged": "push the commit and have it merged into the trusted branch",
    "unsigned": "have the trusted branch's tip signed by an allowed signer (docs/trust.md)",
    "submodule": "put the files themselves there",
    "symlink": "put the files themselves there",
    "forged": "clone the repository afresh",
    "no-remote": "add it (`git remote add`), or name another as trust.remote in the controller's own file",
    "no-commit": "commit, and have it merged into the trusted branch",
    "no-repository": "work in a clone that is yours of the fleet's repository",
    "unsafe-config": UNSAFE_REMEDY,
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of the fleet repository, and what stands against applying it.

    Attributes:
        commit: 40 hex digits; None when there is no commit.
        objections: each `word: explanation`; the word is `dirty`, `rewound`, `unmerged`, `unsigned`,
            `submodule`, `symlink`, `forged`, `no-remote`, `no-commit`, `no-repository` or `unsafe-config`.
            Empty = approved.
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
    def remedy(self) -> str:
        """What to do about everything that stands against it; empty when nothing does."""
        words = (objection.partition(":")[0] for objection in self.objections)
        return "; ".join(dict.fromkeys(_REMEDIES[word] for word in words))

    @property
    def label(self) -> str:
        """How records name it: the commit, with `+dirty` where files differ, or `none`."""
        return (self.commit or "none") + ("+dirty" if self.dirty else "")


def head(root: Path, trust: Trust, *, fetch: bool = False, newest: str = "") -> Revision:
    """Judge what lies in the folder against the trusted branch.

    Args:
        root: the fleet repository's folder; it may lie inside a larger Git repository.
        trust: of the controller's own file.
        fetch: ask the remote for the branch first; without it the answer is as old as the last fetch.
        newest: a commit that the branch held when it was approved last; empty = what the repository knows.

    Raises:
        FleetschedError: the branch cannot be fetched, or Git fails or is not installed.
    """
    git = Git(root)
    if git.unsafe:
        return Revision(None, git.unsafe)
    status, inside, why = git.run("rev-parse", "--is-inside-work-tree")
    if status != 0 or inside != "true":
        return Revision(
            None, (f"no-repository: {root} is not in a Git repository that can be read{because(why)}",)
        )
    status, commit, _ = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if status != 0:
        return Revision(None, ("no-commit: nothing is committed yet",))
    objections = (
        *worktree_objections(git, root, commit),
        *misnamed_objects(git, commit),
        *_unmerged(git, commit, trust, fetch, newest),
    )
    return Revision(commit, objections)


def _unmerged(git: Git, commit: str, trust: Trust, fetch: bool, newest: str) -> Iterator[str]:
    trusted = f"{trust.branch} of {trust.remote}" if trust.remote_is_url else f"{trust.remote}/{trust.branch}"
    if not trust.remote_is_url and trust.remote not in git.output("remote").splitlines():
        yield f'no-remote: there is no Git remote "{trust.remote}" to vouch for {commit[:12]}'
        return
    newest = newest or _commit(git, trust.newest_reference)
    fetched = _commit(git, trust.reference)  # by whomever
    if fetch:
        fetch_trusted(git, trust)
    tip = _commit(git, trust.reference)
    if not tip:
        yield f"unmerged: {trusted} was never fetched"
        return
    was = newest or fetched
    # What nobody would have approved may be taken away again.
    is_rewound = bool(was) and not contains(git, tip, was) and (bool(newest) or _is_signed(git, was, trust))
    if is_rewound:
        yield f"rewound: {trusted} was at {was[:12]} and is now at {tip}, which does not hold it"
    if not contains(git, tip, commit):
        yield f"unmerged: {commit[:12]} is not on {trusted}"
    else:
        yield from misnamed_commits(git, commit, tip)
    unsigned = [*signature_objections(git, tip, trust)] if trust.allowed_signers else []
    yield from unsigned
    if fetch and not is_rewound and not unsigned:
        git.run("update-ref", "--no-deref", trust.newest_reference, tip)  # a help, in a folder of the user's


def _commit(git: Git, name: str) -> str:
    """The commit that a ref leads to; empty = there is none."""
    return git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")[1]


def _is_signed(git: Git, commit: str, trust: Trust) -> bool:
    """Whether a commit is signed where signatures are asked for."""
    return not trust.allowed_signers or not [*signature_objections(git, commit, trust)]


def contains(git: Git, commit: str, ancestor: str) -> bool:
    """Whether a commit is `ancestor`, or builds on it; not where the repository does not have one of them."""
    return commit == ancestor or git.run("merge-base", "--is-ancestor", ancestor, commit)[0] == 0


def fetch_trusted(git: Git, trust: Trust) -> None:
    """Ask the trusted remote for the trusted branch; the first time may take ten times as long as others.

    Raises:
        FleetschedError: it cannot be fetched.
    """
    settings, remote = addressed(trust)
    options = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
    refspec = f"+refs/heads/{trust.branch}:{trust.reference}"
    limit_s = _FETCH_LIMIT_S if _commit(git, trust.reference) else _FIRST_FETCH_LIMIT_S
    status, _, why = git.run(*settings, "fetch", *options, "--", remote, refspec, limit_s=limit_s)
    if status != 0:
        said = because(why.replace(remote, trust.remote))  # which has another name each time
        raise FleetschedError(
            f"cannot fetch {trust.branch} from the Git remote {trust.remote}{said}",
            remedy="without it nobody knows what is approved; check the remote and your access to it",
        )


def addressed(trust: Trust) -> tuple[tuple[str, ...], str]:
    """Return Git's settings for the trusted remote, and what `git fetch` or `git push` calls it.

    A repository may have a remote whose name is that very URL, and Git would go where it leads; so a URL or
    path gets a name that nobody can know beforehand.
    """
    if not trust.remote_is_url:
        return (), trust.remote
    name = f"trusted-{secrets.token_hex(16)}"
    address = str(Path(trust.remote).expanduser()) if trust.remote.startswith("~") else trust.remote
    return ("-c", f"remote.{name}.url={address}"), name
