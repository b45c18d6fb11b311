# SPDX-License-Identifier: Apache-2.0
"""The loop over simulated hosts: what is rolled out, healed, held, refused, and told."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleetsched.errors import ExitCode, InterruptedRunError, LeaseHeldError, UnreachableError
from fleetsched.files import replace_file
from fleetsched.fleetrepo.branches import Branches
from fleetsched.fleetrepo.clone import remember_newest
from fleetsched.forge.interface import Change
from fleetsched.forge.local import LocalForge
from fleetsched.helper.simulated import Behaviour
from fleetsched.model.controller import ForgeAccess, Trust
from fleetsched.model.cycle import Kind
from fleetsched.reconcile.child import GitFailedError
from fleetsched.reconcile.loop import GitWork
from fleetsched.reconcile.memory import Memory
from fleetsched.rollout.run import StopRequest
from fleetsched.rollout.session import HostSession
from tests.unit.git_repository import git
from tests.unit.reconcile.fleet import MANIFEST, NAMES, ReconciledFleet, fetch_here, pass_time, publish_here


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


def test_what_failed_on_a_host_that_is_gone_now_is_not_tried_on_the_next(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.hosts["lab-1"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    fleet.commit(("slice_us: 5000", "slice_us: 7000"), ("unreachable: 0", "unreachable: 1"))
    assert loop.once().code is ExitCode.ROLLED_BACK
    fleet.hosts["lab-1"].connect_error = UnreachableError("lab-1: no answer")
    trials = fleet.trials()

    again = fleet.loop()  # a new process
    assert again.once().words == "nothing to do: 2 held, 1 unknown"

    assert fleet.trials() == trials
    fleet.commit(("slice_us: 7000", "slice_us: 8000"))
    assert again.once().code is ExitCode.UNREACHABLE
    assert fleet.slices() == {"lab-1": 5000, "lab-2": 8000, "lab-3": 8000}


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


def test_an_unsigned_revision_is_refused_and_hosts_stay_as_they_are(fleet: ReconciledFleet) -> None:
    fleet.loop().once()
    (fleet.home / "signers").write_text("")
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    fleet.trust = replace(fleet.trust, allowed_signers=str(fleet.home / "signers"))
    before = fleet.trials()
    loop = fleet.loop()

    cycles = [loop.once(), loop.once()]

    assert [cycle.code for cycle in cycles] == [ExitCode.REFUSED] * 2
    assert "NOT APPROVED: unsigned" in cycles[0].words
    assert (fleet.trials(), fleet.slices()) == (before, dict.fromkeys(NAMES, 5000))
    assert [event.kind for event in fleet.diary.events] == [Kind.APPLIED, Kind.REFUSED]


def test_a_trusted_branch_that_was_taken_back_changes_no_host_until_that_is_accepted(
    fleet: ReconciledFleet,
) -> None:
    first = git(fleet.folder, "rev-parse", "HEAD")
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    fleet.loop().once()
    git(fleet.folder, "push", "-q", "--force", "origin", f"{first}:main")

    cycles = [fleet.loop().once() for _ in range(2)]

    assert [cycle.code for cycle in cycles] == [ExitCode.REFUSED] * 2
    assert f"NOT APPROVED: rewound: main of {fleet.remote} was at " in cycles[0].words
    assert fleet.slices() == dict.fromkeys(NAMES, 7000)
    assert [event.kind for event in fleet.diary.events] == [Kind.APPLIED, Kind.REFUSED]
    loop = fleet.loop()
    remember_newest(loop.state.repository, "main", first)
    assert loop.once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 5000)


def test_it_waits_while_another_has_a_host_and_goes_on_afterwards(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    host = fleet.hosts["lab-3"]
    host.disk.last_token += 1
    host.lease = ("ann@desk", host.disk.last_token, host.clock.now_ms() + 60_000)

    waiting = loop.once()

    assert (waiting.code, waiting.words) == (ExitCode.LEASE_HELD, "waits: lab-3 is held by ann@desk")
    assert fleet.slices() == dict.fromkeys(NAMES, 5000)
    host.lease = None
    assert loop.once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 7000)


def test_when_one_host_is_refused_no_lease_of_another_stays(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.loop().once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    given_up = threading.Event()
    take, drop = HostSession.take_lease, HostSession.drop_lease

    def slowly(session: HostSession, owner: str, ttl_s: float) -> int:
        if session.host.name == "lab-1":
            raise LeaseHeldError("the lease is held by ann@desk")
        given_up.wait(2)  # by then, whoever does not wait for this one has given all leases back
        return take(session, owner, ttl_s)

    def noted(session: HostSession) -> None:
        drop(session)
        given_up.set()

    monkeypatch.setattr(HostSession, "take_lease", slowly)
    monkeypatch.setattr(HostSession, "drop_lease", noted)
    assert fleet.loop().once().code is ExitCode.LEASE_HELD
    assert [host.lease for host in fleet.hosts.values()] == [None] * 3


def test_what_cut_a_host_off_from_this_one_stays_held_although_it_answers_again(
    fleet: ReconciledFleet,
) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    host = fleet.hosts["lab-1"]

    def cut_off() -> None:
        host.connect_error = UnreachableError("lab-1: no answer")

    fleet.diary.on_word["baking"] = cut_off
    assert loop.once().code is ExitCode.UNREACHABLE
    fleet.diary.on_word.clear()
    host.connect_error = None

    assert host.trial
    assert loop.once().code is ExitCode.LEASE_HELD  # by the lease that it could not give back
    pass_time(fleet, 160)

    assert loop.once().words == "nothing to do: 3 held"
    assert fleet.slices() == dict.fromkeys(NAMES, 5000)


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 60.0), (0.5, 63.0), (1.0, 66.0)])
def test_waits_are_longer_by_chance_up_to_the_jitter(
    fleet: ReconciledFleet, chance: float, wait_s: float
) -> None:
    loop = fleet.loop()
    loop.jitter, loop.chance = 10.0, lambda: chance
    assert loop.next_wait_s() == pytest.approx(wait_s)


def test_asked_to_stop_in_the_middle_it_ends_at_a_safe_point_and_the_next_one_goes_on(
    fleet: ReconciledFleet,
) -> None:
    fleet.loop().once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    stop = StopRequest()
    fleet.diary.on_word["baking"] = stop.request

    fleet.loop(stop=stop).run()

    assert fleet.diary.cycles[-1].code is ExitCode.INTERRUPTED
    assert fleet.slices() == {"lab-1": 7000, "lab-2": 5000, "lab-3": 5000}
    assert [host.lease for host in fleet.hosts.values()] == [None] * 3
    del fleet.diary.on_word["baking"]
    assert fleet.loop().once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 7000)


def test_a_remote_that_does_not_answer_is_told_once_and_hosts_are_left_alone(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.remote.rename(fleet.home / "gone")

    codes = [loop.once().code for _ in range(3)]

    assert codes == [ExitCode.ERROR] * 3
    assert [event.kind for event in fleet.diary.events] == [Kind.APPLIED, Kind.ERROR]
    (fleet.home / "gone").rename(fleet.remote)
    assert loop.once().code is ExitCode.OK
    fleet.remote.rename(fleet.home / "gone")
    loop.once()
    assert [event.kind for event in fleet.diary.events] == [Kind.APPLIED, Kind.ERROR, Kind.ERROR]


def test_a_broken_repository_is_told_and_its_repair_is_taken(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.commit(("hostGroup: lab\n", "hostGroup: lap\n"))

    broken = loop.once()

    assert broken.code is ExitCode.ERROR
    assert 'no HostGroup "lap"' in broken.words
    fleet.commit(("hostGroup: lap\n", "hostGroup: lab\n"))
    assert loop.once().code is ExitCode.OK


def test_what_fails_without_being_held_is_tried_ever_more_rarely(fleet: ReconciledFleet) -> None:
    fleet.hosts["lab-1"].disk_full = True
    loop = fleet.loop()
    runs = []
    for _ in range(9):  # one a minute
        loop.once()
        runs.append(len(list(loop.state.journals.glob("*"))))
        fleet.clock.now += 60

    assert runs == [1, 2, 2, 3, 3, 3, 3, 4, 4]


def test_what_is_told_waits_until_the_remote_takes_it(fleet: ReconciledFleet) -> None:
    def refuse(*_: object) -> None:
        raise GitFailedError("no")

    loop = fleet.loop()
    loop.git = GitWork(fetch_here, refuse)
    cycle = loop.once()
    assert fleet.diary.unpublished_for == ["no"]

    fleet.loop().once()  # a new process

    assert [note["kind"] for note in fleet.notes(cycle.revision)] == ["applied"]


def test_what_fails_for_good_to_be_told_keeps_nothing_back_and_is_tried_ever_more_rarely(
    fleet: ReconciledFleet,
) -> None:
    bad, told = git(fleet.folder, "rev-parse", "HEAD"), Counter[str]()

    def publish(folder: Path, trust: Trust, forge: ForgeAccess, given: Mapping[str, Any]) -> None:
        told["bad" if given["commit"] == bad else "good"] += 1
        if given["commit"] == bad:
            raise GitFailedError("the proposal is locked")
        publish_here(folder, trust, forge, given)

    loop = fleet.loop()
    loop.git = GitWork(fetch_here, publish)
    loop.once()
    good = fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    for _ in range(9):  # one a minute
        fleet.clock.now += 60
        loop.once()

    assert [note["kind"] for note in fleet.notes(good)] == ["applied"]
    assert "7000" in git(fleet.remote, "show", "fleetsched/state:state.json")
    assert told == {"bad": 4, "good": 1}
    assert [event["revision"] for event in loop.memory.pending] == [bad]


def test_a_remote_that_takes_nothing_is_asked_twice_a_cycle(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    event = loop.memory.events[0]
    loop.memory.learn([replace(event, revision=digit * 40) for digit in "abcd"], whole=True)
    asked: list[str] = []

    def refuse(folder: Path, trust: Trust, forge: ForgeAccess, given: Mapping[str, Any]) -> None:
        asked.append(given["commit"][0])
        raise GitFailedError("no")

    loop.git = GitWork(fetch_here, refuse)
    for _ in range(2):
        loop.once()
    assert asked == ["a", "b", "c", "d"]


class FullDisk:
    """From now on, nothing can be written to the state folder, until there is room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        for module in (
            "fleetsched.reconcile.memory",
            "fleetsched.operations.files",
            "fleetsched.fleetrepo.clone",
        ):
            monkeypatch.setattr(f"{module}.replace_file", partial(self._replace, replace_file))
        monkeypatch.setattr("fleetsched.rollout.journal.os.fsync", partial(self._sync, os.fsync))

    def _fail(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _replace(self, really: Callable[[Path, bytes], None], file: Path, content: bytes) -> None:
        self._fail()
        really(file, content)

    def _sync(self, really: Callable[[int], None], descriptor: int) -> None:
        self._fail()
        really(descriptor)


def test_a_full_disk_is_told_and_ends_nothing_and_no_rollout_begins_without_a_journal(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    disk = FullDisk(monkeypatch)

    codes = [loop.once().code for _ in range(2)]

    assert codes == [ExitCode.ERROR, ExitCode.OK]  # then it waits before it tries again
    assert fleet.slices() == dict.fromkeys(NAMES, 5000)
    assert [event.text for event in fleet.diary.events[1:]] == [
        "broken off: No space left on device",
        f"{loop.state.path}/memory.json cannot be written: No space left on device",
    ]
    disk.is_full = False
    fleet.clock.now += 60
    assert loop.once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 7000)
    assert Memory(loop.state.path).events == loop.memory.events


def test_a_state_that_cannot_be_written_is_told_and_keeps_nothing_else_back(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "state.json")

    monkeypatch.setattr("fleetsched.reconcile.loop.write_snapshot", full)
    cycle = fleet.loop().once()
    assert fleet.diary.unpublished_for == ["the state cannot be written: No space left on device"]
    assert [note["kind"] for note in fleet.notes(cycle.revision)] == ["applied"]


def test_a_run_whose_journal_fails_in_the_middle_is_gone_on_with(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.commit(("slice_us: 5000", "slice_us: 7000"))
    disk = FullDisk(monkeypatch)
    disk.is_full = False
    fleet.diary.on_word["baking"] = lambda: setattr(disk, "is_full", True)
    assert loop.once().code is ExitCode.ERROR
    fleet.diary.on_word.clear()

    disk.is_full = False
    pass_time(fleet, 600)
    fleet.clock.now += 60

    assert loop.once().code is ExitCode.OK
    assert fleet.slices() == dict.fromkeys(NAMES, 7000)
    assert [host.lease for host in fleet.hosts.values()] == [None] * 3


def test_the_state_is_pushed_without_addresses_and_does_not_grow_the_branch(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.clock.now += 700
    loop.once()

    text = git(fleet.remote, "show", "fleetsched/state:state.json")
    assert set(json.loads(text)["hosts"]) == set(NAMES)
    assert "ansible_host" not in text
    assert git(fleet.remote, "rev-list", "--count", "fleetsched/state") == "1"


def test_the_proposal_learns_what_became_of_it(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    fleet.hosts["lab-2"].behaviours = {"fair": Behaviour(ejected_after_ms=6000)}
    forge = LocalForge(Branches(fleet.folder, Trust()), lambda: "2026-01-01T00:00:00Z")
    text = (fleet.folder / MANIFEST).read_text().replace("slice_us: 5000", "slice_us: 7000")
    base = forge.proposals().trusted
    files = {MANIFEST: text.encode()}
    change = Change("lab-fairness", "fair", base, "Longer slices", "why", "f" * 64, files)
    forge.merge(forge.approve(forge.open(change, None), "fair@x"))

    loop.once()
    loop.once()

    (proposal,) = forge.proposals().proposals
    (report,) = proposal.reports
    assert report.text.startswith("rolled-back at ")
    assert (
        "failed on lab-2; every host runs what it ran before; not tried again until it changes" in report.text
    )


def test_a_damaged_clone_is_made_afresh(fleet: ReconciledFleet) -> None:
    loop = fleet.loop()
    loop.once()
    clone = loop.state.repository
    (clone / ".git" / "index.lock").touch()
    (clone / "manifests" / "extra.yaml").write_text("left by somebody\n")
    assert loop.once().code is ExitCode.OK
    for folder in (clone / ".git" / "objects").iterdir():
        shutil.rmtree(folder)
    assert loop.once().code is ExitCode.OK


def test_who_interrupts_the_end_of_a_killed_run_ends_the_loop_with_it(
    fleet: ReconciledFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = fleet.loop()
    loop.once()
    (journal,) = loop.state.journals.iterdir()
    *whole, _ = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(whole), encoding="utf-8")  # as if it had been killed before its last line

    def interrupted(*_: object, **__: object) -> None:
        raise InterruptedRunError("run was left in the middle")

    monkeypatch.setattr("fleetsched.operations.reconcile.finish_rollback", interrupted)
    with pytest.raises(InterruptedRunError):
        loop.once()
