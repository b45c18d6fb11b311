# SPDX-License-Identifier: Apache-2.0
"""A proposal: a branch that binds a policy to a goal, and what people say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import GateReport
from fleetsched.model.judgement import Rejected

BRANCHES = "fleetsched/proposal/"
"""What every proposal's branch begins with; the goal's name follows."""

GOAL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class State(StrEnum):
    """Where a proposal is."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody looked at exactly this commit and agreed.

    Attributes:
        by: `Name <e-mail>`, as Git knows them.
        at: RFC 3339 time.
        runs: what the goal's hosts would run, as `policy@digest`, or `kernel-default`.
    """

    by: str
    commit: str
    at: str
    runs: str


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a reviewer is told of a change beside why; every part may be absent, and is then said to be.

    Attributes:
        reasons: the part of why that the other parts do not tell; empty = all of it.
        hosts: names of the goal's hosts.
        before, after: what they run now and would run, as `policy@digest` with parameters that are set, or
            `kernel-default`; `before` is empty while the goal has no policy.
        backend: who chose: `catalogue` or `anthropic`; empty = what policies declare was compared.
        model: of language; empty = none.
        transcript: SHA-256 of the record of the conversation with it.
        explanation: of the backend, for the reviewer; of a language model, so it is foreign text.
        usd: what it cost, in US dollars.
        tokens: in and out, cached ones too.
        wall_s: seconds of this machine's time.
        candidates: how many were tried.
        evidence: of the final comparison, by workload.
        held_out: names of the workloads that nothing was chosen or tuned on.
        gates: of the proposed object; of more variants where there are.
        in_line: how many candidates stood in line for the final comparison.
        rejected: those that were compared before this one.
        unmeasured: metrics of guardrails that nothing measured.
    """

    reasons: str = ""
    hosts: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    backend: str = ""
    model: str = ""
    transcript: str = ""
    explanation: str = ""
    usd: float = 0.0
    tokens: int = 0
    wall_s: float = 0.0
    candidates: int = 0
    evidence: tuple[Evidence, ...] = ()
    held_out: tuple[str, ...] = ()
    gates: tuple[GateReport, ...] = ()
    in_line: int = 1
    rejected: tuple[Rejected, ...] = ()
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the proposal's policy on its goal's hosts, after it was merged.

    Attributes:
        at: RFC 3339 time.
        by: `Name <e-mail>` of who says so.
    """

    at: str
    by: str
    text: str


MOST_REPORTS = 20
"""How many of them a proposal keeps, the newest."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One goal's proposal at one moment.

    Attributes:
        policy: what it binds.
        base: the commit of the trusted branch that it was made on.
        made: the commit that fleetsched made.
        head: its branch's tip; another than `made` when people have gone on with it.
        author: `Name <e-mail>` of who proposed it.
        why: the explanation, as text of at most 80 columns.
        fingerprint: of everything that the choice was made from; the same again is not proposed twice.
        opened_at, updated_at: RFC 3339 times.
        approvals: of any commit; those of an older one do not count.
        reason: why it was closed.
        merged_as: the merge commit.
        reports: what the hosts made of it, newest last.
    """

    goal: str
    policy: str
    state: State
    base: str
    made: str
    head: str
    author: str
    title: str
    why: str
    fingerprint: str
    opened_at: str
    updated_at: str
    approvals: tuple[Approval, ...] = ()
    reason: str = ""
    merged_as: str = ""
    reports: tuple[Report, ...] = ()

    @property
    def branch(self) -> str:
        """Its branch."""
        return BRANCHES + self.goal

    @property
    def valid_approvals(self) -> tuple[Approval, ...]:
        """The approvals of exactly its tip."""
        return tuple(approval for approval in self.approvals if approval.commit == self.head)

    def is_own(self, approval: Approval) -> bool:
        """Whether who approves is who proposed, by their e-mail addresses."""
        return _address(approval.by) == _address(self.author)

    def to_wire(self) -> dict[str, Any]:
        """Write the record's form of it."""
        lists = {
            "approvals": [asdict(approval) for approval in self.approvals],
            "reports": [asdict(report) for report in self.reports],
        }
        return {"version": 1, **asdict(self), "state": str(self.state), **lists}

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> Proposal:
        """Read a record that fits its schema."""
        fields = {
            name: value[name] for name in value if name not in ("version", "state", "approvals", "reports")
        }
        approvals = tuple(Approval(**approval) for approval in value["approvals"])
        reports = tuple(Report(**report) for report in value.get("reports", ()))
        return cls(state=State(value["state"]), approvals=approvals, reports=reports, **fields)


def _address(person: str) -> str:
    return person.rpartition("<")[2].rstrip(">").lower()
