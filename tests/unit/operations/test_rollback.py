# SPDX-License-Identifier: Apache-2.0
"""rollback: which hosts it takes back, to what, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.errors import ExitCode
from fleetsched.helper.simulated.host import OnTrial
from fleetsched.model.run import Applied, Undo
from fleetsched.operations.plan import Planned, Selection, plan
from fleetsched.operations.rollback import plan_rollback, rollback
from tests.unit.operations.controller import NAMES, Controller

SLICE = "manifests/lab.yaml"


@pytest.fixture
def two_runs(controller: Controller) -> Controller:
    """A slice of 5000 us by the first run, of 7000 us by the second."""
    controller.apply()
    controller.edit(SLICE, "slice_us: 5000", "slice_us: 7000")
    controller.apply()
    return controller


def slices(controller: Controller) -> dict[str, int | None]:
    """What every host runs: the parameter of its last known good."""
    records = {name: host.disk.last_known_good for name, host in controller.hosts.items()}
    return {
        name: record["assignment"]["parameters"]["slice_us"] if record else None
        for name, record in records.items()
    }


def roll_back(controller: Controller, planned: Planned, undo: Undo) -> Applied:
    journals = controller.root.parent / "runs"
    return rollback(controller.access(), planned, undo, journals=journals, report=lambda event: None)


def test_newer_run_that_came_while_the_question_stood_is_not_undone(two_runs: Controller) -> None:
    with plan(two_runs.access()) as planned:
        undo = plan_rollback(planned, None)
        two_runs.edit(SLICE, "slice_us: 7000", "slice_us: 9000")
        newer = two_runs.apply(Selection("lab-2"))  # somebody else's

        undone = roll_back(two_runs, planned, undo)

    assert undone.exit_code is ExitCode.NOT_ROLLED_BACK
    assert slices(two_runs) == {"lab-1": 5000, "lab-2": 9000, "lab-3": 5000}
    assert two_runs.hosts["lab-2"].disk.held == []
    said = undone.hosts[1].detail
    assert said.startswith("refused: another run has come before this one: last known good fair@"), said
    assert said.endswith(f" of run {newer.run} (roll back again)"), said
    assert two_runs.hosts["lab-2"].lease is None


def test_run_that_somebody_else_has_undone_meanwhile_is_not_undone_again(two_runs: Controller) -> None:
    with plan(two_runs.access()) as planned:
        undo = plan_rollback(planned, None)
        two_runs.rollback()
        before = [host.kernel.enable_seq for host in two_runs.hosts.values()]

        undone = roll_back(two_runs, planned, undo)

    assert undone.exit_code is ExitCode.NOT_ROLLED_BACK
    assert [host.kernel.enable_seq for host in two_runs.hosts.values()] == before
    assert slices(two_runs) == dict.fromkeys(NAMES, 5000)


def test_trial_that_nobody_watches_any_more_is_not_cut_short(two_runs: Controller) -> None:
    with plan(two_runs.access()) as planned:
        undo = plan_rollback(planned, None)
        host = two_runs.hosts["lab-3"]
        assert host.attached
        assignment = host.attached.assignment
        host.attach(replace(assignment, parameters=(("slice_us", 9000),)))
        host.trial = OnTrial("t9", host.attached, "run-9", "c" * 40, None, 0, 10**9, 0)

        undone = roll_back(two_runs, planned, undo)

    assert undone.hosts[2].detail == (
        f"refused: {assignment} is on trial there, for run run-9 (try again when it is over)"
    )
    assert host.trial.id == "t9"
    assert slices(two_runs) == {"lab-1": 5000, "lab-2": 5000, "lab-3": 7000}
