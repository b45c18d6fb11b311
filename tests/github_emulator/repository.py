# SPDX-License-Identifier: Apache-2.0
"""What the emulated GitHub knows: users, a bare repository, its pull requests and what is said of them."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_BODY = 65_536


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer that is no success."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


def invalid(message: str, field_name: str = "base") -> Refusal:
    """GitHub's answer to what does not fit what is there."""
    error = {"resource": "PullRequest", "field": field_name, "code": "custom", "message": message}
    return Refusal(422, "Validation Failed", errors=[error], documentation_url="https://forge.example/docs")


@dataclass(frozen=True)
class User:
    """Somebody with a token.

    Attributes:
        app: only apps may make check runs.
        writes: whether they may change anything.
    """

    login: str
    token: str
    app: bool = False
    writes: bool = True


@dataclass
class PullRequest:
    """One pull request; `head` is the tip that was last seen of its branch."""

    number: int
    author: str
    branch: str
    base: str
    title: str
    body: str
    head: str
    state: str = "open"
    merged_as: str = ""
    fork: str = ""
    labels: list[str] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    at: str = ""


class Repository:
    """A bare repository with pull requests.

    Args:
        path: of the bare repository.
        full_name: such as `acme/fleet`.
    """

    def __init__(self, path: Path, full_name: str) -> None:
        self.path = path
        self.full_name = full_name
        self.users: list[User] = []
        self.teams: dict[str, set[str]] = {}
        self.pulls: dict[int, PullRequest] = {}
        self.checks: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self._ids = itertools.count(1000)
        self._seconds = itertools.count()

    def git(self, *arguments: str) -> tuple[int, str]:
        """Run git in the bare repository."""
        identity = ["-c", "user.name=GitHub", "-c", "user.email=noreply@forge.example"]
        done = subprocess.run(
            ["git", *identity, "-C", str(self.path), *arguments], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.strip()

    def now(self) -> str:
        """A clock that moves by a second each time that it is asked, from today on."""
        from datetime import UTC, datetime, timedelta

        start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        return f"{start + timedelta(seconds=next(self._seconds)):%Y-%m-%dT%H:%M:%SZ}"

    def id(self) -> int:
        """A number that was not given before."""
        return next(self._ids)

    def tip(self, ref: str) -> str:
        """The commit of a branch; empty = there is none."""
        status, commit = self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{ref}^{{commit}}")
        return commit if status == 0 else ""

    def settle(self) -> None:
        """Let pull requests follow what was pushed, as GitHub does."""
        for pull in self.pulls.values():
            if pull.state != "open" or pull.fork:
                continue
            tip = self.tip(pull.branch)
            base = self.tip(pull.base)
            pull.head = tip or pull.head
            if tip:
                self.git("update-ref", f"refs/pull/{pull.number}/head", tip)
            if self.git("merge-base", "--is-ancestor", pull.head, base)[0] == 0:
                pull.state, pull.merged_as = "closed", base
            elif not tip:
                pull.state = "closed"

    def open(self, author: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request.

        Raises:
            Refusal: as GitHub refuses it.
        """
        branch = head.rpartition(":")[2]
        if len(body) > MOST_BODY:
            raise invalid(f"body is too long (maximum is {MOST_BODY} characters)", "body")
        tip, onto = self.tip(branch), self.tip(base)
        if not tip:
            raise invalid("head is invalid", "head")
        if not onto:
            raise invalid("base is invalid")
        if any(each.state == "open" and each.branch == branch for each in self.pulls.values()):
            owner = self.full_name.split("/")[0]
            raise invalid(f"A pull request already exists for {owner}:{branch}.")
        if self.git("merge-base", "--is-ancestor", tip, onto)[0] == 0:
            raise invalid(f"No commits between {base} and {branch}")
        pull = PullRequest(len(self.pulls) + 1, author, branch, base, title, body, tip, at=self.now())
        self.pulls[pull.number] = pull
        self.settle()
        return pull

    def review(self, pull: PullRequest, by: str, commit: str, event: str, body: str) -> dict[str, Any]:
        """Review a pull request.

        Raises:
            Refusal: it is one's own, or of a commit that is not its.
        """
        if by == pull.author and event != "COMMENT":
            raise Refusal(
                422, "Unprocessable Entity", errors=["Review Can not approve your own pull request"]
            )
        commit = commit or pull.head
        if self.git("merge-base", "--is-ancestor", commit, pull.head)[0] != 0:
            raise Refusal(422, "Unprocessable Entity", errors=["commit_id is not part of the pull request"])
        state = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}[event]
        review = {
            "id": self.id(), "by": by, "commit_id": commit, "state": state, "body": body,
            "submitted_at": self.now(),
        }  # fmt: skip
        pull.reviews.append(review)
        return review

    def merge(self, pull: PullRequest, sha: str, title: str, message: str) -> str:
        """Merge a pull request; return the commit.

        Raises:
            Refusal: it moved on, is closed, or conflicts.
        """
        if pull.state != "open":
            raise Refusal(405, "Pull Request is not mergeable")
        if sha and sha != pull.head:
            raise Refusal(409, "Head branch was modified. Review and try the merge again.")
        base = self.tip(pull.base)
        status, tree = self.git("merge-tree", "--write-tree", "--no-messages", base, pull.head)
        if status != 0:
            raise Refusal(405, "Pull Request has merge conflicts")
        parents = ("-p", base, "-p", pull.head)
        commit = self.git("commit-tree", *parents, "-m", f"{title}\n\n{message}", tree.split()[0])[1]
        self.git("update-ref", f"refs/heads/{pull.base}", commit, base)
        pull.state, pull.merged_as = "closed", commit
        return commit
