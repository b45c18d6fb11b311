# SPDX-License-Identifier: Apache-2.0
"""The forge that every Git remote is: proposals are branches, each with a record under refs/fleetsched.

A record is a commit whose tree holds proposal.json, on top of the record before it: so its history tells who
did what and when, and two who write at once are told apart by Git. Branch, record and trusted branch move
together in one atomic push; whoever is killed before it has changed nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from fleetsched.documents.check import check
from fleetsched.documents.node import Node
from fleetsched.errors import InputError, RefusedError
from fleetsched.fleetrepo.branches import Branches, Update
from fleetsched.forge.interface import Change, Forge
from fleetsched.model.manifests import Position
from fleetsched.model.proposal import BRANCHES, GOAL_NAME, Approval, Proposal, State

_RECORDS = "refs/fleetsched/proposals/"
_SEEN_BRANCHES, _SEEN_RECORDS = "refs/fleetsched/seen/branches/", "refs/fleetsched/seen/proposals/"
_FILE = "proposal.json"
_MOST_BYTES = 256 << 10


class LocalForge(Forge):
    """Proposals on the trusted remote itself, a bare repository for example.

    Args:
        branches: the repository and its remote.
        now: gives the time as RFC 3339 text.
    """

    def __init__(self, branches: Branches, now: Callable[[], str]) -> None:
        self._branches = branches
        self._now = now
        self._records: dict[str, str] = {}
        self._heads: dict[str, str] = {}

    def proposals(self) -> tuple[Proposal, ...]:
        """See `Forge`. What does not fit the schema, whoever pushed it, is no proposal."""
        self._branches.fetch((f"+refs/heads/{BRANCHES}*:{_SEEN_BRANCHES}*", f"+{_RECORDS}*:{_SEEN_RECORDS}*"))
        self._records = self._branches.refs(_SEEN_RECORDS)
        self._heads = self._branches.refs(_SEEN_BRANCHES)
        return tuple(self._read())

    def _read(self) -> Iterator[Proposal]:
        for goal, commit in sorted(self._records.items()):
            if GOAL_NAME.fullmatch(goal):
                try:
                    yield self._record(goal, commit)
                except InputError:
                    continue

    def _record(self, goal: str, commit: str) -> Proposal:
        git = self._branches.git
        status, size, _ = git.run("cat-file", "-s", f"{commit}:{_FILE}")
        if status != 0 or int(size) > _MOST_BYTES:
            raise InputError(f"the record of proposal {goal} cannot be read")
        try:
            value = json.loads(git.content("cat-file", "blob", f"{commit}:{_FILE}"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"the record of proposal {goal} is not JSON") from error
        if check(Node(value, Position(_FILE, 0, 0)), "proposal") or value["goal"] != goal:
            raise InputError(f"the record of proposal {goal} is not one")
        return Proposal.from_wire(value)

    def open(self, change: Change, before: Proposal | None) -> Proposal:
        """See `Forge`."""
        head = self._heads.get(change.goal, "")
        if before is not None and before.state is State.OPEN and head != before.head:
            raise RefusedError(
                f"the branch {before.branch} has commits that fleetsched did not make",
                remedy="merge or close that proposal first: `fleetsched review show`",
            )
        author, now = self._branches.who(), self._now()
        message = f"{change.title}\n\n{change.why}\n\nFleetsched-Proposal: {change.goal}\n"
        commit = self._branches.commit(change.files, message, base=change.base, parents=(change.base,))
        proposal = Proposal(
            goal=change.goal,
            policy=change.policy,
            state=State.OPEN,
            base=change.base,
            head=commit,
            author=author,
            title=change.title,
            why=change.why,
            fingerprint=change.fingerprint,
            opened_at=before.opened_at if before and before.state is State.OPEN else now,
            updated_at=now,
        )
        self._write(proposal, Update(f"refs/heads/{proposal.branch}", head, commit))
        return proposal

    def approve(self, proposal: Proposal) -> Proposal:
        """See `Forge`."""
        self._must_be_open(proposal)
        approval = Approval(self._branches.who(), proposal.head, self._now())
        others = tuple(each for each in proposal.valid_approvals if each.by != approval.by)
        approved = replace(proposal, approvals=(*others, approval), updated_at=approval.at)
        self._write(approved)
        return approved

    def merge(self, proposal: Proposal) -> Proposal:
        """See `Forge`."""
        self._must_be_open(proposal)
        if not proposal.valid_approvals:
            raise RefusedError(
                f"proposal {proposal.goal}: {proposal.head[:12]} is not approved",
                remedy=f"look at it, then `fleetsched review approve {proposal.goal}`",
            )
        tip = self._branches.trusted_tip()
        approved = "".join(f"Approved-by: {each.by}\n" for each in proposal.valid_approvals)
        message = f"Merge the proposal for goal {proposal.goal}\n\n{proposal.title}\n\n{approved}"
        commit = self._branches.merge(tip, proposal.head, message)
        merged = replace(proposal, state=State.MERGED, merged_as=commit, updated_at=self._now())
        self._write(
            merged,
            Update(f"refs/heads/{self._branches.trust.branch}", tip, commit),
            Update(f"refs/heads/{proposal.branch}", proposal.head, ""),
        )
        return merged

    def close(self, proposal: Proposal, reason: str) -> Proposal:
        """See `Forge`."""
        if proposal.state is not State.OPEN:
            return proposal
        closed = replace(proposal, state=State.CLOSED, reason=reason, updated_at=self._now())
        head = self._heads.get(proposal.goal, "")
        gone = [Update(f"refs/heads/{proposal.branch}", head, "")] if head else []
        self._write(closed, *gone)
        return closed

    def diff(self, proposal: Proposal) -> str:
        """See `Forge`."""
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--stat", "--patch")
        return self._branches.git.output("diff", *options, proposal.base, proposal.head, "--")

    def _must_be_open(self, proposal: Proposal) -> None:
        if proposal.state is not State.OPEN:
            raise RefusedError(f"proposal {proposal.goal} is {proposal.state}")
        if self._heads.get(proposal.goal) != proposal.head:
            raise RefusedError(
                f"the branch {proposal.branch} is not at {proposal.head[:12]}, of which the record tells",
                remedy="close the proposal, and propose again",
            )

    def _write(self, proposal: Proposal, *others: Update) -> None:
        before = self._records.get(proposal.goal, "")
        text = json.dumps(proposal.to_wire(), indent=2, ensure_ascii=False) + "\n"
        commit = self._branches.commit(
            {_FILE: text.encode()},
            f"{proposal.state}: {proposal.title}\n",
            parents=(before,) if before else (),
        )
        self._branches.push(Update(_RECORDS + proposal.goal, before, commit), *others)
        self._records[proposal.goal] = commit
        for update in others:
            if update.ref.startswith(f"refs/heads/{BRANCHES}"):
                self._heads[proposal.goal] = update.new
