# SPDX-License-Identifier: Apache-2.0
"""rollback: which hosts it takes back, to what, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.errors import ExitCode, InputError
from fleetsched.helper.simulated.host import OnTrial
from fleetsched.helper.simulated.scenario import EXIT_SYSRQ
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


def last_run(controller: Controller, host: str) -> str:
    record = controller.hosts[host].disk.last_known_good
    assert record
    run: str = record["run"]
    return run


def roll_back(controller: Controller, planned: Planned, undo: Undo) -> Applied:
    journals = controller.root.parent / "runs"
    return rollback(controller.access(), planned, undo, journals=journals, report=lambda event: None)


def test_healed_host_is_undone_with_the_run_that_brought_its_policy(two_runs: Controller) -> None:
    brought = last_run(two_runs, "lab-2")
    two_runs.hosts["lab-2"].eject(EXIT_SYSRQ)
    healed = two_runs.apply()
    assert last_run(two_runs, "lab-2") == healed.run

    with plan(two_runs.access()) as planned:
        newest = plan_rollback(planned, None)
        assert newest == plan_rollback(planned, brought)
        with pytest.raises(InputError) as caught:
            plan_rollback(planned, healed.run)
        undone = roll_back(two_runs, planned, newest)

    assert caught.value.message == f"run {healed.run} only healed lab-2, and brought nothing new"
    assert caught.value.remedy == f"runs that hosts know: {brought}"
    assert (newest.run, [host.host for host in newest.hosts]) == (brought, [*NAMES])
    assert undone.exit_code is ExitCode.OK
    assert slices(two_runs) == dict.fromkeys(NAMES, 5000)


def test_run_that_does_not_heal_alone_undoes_what_it_brought(two_runs: Controller) -> None:
    two_runs.edit(SLICE, "slice_us: 7000", "slice_us: 9000")
    two_runs.apply(Selection("lab-1"))
    two_runs.hosts["lab-1"].eject(EXIT_SYSRQ)
    newest = two_runs.apply()  # heals lab-1, changes the others

    with plan(two_runs.access()) as planned:
        undo = plan_rollback(planned, newest.run)

    assert [host.host for host in undo.hosts] == ["lab-2", "lab-3"]


def test_host_that_cannot_tell_its_history_is_judged_by_its_record(two_runs: Controller) -> None:
    with plan(two_runs.access()) as planned:
        two_runs.hosts["lab-2"].serving = False
        two_runs.hosts["lab-2"].lives += 1
        undo = plan_rollback(planned, None)

    assert [host.host for host in undo.hosts] == [*NAMES]


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
