# SPDX-License-Identifier: Apache-2.0
"""`fleetsched review`: list, show, approve, merge and close proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.fleetrepo import decode
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.export import exported
from fleetsched.fleetrepo.load import load_lock
from fleetsched.fleetrepo.manifests import read_manifests
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.forge.interface import Forge, Judged, Listing
from fleetsched.forge.local import LocalForge
from fleetsched.forge.pull_requests import PullRequestForge
from fleetsched.forge.pulls import PullRequests
from fleetsched.model.controller import Controller, ForgeAccess
from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.proposal import Proposal, State
from fleetsched.model.suggest import suggestion
from fleetsched.model.timestamp import rfc3339
from fleetsched.model.verdict import Verdict

_MOST_REASON = 1000
REVIEW = "fleetsched review"
"""The name of the check that `review check --report` reports."""


@dataclass(frozen=True, slots=True)
class Merged:
    """A proposal that was merged.

    Attributes:
        checked_out: the user's own checkout was brought to the merge, too.
    """

    proposal: Proposal
    checked_out: bool


def open_forge(branches: Branches, access: ForgeAccess) -> Forge:
    """The forge that the controller's own file names.

    Raises:
        InputError: the file lacks what this forge needs, or its token is not there.
        FleetschedError: its client library is not installed.
    """
    if access.kind == "local":
        return LocalForge(branches, lambda: rfc3339(datetime.now(UTC)))
    if not access.repository or access.token is None:
        raise InputError(
            f"forge {access.kind}: its repository or token is not set",
            remedy="set forge.repository and forge.token in the controller's own file (docs/forges.md)",
        )
    token = resolve_secret(access.token)
    return PullRequestForge(branches, _pulls(access, token))


def _pulls(access: ForgeAccess, token: str) -> PullRequests:
    match access.kind:
        case "gitlab":
            from fleetsched.forge.gitlab import GitLab

            return GitLab(access, token)
        case "forgejo":
            from fleetsched.forge.forgejo import Forgejo

            return Forgejo(access, token)
        case "pagure":
            from fleetsched.forge.pagure import Pagure

            return Pagure(access, token)
    from fleetsched.forge.github import GitHub

    return GitHub(access, token)


def proposals(root: Path, controller: Controller) -> Listing:
    """All proposals, by goal."""
    return _open(root, controller)[1].proposals()


def _open(root: Path, controller: Controller) -> tuple[Branches, Forge]:
    branches = Branches(root, controller.trust)
    return branches, open_forge(branches, controller.forge)


def find(forge: Forge, goal: str) -> Proposal:
    """The proposal for a goal.

    Raises:
        InputError: there is none.
    """
    known = forge.proposals()
    proposal = known.find(goal)
    if proposal is None:
        near = suggestion(goal, [each.goal for each in known.proposals])
        raise InputError(
            f'there is no proposal for a goal "{goal}"{near}',
            remedy="`fleetsched review list` shows those there are",
        )
    return proposal


def show(root: Path, controller: Controller, goal: str, *, diff: bool) -> tuple[Proposal, str]:
    """A proposal and, where asked for, its diff."""
    forge = _open(root, controller)[1]
    proposal = find(forge, goal)
    return proposal, forge.diff(proposal) if diff else ""


def approve(root: Path, controller: Controller, goal: str) -> Proposal:
    """Note that the user approves the proposal's tip, and what the goal's hosts would run by it.

    Raises:
        InputError: no such proposal, or merging its tip does not say what would run.
        ConflictError: it cannot be merged as it is.
    """
    branches, forge = _open(root, controller)
    proposal = find(forge, goal)
    runs = _runs(branches, proposal) if proposal.state is State.OPEN else ""
    return forge.approve(proposal, runs)


def _runs(branches: Branches, proposal: Proposal) -> str:
    """What the goal's hosts run once it is merged: not what its record says, but what the files say then."""
    with exported(branches.git, branches.merged(branches.trust.reference, proposal.head)) as folder:
        node = read_manifests(folder).goals.get(proposal.goal)
        binding = decode.workload_goal(node, "").policy if node is not None else None
        if binding is None:
            raise InputError(
                f"proposal {proposal.goal}: {proposal.head[:12]} binds no policy to the goal",
                remedy="close it, and propose again",
            )
        if binding.is_kernel_default:
            return KERNEL_DEFAULT
        digest = load_lock(folder / "policies" / binding.name).variants.get(binding.variant)
        if digest is None:
            raise InputError(f"proposal {proposal.goal}: the lock has no variant {binding.variant}")
        return f"{binding.name}@{digest}"


def merge(root: Path, controller: Controller, goal: str) -> Merged:
    """Merge an approved proposal into the trusted branch, and bring a clean checkout of it along."""
    branches, forge = _open(root, controller)
    merged = forge.merge(find(forge, goal))
    return Merged(merged, branches.fast_forward(branches.trusted_tip()))


def report(root: Path, controller: Controller, verdict: Verdict, text: str) -> str:
    """Tell the forge what was judged of a commit; return where; empty = it has no place for that."""
    forge = _open(root, controller)[1]
    title = "good" if verdict.good else "not good"
    return forge.judge(Judged(verdict.head, REVIEW, verdict.good, title, text))


def close(root: Path, controller: Controller, goal: str, reason: str) -> Proposal:
    """Close a proposal without merging it.

    Raises:
        InputError: the reason is too long for the record.
    """
    if len(reason) > _MOST_REASON:
        raise InputError(f"the reason has {len(reason):,} characters; {_MOST_REASON:,} are the most")
    forge = _open(root, controller)[1]
    return forge.close(find(forge, goal), reason.encode(errors="replace").decode())
