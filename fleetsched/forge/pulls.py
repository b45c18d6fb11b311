# SPDX-License-Identifier: Apache-2.0
"""What is asked of a forge's API: one file a forge answers it, by its client library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from fleetsched.model.proposal import State

MOST_PULLS = 1000
"""Pull requests that are looked at, the newest first."""

LABEL = "fleetsched"
"""On every pull request of a proposal."""


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request.

    Attributes:
        number: by which people and the API name it.
        branch: that is to be merged.
        foreign: the branch is another repository's: a fork's.
        base: the branch it is to be merged into.
        head: the branch's tip as the forge sees it, 40 hex digits.
        author: who opened it, by the name that they log in with; empty = their account is gone.
        opened_at, updated_at: RFC 3339 times in UTC, such as `2026-01-02T03:04:05Z`.
        merged_as: the commit it was merged as; empty before.
    """

    number: int
    branch: str
    foreign: bool
    base: str
    head: str
    title: str
    body: str
    author: str
    state: State
    opened_at: str
    updated_at: str
    merged_as: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What one reviewer said last.

    Attributes:
        by: the name that they log in with.
        commit: of which they said it.
        at: RFC 3339 time.
        approves: False = changes are asked for.
    """

    by: str
    commit: str
    at: str
    approves: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a pull request."""

    number: int
    by: str
    text: str


class PullRequests(ABC):
    """The pull requests of one repository.

    Every method raises FleetschedError where the forge does not answer or does not let it be done,
    RefusedError where it refuses this one change, and ConflictError where somebody else changed the same.

    Attributes:
        forge: its name for people.
        most_body: characters that it takes as a body or comment.
        ref: the Git ref of a pull request's tip, with `{number}` in it.
    """

    forge: str
    most_body: int
    ref: str

    @abstractmethod
    def newest(self) -> list[Pull]:
        """All pull requests, the newest first, at most MOST_PULLS."""

    @abstractmethod
    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        """Open a pull request, with LABEL on it."""

    @abstractmethod
    def edit(self, pull: Pull, title: str, body: str) -> None:
        """Rewrite title and body."""

    @abstractmethod
    def reviews(self, pull: Pull) -> list[Review]:
        """The last word of each reviewer who has approved or asked for changes, and not taken it back."""

    @abstractmethod
    def approve(self, pull: Pull, text: str) -> None:
        """Approve exactly `pull.head` as the user of the token."""

    @abstractmethod
    def merge(self, pull: Pull, title: str, message: str) -> str:
        """Merge exactly `pull.head` by a merge commit; return it."""

    @abstractmethod
    def close(self, pull: Pull) -> None:
        """Close it without merging."""

    @abstractmethod
    def comments(self, pull: Pull) -> list[Comment]:
        """Its comments, the oldest first."""

    @abstractmethod
    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        """Add a comment, or rewrite the one that is there."""

    @abstractmethod
    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        """Say of a commit how a check went; the same name again replaces it."""

    @abstractmethod
    def user(self) -> str:
        """Whose the token is, by the name that they log in with; empty where the forge does not say."""

    @abstractmethod
    def is_member(self, team: str, user: str) -> bool:
        """Whether a user is in a team that a code owners' file names, such as `acme/kernel`."""
