# SPDX-License-Identifier: Apache-2.0
"""A fleet's standing with a host in every condition, for tests of the status page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fleetsched.errors import ExitCode
from fleetsched.model.assignment import Assignment
from fleetsched.model.cycle import Cycle, Event, Kind
from fleetsched.model.fleet import Fleet
from fleetsched.model.plan import Claim, Desired, Observed, Plan, plan_hosts
from fleetsched.model.standing import Live, Standing, groups_of, hosts_of
from fleetsched.model.state import Notice
from tests.unit.builders import assignment, confirmed, facts, held, status

NEW, OLD = assignment("interactive", "a", slice_us=3000), assignment("fair", "b", slice_us=5000)
AT = "2026-01-02T03:04:05Z"
REVISION = "c" * 40


def wish(wanted: Assignment | None = NEW, goal: str = "web", *, heal: bool = True) -> Desired:
    return Desired(Claim.GOAL, goal, goal, wanted, heal=heal)


HOSTS: dict[str, tuple[Desired, Observed]] = {
    "web-1": (wish(), Observed(status=confirmed(NEW), facts=facts())),
    "web-2": (wish(), Observed(status=confirmed(OLD), facts=facts())),
    "web-3": (wish(), Observed(error="web-3: no answer", remedy="look at it")),
    "web-4": (
        wish(),
        Observed(status=confirmed(OLD), facts=facts(Notice("isolcpus", "isolated", "boot without"))),
    ),
    "db-1": (
        wish(goal="db", heal=False),
        Observed(status=replace(confirmed(NEW), running=None, kernel=status().kernel), facts=facts()),
    ),
    "cache-1": (
        wish(goal="cache"),
        Observed(status=replace(confirmed(OLD), held=(held(NEW),)), facts=facts()),
    ),
    "spare-1": (
        Desired(Claim.UNBOUND, "spare", "spare"),
        Observed(helper_missing=True, kernel_release="6.18.1"),
    ),
    "other-1": (Desired(Claim.PRUNED), Observed(status=status(), facts=facts())),
}
EVENTS = (
    Event(
        AT,
        Kind.ROLLED_BACK,
        REVISION,
        "cache",
        "failed on cache-1; every host runs what it ran before; not tried again until it changes\n"
        "cache-1: failed: ejected by the kernel: runnable task stall: kworker/0:1[42] failed to run for 5.2s",
        ("cache-1",),
        "run-2",
        str(NEW),
    ),
    Event(
        AT, Kind.APPLIED, REVISION, "web", "web-1 runs interactive@aaaaaaaa", ("web-1",), "run-1", str(NEW)
    ),
)


def standing() -> Standing:
    """One of each."""
    plan = Plan(
        REVISION,
        plan_hosts(
            {name: desired for name, (desired, _) in HOSTS.items()},
            {name: seen for name, (_, seen) in HOSTS.items()},
        ),
    )
    cycle = Cycle(
        AT,
        1.0,
        ExitCode.ROLLED_BACK,
        "FAILED and rolled back: every host runs what it ran before",
        REVISION,
        plan=plan,
        observed={name: seen for name, (_, seen) in HOSTS.items()},
    )
    hosts = hosts_of(cycle)
    return Standing(
        taken_at=AT,
        revision=REVISION,
        subject="Bind interactive for latency",
        code=cycle.code,
        words=cycle.words,
        ended_at=AT,
        fleet=Fleet(Path()),
        hosts=hosts,
        groups=groups_of(hosts),
        events=EVENTS,
        live=(Live("web-2", "baking", "3 of 15 s, healthy", AT), Live("", "interrupted", "goes on", AT)),
        serial=7,
    )
