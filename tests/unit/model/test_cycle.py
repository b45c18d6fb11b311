# SPDX-License-Identifier: Apache-2.0
"""What people are told of a cycle."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.errors import ExitCode
from fleetsched.model.cycle import Cycle, Event, Kind, events_of
from fleetsched.model.plan import Claim, Desired, Observed, Plan, plan_hosts
from fleetsched.model.rollout import Phase
from fleetsched.model.run import Applied, HostResult
from tests.unit.builders import assignment, confirmed, status

AT, REVISION = "2026-01-02T03:04:05Z", "c" * 40
NEW, OLD = assignment("new"), assignment("old", "b")
SEEN = {
    "a": Observed(status=confirmed(OLD)),
    "b": Observed(status=confirmed(OLD)),
    "drifted": Observed(status=status(last_known_good=confirmed(NEW).last_known_good)),
}


def plan(*, heal: bool = True) -> Plan:
    wish = Desired(Claim.GOAL, "web", "web", NEW, heal=heal)
    return Plan(REVISION, plan_hosts(dict.fromkeys(SEEN, wish), SEEN))


def told(*phases: Phase, code: ExitCode = ExitCode.OK) -> list[Event]:
    """The events of a run in which a, b and the drifted host ended so."""
    results = tuple(
        HostResult(host, "web", phase, f"detail of {host}", phase is not Phase.WAITING)
        for host, phase in zip(SEEN, phases, strict=True)
    )
    applied = Applied("run-1", code, results, Path("journal"))
    return events_of(Cycle(AT, 1.0, code, "words", REVISION, carried_out=plan(), applied=applied))


C, F, R, N, W = Phase.CONFIRMED, Phase.FAILED, Phase.ROLLED_BACK, Phase.NOT_ROLLED_BACK, Phase.WAITING
BACK = "every host runs what it ran before; not tried again until it changes"
FORTH = "NOT every host is back on what it ran before; not tried again until it changes"


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ((W, W, W), []),
        ((C, C, W), [(Kind.APPLIED, ("a", "b"), f"{NEW} confirmed on a, b")]),
        (
            (C, W, C),
            [
                (Kind.APPLIED, ("a",), f"{NEW} confirmed on a"),
                (Kind.HEALED, ("drifted",), f"{NEW} healed on drifted"),
            ],
        ),
        ((F, W, W), [(Kind.ROLLED_BACK, ("a",), f"failed on a; {BACK}\na: failed: detail of a")]),
        (
            (R, F, W),
            [
                (
                    Kind.ROLLED_BACK,
                    ("a", "b"),
                    f"failed on b; {BACK}\na: rolled back: detail of a\nb: failed: detail of b",
                )
            ],
        ),
        (
            (N, F, W),
            [
                (
                    Kind.ROLLED_BACK,
                    ("a", "b"),
                    f"failed on b; {FORTH}\na: not rolled back: detail of a\nb: failed: detail of b",
                )
            ],
        ),
    ],
)
def test_a_run_is_told_by_goal_and_by_what_became_of_hosts(
    phases: tuple[Phase, ...], expected: list[tuple[Kind, tuple[str, ...], str]]
) -> None:
    events = told(*phases)
    assert [(event.kind, event.hosts, event.text) for event in events] == expected
    assert {(event.run, event.assignment, event.goal) for event in events} <= {("run-1", str(NEW), "web")}


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (ExitCode.OK, []),
        (ExitCode.LEASE_HELD, []),
        (ExitCode.REFUSED, [Kind.REFUSED]),
        (ExitCode.ERROR, [Kind.ERROR]),
    ],
)
def test_a_cycle_that_came_to_nothing_is_told_when_something_is_wrong(
    code: ExitCode, kinds: list[Kind]
) -> None:
    assert [event.kind for event in events_of(Cycle(AT, 1.0, code, "words", REVISION))] == kinds


def test_drift_that_is_left_is_told_once_a_goal() -> None:
    cycle = Cycle(AT, 1.0, ExitCode.OK, "words", REVISION, plan=plan(heal=False))
    (event,) = events_of(cycle)
    assert (event.kind, event.goal, event.hosts) == (Kind.DRIFT, "web", ("drifted",))
    assert event.text.startswith("drifted: drift: the kernel's scheduler runs, not new@")
    assert events_of(Cycle(AT, 1.0, ExitCode.OK, "words", REVISION, plan=plan())) == []
