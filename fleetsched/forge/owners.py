# SPDX-License-Identifier: Apache-2.0
"""Whose approval a proposal needs: by the trusted branch, the code owners of every file it changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from fleetsched.documents.node import shown
from fleetsched.fleetrepo.branches import Branches
from fleetsched.forge.pulls import PullRequests, Review
from fleetsched.model.codeowners import MOST_BYTES, PLACES, Rule, owners_of, parse_codeowners


class Owners:
    """Code owners, by the trusted branch and the forge's teams; each team is asked for a user once."""

    def __init__(self, branches: Branches, pulls: PullRequests) -> None:
        self._branches = branches
        self._is_member = cache(pulls.is_member)

    def missing(self, trusted: str, head: str, reviews: Sequence[Review]) -> list[str]:
        """What keeps a commit from being approved, a line each; none = it is.

        Args:
            trusted: the trusted branch's tip.
            head: the commit.
            reviews: the last word of each reviewer but the author; of another commit it does not count.
        """
        rules = self._rules(trusted)
        if rules is None:
            return ["no CODEOWNERS file on the trusted branch says who may approve"]
        changed = self._branches.git.output(
            "diff", "--name-only", "-z", "--no-renames", "--ignore-submodules=none", f"{trusted}...{head}"
        )
        approving = [review.by for review in reviews if review.approves and review.commit == head]
        said = []
        involved: set[str] = set()
        for path in filter(None, changed.split("\0")):
            owners = owners_of(rules, path)
            involved |= set(owners)
            if not owners:
                said.append(f"{shown(path)} has no code owner")
            elif not any(self._is_one(user, owners) for user in approving):
                said.append(f"{shown(path)} waits for {' or '.join(owners)}")
        against = [review.by for review in reviews if not review.approves]
        said += [f"{user} asks for changes" for user in against if self._is_one(user, sorted(involved))]
        return said

    def _rules(self, trusted: str) -> tuple[Rule, ...] | None:
        files = self._branches.read([f"{trusted}:{place}" for place in PLACES], MOST_BYTES)
        text = next((content for content in files if content is not None), None)
        return None if text is None else parse_codeowners(text.decode(errors="replace"))

    def _is_one(self, user: str, owners: Sequence[str]) -> bool:
        plain = {owner.lower() for owner in owners if "/" not in owner}
        teams = [owner for owner in owners if "/" in owner]
        return user.lower() in plain or any(self._is_member(team, user) for team in teams)
