# SPDX-License-Identifier: Apache-2.0
"""What every forge can do with proposals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.proposal import Briefing, Proposal


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be proposed for a goal.

    Attributes:
        base: the trusted branch's tip that it is made on.
        files: new content by path below the fleet repository's folder.
        why: the explanation, as text.
        fingerprint: of everything that the choice was made from.
        briefing: what a pull request's body tells beside why; a forge without bodies leaves it out.
    """

    goal: str
    policy: str
    base: str
    title: str
    why: str
    fingerprint: str
    files: Mapping[str, bytes] = field(hash=False)
    briefing: Briefing = Briefing()


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest state of every proposal.

    Attributes:
        proposals: by goal.
        trusted: the trusted branch's tip.
        ignored: a line for each that looks like a proposal and is none; what it quotes is foreign text.
    """

    proposals: tuple[Proposal, ...]
    trusted: str
    ignored: tuple[str, ...] = ()

    def find(self, goal: str) -> Proposal | None:
        """The goal's proposal, if there is one."""
        return next((proposal for proposal in self.proposals if proposal.goal == goal), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check says of a commit.

    Attributes:
        name: of the check; there is one result and one comment of each name.
        title: one line.
        text: Markdown.
    """

    commit: str
    name: str
    good: bool
    title: str
    text: str


class Forge(ABC):
    """A place for proposals; there is at most one a goal. Every change is made whole or not at all.

    Every method raises FleetschedError where the forge cannot be asked, and ConflictError where somebody else
    changed the same proposal at the same time.
    """

    @abstractmethod
    def proposals(self) -> Listing:
        """Ask the forge for all proposals; what the other methods do builds on the newest answer."""

    @abstractmethod
    def open(self, change: Change, before: Proposal | None) -> Proposal:
        """Open a proposal, or bring the one that is there to this change; its approvals no longer count.

        Raises:
            RefusedError: people have pushed their own commits to its branch.
        """

    @abstractmethod
    def is_mergeable(self, proposal: Proposal) -> bool:
        """Whether nothing on the trusted branch, as last asked, conflicts with it."""

    @abstractmethod
    def approve(self, proposal: Proposal, runs: str) -> Proposal:
        """Note that the user approves exactly the proposal's tip; once is enough.

        Args:
            proposal: as last listed.
            runs: what the goal's hosts would run.

        Raises:
            RefusedError: it is not open, or its branch is gone.
        """

    @abstractmethod
    def merge(self, proposal: Proposal) -> Proposal:
        """Merge it into the trusted branch; one that is merged already stays as it is.

        Raises:
            RefusedError: its tip is not approved, or the merge would not be.
            ConflictError: the trusted branch has changed the same lines.
        """

    @abstractmethod
    def close(self, proposal: Proposal, reason: str) -> Proposal:
        """Close it without merging: it is not proposed again until something changes."""

    @abstractmethod
    def report(self, proposal: Proposal, text: str) -> Proposal:
        """Note on a merged proposal what its goal's hosts made of it; the same text again changes nothing.

        Args:
            proposal: as last listed.
            text: a few lines; what hosts said is quoted in it, so it is foreign text.
        """

    @abstractmethod
    def judge(self, judged: Judged) -> str:
        """Say how a check of a commit went, where its proposal is looked at; return where that is.

        Empty = the forge has no place for it, and nothing was said.
        """

    @abstractmethod
    def diff(self, proposal: Proposal) -> str:
        """Show what merging it changes, as a unified diff."""
