# SPDX-License-Identifier: Apache-2.0
"""A forge with one pull request, for tests of who has to approve it: Git is real, the forge is this."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleetsched.forge.pulls import Comment, Pull, PullRequests, Review
from fleetsched.forge.record import Record, with_record
from fleetsched.model.proposal import State

BRANCH = "fleetsched/proposal/web"


@dataclass
class Page(PullRequests):
    """One open pull request and its reviews; whatever is merged is only noted."""

    head: str
    made: str
    said: list[Review] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    author: str = "fleet-bot"

    forge = "GitHub"
    most_body = 65_536
    ref = "refs/pull/{number}/head"

    def newest(self) -> list[Pull]:
        body = with_record("", Record("fair", "a" * 40, self.made, "b" * 64))
        times = ("2026-01-01T00:00:00Z",) * 2
        return [Pull(1, BRANCH, False, "main", self.head, "t", body, self.author, State.OPEN, *times)]

    def reviews(self, pull: Pull) -> list[Review]:
        return self.said

    def merge(self, pull: Pull, title: str, message: str) -> str:
        self.merges.append(pull.head)
        return pull.head

    def create(self, branch: str, base: str, title: str, body: str) -> Pull:
        raise NotImplementedError

    def edit(self, pull: Pull, title: str, body: str) -> None:
        raise NotImplementedError

    def approve(self, pull: Pull, text: str) -> None:
        self.said.append(Review(self.user(), pull.head, "2026-01-01T00:00:00Z", True, text))

    def close(self, pull: Pull) -> None:
        raise NotImplementedError

    def comments(self, pull: Pull) -> list[Comment]:
        return []

    def comment(self, pull: Pull, text: str, instead: Comment | None) -> None:
        raise NotImplementedError

    def check(self, commit: str, name: str, good: bool, title: str, text: str) -> None:
        raise NotImplementedError

    def user(self) -> str:
        return "alice"

    def is_member(self, team: str, user: str) -> bool:
        return False


def approvals(commit: str, *users: str) -> list[Review]:
    return [Review(user, commit, "2026-01-01T00:00:00Z", True) for user in users]
