# SPDX-License-Identifier: Apache-2.0
"""What every forge can do with proposals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be proposed for a goal.

    Attributes:
        base: the trusted branch's tip that it is made on.
        files: new content by path below the fleet repository's folder.
        why: the explanation, as text.
        fingerprint: of everything that the choice was made from.
    """

    goal: str
    policy: str
    base: str
    title: str
    why: str
    fingerprint: str
    files: Mapping[str, bytes] = field(hash=False)


class Forge(ABC):
    """A place for proposals; there is at most one a goal. Every change is made whole or not at all.

    Every method raises FleetschedError where the forge cannot be asked, and ConflictError where somebody else
    changed the same proposal at the same time.
    """

    @abstractmethod
    def proposals(self) -> tuple[Proposal, ...]:
        """List all proposals, the newest state of each, by goal."""

    @abstractmethod
    def open(self, change: Change, before: Proposal | None) -> Proposal:
        """Open a proposal, or bring the one that is there to this change; its approvals no longer count.

        Raises:
            RefusedError: people have pushed their own commits to its branch.
        """

    @abstractmethod
    def approve(self, proposal: Proposal) -> Proposal:
        """Note that the user approves exactly the proposal's tip.

        Raises:
            RefusedError: its branch is not what the record says.
        """

    @abstractmethod
    def merge(self, proposal: Proposal) -> Proposal:
        """Merge it into the trusted branch.

        Raises:
            RefusedError: its tip is not approved, or the merge would not be.
        """

    @abstractmethod
    def close(self, proposal: Proposal, reason: str) -> Proposal:
        """Close it without merging: it is not proposed again until something changes."""

    @abstractmethod
    def diff(self, proposal: Proposal) -> str:
        """Show what it changes, as a unified diff."""
