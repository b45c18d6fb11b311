# SPDX-License-Identifier: Apache-2.0
"""The loop over simulated hosts: what is rolled out, healed, held, refused, and told."""

from __future__ import annotations

from fleetsched.errors import ExitCode
from fleetsched.helper.simulated import Behaviour
from fleetsched.model.cycle import Kind
from tests.unit.git_repository import git
from tests.unit.reconcile.fleet import NAMES, ReconciledFleet


def test_the_approved_revision_reaches_every_host_canary_first(fleet: ReconciledFleet) -> None:
    cycle = fleet.loop().once()

    assert (cycle.code, cycle.revision) == (ExitCode.OK, git(fleet.folder, "rev-parse", "HEAD"))
    assert fleet.ops() == dict.fromkeys(NAMES, "fair")
    confirmed = fleet.diary.words("confirmed")
    tried = fleet.diary.words("trying")
    assert confirmed[0] == tried[0] == "lab-1"
    assert [event.host for event in fleet.diary.progress_of if event.word in ("confirmed", "trying")][:2] == [
        "lab-1",
        "lab-1",
    ]


def test_with_nothing_to_do_nothing_is_done_or_told(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    before = fleet.trials()

    cycle = loop.once()

    assert (cycle.code, cycle.words, fleet.trials()) == (ExitCode.OK, "nothing to do: 3 none", before)
    assert [event.kind for event in fleet.diary.events] == [Kind.APPLIED]
    assert len(list(loop.state.journals.iterdir())) == 1


def test_what_fails_is_rolled_back_held_told_and_not_tried_again(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.hosts["lab-2"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    commit = fleet.commit(("slice_us: 5000", "slice_us: 7000"))

    cycle = loop.once()

    assert cycle.code is ExitCode.ROLLED_BACK
    failure = fleet.diary.events[-1]
    assert (failure.kind, failure.goal) == (Kind.ROLLED_BACK, "lab-fairness")
    assert "lab-2: failed: ejected by the kernel: runnable task stall" in failure.text
    assert fleet.slices() == dict.fromkeys(NAMES, 5000)
    trials = fleet.trials()
    for _ in range(3):
        fleet.clock.now += 60
        assert loop.once().code is ExitCode.OK
    assert fleet.trials() == trials
    (note,) = [note for note in fleet.notes(commit) if note["kind"] == "rolled-back"]
    assert (note["goal"], note["run"]) == ("lab-fairness", failure.run)

    fleet.hosts["lab-2"].behaviours = {}
    fleet.commit(("slice_us: 7000", "slice_us: 8000"))
    assert loop.once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 8000)


def test_drift_is_healed_in_the_next_cycle_and_noted(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    host = fleet.hosts["lab-3"]
    host.attached = None
    host.kernel.disable()

    cycle = loop.once()

    assert (cycle.code, fleet.ops()) == (ExitCode.OK, dict.fromkeys(NAMES, "fair"))
    event = fleet.diary.events[-1]
    assert (event.kind, event.hosts) == (Kind.HEALED, ("lab-3",))
    assert fleet.notes(cycle.revision)[-1]["text"] == event.text
