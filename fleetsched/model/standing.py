# SPDX-License-Identifier: Apache-2.0
"""How a fleet stands: one value a cycle, of which every view of the status page is a function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleetsched.errors import ExitCode
from fleetsched.model.cycle import Cycle, Event
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import CHANGING, Action, Claim, HostPlan, Observed

NO_GROUP = "-"
"""Stands for the group of hosts that no HostGroup with a goal claims; no name of a group can be that."""


class Condition(StrEnum):
    """How one host stands, in a word."""

    AS_WANTED = "as wanted"
    CHANGING = "to be changed"
    DRIFT = "drift"
    HELD = "held"
    CANNOT = "cannot"
    UNREACHABLE = "out of reach"
    UNCLAIMED = "no goal"
    UNBOUND = "no policy yet"


@dataclass(frozen=True, slots=True)
class HostStanding:
    """One host: what the newest plan says of it, and what it said itself."""

    plan: HostPlan
    observed: Observed
    condition: Condition

    @property
    def group(self) -> str:
        """Its HostGroup, or `NO_GROUP`."""
        return self.plan.desired.group or NO_GROUP


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """One group: its hosts in order, and how many stand how and run what."""

    name: str
    goal: str | None
    hosts: tuple[str, ...]
    conditions: tuple[tuple[Condition, int], ...]
    runs: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Live:
    """What a host of the rollout in progress does now; `at` is RFC 3339, UTC."""

    host: str
    word: str
    detail: str
    at: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The fleet at the end of a cycle, and what goes on since.

    Attributes:
        taken_at: when hosts were asked last, RFC 3339, UTC; empty = never yet.
        revision, subject: the commit of that, and its message's first line.
        code, words: how the newest cycle ended, at `ended_at`, whether or not it came to ask hosts.
        hosts: in the order of the plan.
        events: newest first.
        live: the hosts of the rollout in progress; empty = there is none.
        serial: rises with every change.
    """

    taken_at: str = ""
    revision: str = "none"
    subject: str = ""
    code: ExitCode = ExitCode.OK
    words: str = "the first cycle is under way"
    ended_at: str = ""
    fleet: Fleet | None = None
    hosts: Mapping[str, HostStanding] = field(default_factory=dict, hash=False)
    groups: tuple[GroupStanding, ...] = ()
    events: tuple[Event, ...] = ()
    live: tuple[Live, ...] = ()
    serial: int = 0

    def within(self, condition: Condition) -> list[HostStanding]:
        """The hosts that stand so, in order."""
        return [host for host in self.hosts.values() if host.condition is condition]

    def group(self, name: str) -> GroupStanding | None:
        """The group of this name."""
        return next((group for group in self.groups if group.name == name), None)


def hosts_of(cycle: Cycle) -> dict[str, HostStanding]:
    """Every host of a cycle that came to ask them."""
    plans = cycle.plan.hosts if cycle.plan else ()
    nothing = Observed()
    return {
        plan.host: HostStanding(plan, cycle.observed.get(plan.host, nothing), _condition(plan))
        for plan in plans
    }


def groups_of(hosts: Mapping[str, HostStanding]) -> tuple[GroupStanding, ...]:
    """The groups of hosts, in the order of their first hosts; those that no group has come last."""
    members: dict[str, list[HostStanding]] = {}
    for host in hosts.values():
        members.setdefault(host.group, []).append(host)
    names = [name for name in members if name != NO_GROUP] + [name for name in members if name == NO_GROUP]
    return tuple(_group(name, members[name]) for name in names)


def _group(name: str, members: list[HostStanding]) -> GroupStanding:
    conditions = Counter(host.condition for host in members)
    return GroupStanding(
        name,
        next((host.plan.desired.goal for host in members if host.plan.desired.goal), None),
        tuple(host.plan.host for host in members),
        tuple((condition, conditions[condition]) for condition in Condition if conditions[condition]),
        tuple(Counter(host.plan.before for host in members).most_common()),
    )


def _condition(plan: HostPlan) -> Condition:
    if plan.action is Action.UNKNOWN:
        return Condition.UNREACHABLE
    if plan.action is Action.HELD:
        return Condition.HELD
    if plan.drifted or plan.action is Action.ADOPT:
        return Condition.DRIFT
    if plan.action in CHANGING:
        return Condition.CANNOT if plan.problem else Condition.CHANGING
    claims = {
        Claim.UNBOUND: Condition.UNBOUND,
        Claim.PRUNED: Condition.UNCLAIMED,
        Claim.KEPT: Condition.UNCLAIMED,
    }
    return claims.get(plan.desired.claim, Condition.AS_WANTED)
