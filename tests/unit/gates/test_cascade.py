# SPDX-License-Identifier: Apache-2.0
"""The gates in their order, on machines that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetsched.gates.cache import ResultCache
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.helper.simulated import EXIT_ERROR, Behaviour
from fleetsched.model.gate import Gate, GateReport, GateVerdict
from tests.unit.gates.machine import FakeMachine, FakeMachines, report

PROJECT = Path(__file__).resolve().parents[3]
BAD = PROJECT / "tests" / "policies"
SOUND = BAD / "no-hotplug"  # to the gates before any kernel, and on a machine without CPUs that go
FAIR = PROJECT / "policies" / "fair"
TWO = Wanted(("6.18", "7.3"))


def judged(folder: Path, wanted: Wanted, machines: FakeMachines, cache: Path) -> GateReport:
    (found,) = run_gates(
        [folder],
        wanted,
        lambda _: None,
        machines=machines,
        cache=ResultCache(cache),
        clock=machines.machine.clock,
    )
    return found


def said(found: GateReport) -> list[tuple[str, str, str]]:
    return [(each.kernel[:4], str(each.gate), str(each.verdict)) for each in found.results]


EARLY = [("", "schema", "passed"), ("", "compile", "passed"), ("", "inspect", "passed")]


def on(kernel: str, *verdicts: str) -> list[tuple[str, str, str]]:
    return [
        (kernel, gate, verdict)
        for gate, verdict in zip(("verify", "attach", "stress"), verdicts, strict=False)
    ]


def test_a_sound_policy_passes_all_gates_on_all_kernels(tmp_path: Path) -> None:
    machines = FakeMachines()
    found = judged(SOUND, TWO, machines, tmp_path)
    passed = ("passed",) * 3
    assert said(found) == [*EARLY, *on("6.18", *passed), *on("7.3.", *passed)]
    assert found.verdict is GateVerdict.PASSED
    assert len(found.digest) == 64
    assert machines.opened == ["6.18", "7.3"]


@pytest.mark.parametrize(
    ("name", "gate", "code"),
    [("does-not-compile", Gate.COMPILE, "compile-error")],
)
def test_what_is_wrong_before_any_kernel_starts_no_machine(
    tmp_path: Path, name: str, gate: Gate, code: str
) -> None:
    machines = FakeMachines()
    found = judged(BAD / name, TWO, machines, tmp_path)
    assert machines.opened == []
    stopped = found.stopped_by
    assert stopped is not None
    assert (stopped.gate, stopped.findings[0].code) == (gate, code)
    assert found.results[-1] is stopped


def test_nothing_follows_a_failure_on_a_kernel_and_the_others_go_on(tmp_path: Path) -> None:
    machine = FakeMachine({"no-hotplug": Behaviour(init_exit=EXIT_ERROR)})
    found = judged(SOUND, TWO, FakeMachines(machine), tmp_path)
    failed = ("passed", "failed")
    assert said(found) == [*EARLY, *on("6.18", *failed), *on("7.3.", *failed)]
    assert found.stopped_by is not None
    assert found.stopped_by.findings[0].message == "runtime error: ops.init() failed (-22)"


def test_an_ejection_is_told_with_the_kernels_words(tmp_path: Path) -> None:
    machine = FakeMachine({"no-hotplug": Behaviour(ejected_after_ms=3000)})
    found = judged(SOUND, TWO, FakeMachines(machine), tmp_path)
    assert found.stopped_by is not None
    assert found.stopped_by.gate is Gate.ATTACH
    assert found.stopped_by.findings[0].code == "runnable-task-stall"


def test_a_verdict_is_remembered_and_an_error_is_not(tmp_path: Path) -> None:
    first = FakeMachines(missing=frozenset({"7.3"}))
    assert judged(SOUND, TWO, first, tmp_path).verdict is GateVerdict.ERROR
    again = FakeMachines()
    found = judged(SOUND, TWO, again, tmp_path)
    assert again.opened == ["7.3"]
    assert [result.cached for result in found.results if result.kernel.startswith("6.18")] == [True] * 3
    assert found.verdict is GateVerdict.PASSED


def test_a_remembered_failure_is_the_last_word_on_its_kernel(tmp_path: Path) -> None:
    machine = FakeMachine(write=lambda ops, at_s: report(ops, at_s=at_s, did={"light": 0}))
    wanted = Wanted(("6.18",))
    fresh = judged(SOUND, wanted, FakeMachines(machine), tmp_path)
    again = FakeMachines()
    found = judged(SOUND, wanted, again, tmp_path)
    assert again.opened == []
    assert said(found) == said(fresh) == [*EARLY, *on("6.18", "passed", "passed", "failed")]


def test_one_may_ask_for_more_than_is_remembered(tmp_path: Path) -> None:
    judged(SOUND, Wanted(("6.18",)), FakeMachines(), tmp_path)
    machines = FakeMachines()
    found = judged(SOUND, Wanted(("6.18",), until=Gate.SOAK), machines, tmp_path)
    assert machines.opened == ["6.18"]
    # The judge of this scenario ends before the soak, which is no verdict about the policy.
    assert found.results[-1].gate is Gate.SOAK


def test_nobody_remembers_when_asked_not_to(tmp_path: Path) -> None:
    judged(SOUND, TWO, FakeMachines(), tmp_path)
    machines = FakeMachines()
    judged(SOUND, Wanted(TWO.kernels, cached=False), machines, tmp_path)
    assert machines.opened == ["6.18", "7.3"]


def test_a_machine_that_hangs_once_is_tried_again(tmp_path: Path) -> None:
    machine = FakeMachine(hangs=1)
    assert judged(SOUND, Wanted(("6.18",)), FakeMachines(machine), tmp_path).verdict is GateVerdict.PASSED
    assert machine.resets == 1


def test_a_machine_that_hangs_twice_convicts(tmp_path: Path) -> None:
    machine = FakeMachine(hangs=2)
    found = judged(SOUND, Wanted(("6.18",)), FakeMachines(machine), tmp_path)
    assert found.stopped_by is not None
    assert (found.stopped_by.gate, found.stopped_by.findings[0].code) == (Gate.ATTACH, "machine-hangs")
    assert "the kernel's last words" in found.stopped_by.log
    again = FakeMachines()
    judged(SOUND, Wanted(("6.18",)), again, tmp_path)
    assert again.opened == ["6.18"]  # not remembered


def test_a_computer_that_is_too_busy_convicts_nobody(tmp_path: Path) -> None:
    found = judged(SOUND, Wanted(("6.18",)), FakeMachines(FakeMachine(hangs=2, slow=True)), tmp_path)
    assert found.verdict is GateVerdict.ERROR
    assert "too busy" in found.results[-1].log


PROGRAM = """\
apiVersion: fleetsched/v1
kind: Policy
metadata: {name: installed}
spec:
  kind: program
  summary: a scheduler that the hosts have
  program: {path: /usr/sbin/scx_mine}
  provenance: {origin: test}
"""


def test_a_program_is_only_read(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "policy.yaml").write_text(PROGRAM)
    machines = FakeMachines()
    found = judged(folder, TWO, machines, tmp_path / "cache")
    assert machines.opened == []
    assert [(str(each.gate), str(each.verdict)) for each in found.results] == [
        ("schema", "passed"),
        *((gate, "skipped") for gate in ("compile", "inspect", "verify", "attach", "stress")),
    ]
    assert found.verdict is GateVerdict.PASSED


def test_a_policy_explains_itself_or_says_that_it_is_a_test(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "policy.yaml").write_text(PROGRAM.replace("  provenance: {origin: test}\n", ""))
    found = judged(folder, TWO, FakeMachines(), tmp_path / "cache")
    assert found.stopped_by is not None
    assert [f"{each.code}: {each.message}" for each in found.stopped_by.findings] == [
        "no-readme: it has no README.md",
        "incomplete-metadata: `algorithm` is missing",
        "incomplete-metadata: `suitability` is missing",
        "incomplete-metadata: `cost` is missing",
        "incomplete-metadata: `failureModes` is missing",
        "incomplete-metadata: `provenance.origin` is missing",
    ]


def for_newer_kernels(folder: Path) -> Path:
    folder.mkdir()
    for file in SOUND.glob("*.*"):
        text = file.read_text().replace('">=6.12"', '">=7.0"')
        (folder / file.name).write_text(text)
    return folder


def test_a_kernel_that_a_policy_does_not_want_is_skipped(tmp_path: Path) -> None:
    machines = FakeMachines()
    found = judged(for_newer_kernels(tmp_path / "no-hotplug"), TWO, machines, tmp_path / "cache")
    assert (found.verdict, found.left_out) == (GateVerdict.PASSED, None)
    assert said(found) == [*EARLY, ("6.18", "verify", "skipped"), *on("7.3.", "passed", "passed", "passed")]
    assert machines.opened == ["7.3"]


def test_a_policy_for_none_of_the_kernels_was_judged_by_nobody(tmp_path: Path) -> None:
    found = judged(for_newer_kernels(tmp_path / "no-hotplug"), Wanted(("6.18",)), FakeMachines(), tmp_path)
    assert said(found) == [*EARLY, ("6.18", "verify", "skipped")]
    assert (found.verdict, found.left_out) == (GateVerdict.ERROR, found.results[-1])
    assert not found.passes(Gate.STRESS)


def test_parameters_go_along_and_are_another_question(tmp_path: Path) -> None:
    given = Wanted(("6.18",), parameters={"slice_us": 700})
    judged(FAIR, Wanted(("6.18",)), FakeMachines(), tmp_path)
    machines = FakeMachines()
    found = judged(FAIR, given, machines, tmp_path)
    attached = next(entry for entry in machines.machine.host.disk.history if entry["event"] == "attached")
    assert attached["assignment"]["parameters"] == {"slice_us": 700}
    assert (found.verdict, found.parameters) == (GateVerdict.PASSED, {"slice_us": 700})
    again = FakeMachines()
    assert judged(FAIR, given, again, tmp_path).results[-1].cached
    assert again.opened == []
    by_itself = Wanted(("6.18",), parameters={"slice_us": 5000})
    assert judged(FAIR, by_itself, again, tmp_path).parameters == {}
    assert again.opened == []
