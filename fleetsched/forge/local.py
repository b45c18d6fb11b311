# SPDX-License-Identifier: Apache-2.0
"""The forge that every Git remote is: proposals are branches, each with a record under refs/fleetsched.

A record is a commit whose tree holds proposal.json, on top of the record before it: so its history tells who
did what and when, and two who write at once are told apart by Git. The proposed commit is a parent, too, so
that it stays when its branch is gone. Branch, record and trusted branch move together in one atomic push;
whoever is killed before it has changed nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from fleetsched.documents.check import check
from fleetsched.documents.node import Node, shown
from fleetsched.errors import FleetschedError, InputError, Problem, RefusedError
from fleetsched.fleetrepo.branches import Branches, Update
from fleetsched.forge.interface import Change, Forge, Judged, Listing
from fleetsched.forge.refusals import check_open, peoples_branch
from fleetsched.model.position import Position
from fleetsched.model.proposal import BRANCHES, GOAL_NAME, MOST_REPORTS, Approval, Proposal, Report, State
from fleetsched.secrets import redact

_RECORDS = "refs/fleetsched/proposals/"
_SEEN_BRANCHES, _SEEN_RECORDS = "refs/fleetsched/seen/branches/", "refs/fleetsched/seen/proposals/"
_FILE = "proposal.json"
_MOST_BYTES = 512 << 10
_MOST_REPORT = 4000


class LocalForge(Forge):
    """Proposals on the trusted remote itself, a bare repository for example.

    Args:
        branches: the repository and its remote.
        now: gives the time as RFC 3339 text.
    """

    def __init__(self, branches: Branches, now: Callable[[], str]) -> None:
        self._branches = branches
        self._now = now
        self._tip = ""
        self._records: dict[str, str] = {}
        self._heads: dict[str, str] = {}

    def proposals(self) -> Listing:
        """See `Forge`. What does not fit the schema, whoever pushed it, is no proposal."""
        self._tip = self._branches.trusted_tip()
        self._branches.fetch((f"+refs/heads/{BRANCHES}*:{_SEEN_BRANCHES}*", f"+{_RECORDS}*:{_SEEN_RECORDS}*"))
        self._records = self._branches.refs(_SEEN_RECORDS)
        self._heads = self._branches.refs(_SEEN_BRANCHES)
        goals = [goal for goal in sorted(self._records) if GOAL_NAME.fullmatch(goal)]
        places = [f"{self._records[goal]}:{_FILE}" for goal in goals]
        proposals, ignored = [], []
        for name in sorted(self._records.keys() - set(goals)):
            ignored.append(f"{_RECORDS}{shown(name)} is not the name of a goal")
        for goal, text in zip(goals, self._branches.read(places, _MOST_BYTES), strict=True):
            try:
                proposals.append(self._with_tip(_decode(goal, text)))
            except InputError as error:
                ignored.append(f"{_RECORDS}{goal} {error.message}")
        return Listing(tuple(proposals), self._tip, tuple(ignored))

    def _with_tip(self, proposal: Proposal) -> Proposal:
        """People may have gone on with its branch since the record was written."""
        if proposal.state is not State.OPEN:
            return proposal
        return replace(proposal, head=self._heads.get(proposal.goal, proposal.head))

    def open(self, change: Change, before: Proposal | None) -> Proposal:
        """See `Forge`."""
        there = self._heads.get(change.goal, "")
        updates = before if before is not None and before.state is State.OPEN else None
        if there and there != (updates.made if updates else ""):
            raise peoples_branch(change.goal)
        author, now = self._branches.who(), self._now()
        why = redact(change.why)
        message = f"{change.title}\n\n{why}\n\nFleetsched-Proposal: {change.goal}\n"
        commit = self._branches.commit(change.files, message, base=change.base, parents=(change.base,))
        proposal = Proposal(
            goal=change.goal,
            policy=change.policy,
            state=State.OPEN,
            base=change.base,
            made=commit,
            head=commit,
            author=author,
            title=change.title,
            why=why,
            fingerprint=change.fingerprint,
            opened_at=updates.opened_at if updates else now,
            updated_at=now,
        )
        what = "updated" if updates else "opened"
        self._write(proposal, what, Update(f"refs/heads/{proposal.branch}", there, commit), keep=commit)
        return proposal

    def is_mergeable(self, proposal: Proposal) -> bool:
        """See `Forge`."""
        return self._branches.merges(self._tip, proposal.head)

    def approve(self, proposal: Proposal, runs: str) -> Proposal:
        """See `Forge`."""
        check_open(proposal, self._heads)
        approval = Approval(self._branches.who(), proposal.head, self._now(), runs)
        if approval.by in {each.by for each in proposal.valid_approvals}:
            return proposal
        approvals = (*proposal.valid_approvals, approval)
        approved = replace(proposal, approvals=approvals, updated_at=approval.at)
        own = ", who proposed it" if proposal.is_own(approval) else ""
        self._write(approved, f"approved by {approval.by}{own}", keep=proposal.head)
        return approved

    def merge(self, proposal: Proposal) -> Proposal:
        """See `Forge`."""
        if proposal.state is State.MERGED:
            return proposal
        by_hand = proposal.head != proposal.base and self._branches.contains(self._tip, proposal.head)
        if by_hand and proposal.state is State.OPEN:
            merged = replace(proposal, state=State.MERGED, merged_as=self._tip, updated_at=self._now())
            self._write(merged, "merged by other means", *self._gone(proposal))
            return merged
        check_open(proposal, self._heads)
        if not proposal.valid_approvals:
            raise RefusedError(
                f"proposal {proposal.goal}: {proposal.head[:12]} is not approved",
                remedy=f"look at it, then `fleetsched review approve {proposal.goal}`",
            )
        approved = "".join(
            f"Approved-by: {each.by}{' (its own author)' if proposal.is_own(each) else ''}\n"
            for each in proposal.valid_approvals
        )
        message = f"Merge the proposal for goal {proposal.goal}\n\n{proposal.title}\n\n{approved}"
        commit = self._branches.merge(self._tip, proposal.head, message)
        merged = replace(proposal, state=State.MERGED, merged_as=commit, updated_at=self._now())
        trusted = Update(f"refs/heads/{self._branches.trust.branch}", self._tip, commit)
        self._write(merged, "merged", trusted, *self._gone(proposal))
        return merged

    def close(self, proposal: Proposal, reason: str) -> Proposal:
        """See `Forge`."""
        if proposal.state is not State.OPEN:
            return proposal
        reason = redact(reason)
        closed = replace(proposal, state=State.CLOSED, reason=reason, updated_at=self._now())
        tip = self._heads.get(proposal.goal, "")
        self._write(closed, f"closed: {reason}" if reason else "closed", *self._gone(proposal), keep=tip)
        return closed

    def report(self, proposal: Proposal, text: str) -> Proposal:
        """See `Forge`."""
        text = redact(text)
        text = text if len(text) <= _MOST_REPORT else f"{text[: _MOST_REPORT - 4]}\n..."
        if proposal.reports and proposal.reports[-1].text == text:
            return proposal
        report = Report(self._now(), self._branches.who(), text)
        told = replace(proposal, reports=(*proposal.reports, report)[-MOST_REPORTS:], updated_at=report.at)
        self._write(told, "reported", keep=self._heads.get(proposal.goal, ""))
        return told

    def judge(self, judged: Judged) -> str:
        """See `Forge`. Its records are of proposals, not of checks."""
        return ""

    def diff(self, proposal: Proposal) -> str:
        """See `Forge`."""
        # Not from the base that the record names: what it hides would be merged all the same.
        start = proposal.base if proposal.state is State.MERGED else self._tip
        return self._branches.difference(start, proposal.head)

    def _gone(self, proposal: Proposal) -> list[Update]:
        tip = self._heads.get(proposal.goal, "")
        return [Update(f"refs/heads/{proposal.branch}", tip, "")] if tip else []

    def _write(self, proposal: Proposal, what: str, *others: Update, keep: str = "") -> None:
        """Push the record, with `keep` among its ancestors, together with other changes."""
        value = proposal.to_wire()
        wrong = _problems(value)
        if wrong:
            raise FleetschedError(f"proposal {proposal.goal} cannot be recorded: {wrong[0].message}")
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        before = self._records.get(proposal.goal, "")
        commit = self._branches.commit(
            {_FILE: text.encode()},
            f"Proposal for goal {proposal.goal}: {what}\n",
            parents=[parent for parent in (before, keep) if parent],
        )
        self._branches.push(Update(_RECORDS + proposal.goal, before, commit), *others)
        self._records[proposal.goal] = commit
        for update in others:
            if update.ref == f"refs/heads/{proposal.branch}":
                self._heads.pop(proposal.goal, None)
                if update.new:
                    self._heads[proposal.goal] = update.new


def _decode(goal: str, text: bytes | None) -> Proposal:
    """Read a record, which anybody may have pushed.

    Raises:
        InputError: it is none.
    """
    if text is None:
        raise InputError(f"has no {_FILE} of at most {_MOST_BYTES:,} bytes")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("is not JSON") from error
    wrong = _problems(value)
    if wrong:
        raise InputError(f"is not a record: {wrong[0].message}")
    if value["goal"] != goal:
        raise InputError(f"is the record of another goal, {value['goal']}")
    return Proposal.from_wire(value)


def _problems(value: object) -> list[Problem]:
    return check(Node(value, Position(_FILE, 0, 0)), "proposal")
