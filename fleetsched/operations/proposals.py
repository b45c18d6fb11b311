# SPDX-License-Identifier: Apache-2.0
"""`fleetsched review`: list, show, approve, merge and close proposals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fleetsched.errors import InputError
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.interface import Forge
from fleetsched.forge.local import LocalForge
from fleetsched.model.controller import Trust
from fleetsched.model.proposal import Proposal
from fleetsched.model.suggest import suggestion


@dataclass(frozen=True, slots=True)
class Merged:
    """A proposal that was merged.

    Attributes:
        checked_out: the user's own checkout was brought to the merge, too.
    """

    proposal: Proposal
    checked_out: bool


def open_forge(branches: Branches) -> Forge:
    """The forge of a fleet repository."""
    return LocalForge(branches, lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")


def proposals(root: Path, trust: Trust) -> tuple[Proposal, ...]:
    """All proposals, by goal."""
    return open_forge(Branches(root, trust)).proposals()


def find(forge: Forge, goal: str) -> Proposal:
    """The proposal for a goal.

    Raises:
        InputError: there is none.
    """
    known = {proposal.goal: proposal for proposal in forge.proposals()}
    if goal not in known:
        raise InputError(
            f'there is no proposal for a goal "{goal}"{suggestion(goal, known)}',
            remedy="`fleetsched review list` shows those there are",
        )
    return known[goal]


def show(root: Path, trust: Trust, goal: str) -> tuple[Proposal, str]:
    """A proposal and its diff."""
    forge = open_forge(Branches(root, trust))
    proposal = find(forge, goal)
    return proposal, forge.diff(proposal)


def approve(root: Path, trust: Trust, goal: str) -> Proposal:
    """Note that the user approves the proposal's tip."""
    forge = open_forge(Branches(root, trust))
    return forge.approve(find(forge, goal))


def merge(root: Path, trust: Trust, goal: str) -> Merged:
    """Merge an approved proposal into the trusted branch, and bring a clean checkout of it along."""
    branches = Branches(root, trust)
    forge = open_forge(branches)
    merged = forge.merge(find(forge, goal))
    branches.trusted_tip()
    return Merged(merged, branches.fast_forward(merged.merged_as))


def close(root: Path, trust: Trust, goal: str, reason: str) -> Proposal:
    """Close a proposal without merging it."""
    forge = open_forge(Branches(root, trust))
    return forge.close(find(forge, goal), reason)
