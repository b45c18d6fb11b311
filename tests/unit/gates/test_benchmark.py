# SPDX-License-Identifier: Apache-2.0
"""The benchmark gate: what fails it, what it says of what passes, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.bench.measure import ArmImage
from fleetsched.gates.benchmark import Benchmark, guardrails_of, judge
from fleetsched.gates.cache import ResultCache
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.helper.simulated import Behaviour
from fleetsched.model.evidence import INCUMBENT, Arm
from fleetsched.model.gate import Gate, GateReport, GateResult, GateVerdict
from fleetsched.model.gate_records import result_from, result_record
from fleetsched.model.workload import Workload, WorkloadMetric
from tests.unit.experiments import evidence, metric
from tests.unit.gates.machine import FakeMachine, FakeMachines, FakeTarget, FakeTargets

SOUND = Path(__file__).resolve().parents[2] / "policies" / "no-hotplug"
WORKLOAD = Workload("w", ("true",), {"time_s": WorkloadMetric("s", "minimize", regex="(.*)")})
OLD = ArmImage(Arm(INCUMBENT, "fair", "default", "f1" * 32), b"elf")
ASKED = Benchmark(WORKLOAD, guardrails_of(WORKLOAD, {}), repeats=8)
EQUAL = {"kernel-default": 2.0, "incumbent": 2.0, "candidate": 2.0}
FASTER, SLOWER = EQUAL | {"candidate": 1.0}, EQUAL | {"candidate": 3.0}


def judged(
    target: FakeTarget | FakeTargets,
    cache: Path,
    asked: Benchmark = ASKED,
    *,
    machine: FakeMachine | None = None,
    kernels: tuple[str, ...] = ("6.18",),
) -> GateReport:
    machines = FakeMachines(machine or FakeMachine())
    (found,) = run_gates(
        [SOUND],
        Wanted(kernels, benchmark=asked),
        lambda _: None,
        machines=machines,
        targets=target if isinstance(target, FakeTargets) else FakeTargets(target),
        cache=ResultCache(cache),
        clock=machines.machine.clock,
    )
    return found


def last(target: FakeTarget, cache: Path, asked: Benchmark = ASKED) -> GateResult:
    return judged(target, cache, asked).results[-1]


def test_it_comes_last_on_each_kernel(tmp_path: Path) -> None:
    targets = FakeTargets(FakeTarget(EQUAL))
    found = judged(targets, tmp_path, kernels=("6.18", "7.3"))
    assert [each.gate for each in found.results[3:]] == 2 * [
        Gate.VERIFY,
        Gate.ATTACH,
        Gate.STRESS,
        Gate.BENCHMARK,
    ]
    assert targets.opened == ["6.18", "7.3"]
    assert {each.kernel for each in found.results[3:7]} == {"6.18.1+deb13-cloud-amd64"}


def test_what_fails_before_is_not_measured(tmp_path: Path) -> None:
    targets = FakeTargets(FakeTarget(EQUAL))
    stalls = FakeMachine({"no-hotplug": Behaviour(ejected_after_ms=3000)})
    found = judged(targets, tmp_path, machine=stalls)
    assert (found.results[-1].gate, found.verdict) == (Gate.ATTACH, GateVerdict.FAILED)
    assert targets.opened == []


def test_nobody_is_measured_who_did_not_ask(tmp_path: Path) -> None:
    (found,) = run_gates(
        [SOUND],
        Wanted(("6.18",), until=Gate.STRESS),
        lambda _: None,
        machines=FakeMachines(),
        cache=ResultCache(tmp_path),
    )
    assert found.results[-1].gate is Gate.STRESS


def test_better_is_said_with_its_figures(tmp_path: Path) -> None:
    result = last(FakeTarget(FASTER), tmp_path)
    assert (result.gate, result.verdict) == (Gate.BENCHMARK, GateVerdict.PASSED)
    assert result.note.startswith("better than the kernel's own scheduler: time_s -4")
    (figure,) = result.figures
    assert (figure.comparison.metric, figure.unit, figure.guardrail) == ("time_s", "s", 0.05)
    assert "time_s (s, lower is better; guardrail: may lose 5 %)" in result.log
    assert result.seconds > 0


def test_equal_passes_and_is_no_better(tmp_path: Path) -> None:
    result = last(FakeTarget(EQUAL), tmp_path)
    assert (result.verdict, result.note) == (GateVerdict.PASSED, "not better than the kernel's own scheduler")


def test_a_loss_in_a_guardrail_fails(tmp_path: Path) -> None:
    result = last(FakeTarget(SLOWER), tmp_path)
    assert result.verdict is GateVerdict.FAILED
    (finding,) = result.findings
    assert (finding.code, finding.place) == ("guardrail-lost", "time_s")
    assert finding.message.startswith("3.0")
    assert " of the kernel's own scheduler, +4" in finding.message
    assert finding.message.endswith("; 5 % is tolerated")
    assert "--guardrail METRIC=PERCENT" in finding.remedy


def test_what_is_tolerated_passes(tmp_path: Path) -> None:
    asked = replace(ASKED, guardrails=guardrails_of(WORKLOAD, {"time_s": 0.6}))
    assert last(FakeTarget(SLOWER), tmp_path, asked).verdict is GateVerdict.PASSED


def test_a_loss_against_the_incumbent_fails(tmp_path: Path) -> None:
    times = {"kernel-default": 3.0, "incumbent": 1.0, "candidate": 2.0}
    result = last(FakeTarget(times), tmp_path, replace(ASKED, incumbent=OLD))
    assert [each.code for each in result.findings] == ["guardrail-lost"]
    assert " of fair, +" in result.findings[0].message
    assert result.note.startswith("better than the kernel's own scheduler: time_s -")
    assert result.note.endswith("; not better than fair: time_s not shown to hold")


def test_a_win_beside_a_guardrail_that_is_not_shown_to_hold_does_not_count() -> None:
    sure = metric("wakeup_latency_p99_us", 400, 1600)
    few = metric("requests_per_second", 990, 1000, unit="1/s", better="maximize", guardrail=0.001)
    outcome = judge(evidence((sure, few)))
    assert outcome.passed
    assert outcome.note == (
        "not better than the kernel's own scheduler: requests_per_second not shown to hold"
    )


def test_a_policy_that_is_ended_fails(tmp_path: Path) -> None:
    result = last(FakeTarget(EQUAL, ended="candidate"), tmp_path)
    assert result.verdict is GateVerdict.FAILED
    (finding,) = result.findings
    assert finding.code == "ejected"
    assert finding.message == ("candidate no-hotplug: it did not stay: runnable task stall (in the warm-up)")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (FakeTarget(EQUAL, ended="incumbent"), "incumbent fair: it did not stay: runnable task stall"),
        (FakeTarget(EQUAL, broken=True), "it was not measured: workload w: it ended with 1"),
    ],
)
def test_what_is_not_the_policys_fault_convicts_nobody(tmp_path: Path, target: FakeTarget, why: str) -> None:
    asked = replace(ASKED, incumbent=OLD)
    result = last(target, tmp_path, asked)
    assert result.verdict is GateVerdict.ERROR
    assert why in result.log
    assert last(FakeTarget(FASTER), tmp_path, asked).verdict is GateVerdict.PASSED  # not remembered


def test_a_verdict_is_remembered_with_its_figures(tmp_path: Path) -> None:
    first = last(FakeTarget(FASTER), tmp_path)
    again = FakeTargets(FakeTarget(SLOWER))
    assert judged(again, tmp_path).results[-1] == replace(first, cached=True, seconds=round(first.seconds, 2))
    assert again.opened == []


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASKED, guardrails={"time_s": 0.1}),
        replace(ASKED, incumbent=OLD),
        replace(ASKED, repeats=9),
        replace(ASKED, workload=replace(WORKLOAD, command=("false",))),
    ],
)
def test_another_question_is_another_verdict(tmp_path: Path, asked: Benchmark) -> None:
    last(FakeTarget(FASTER), tmp_path)
    again = FakeTargets(FakeTarget(FASTER))
    judged(again, tmp_path, asked)
    assert again.opened == ["6.18"]


def test_too_few_runs_for_an_interval_are_kept_as_well() -> None:
    outcome = judge(evidence((metric("time_s", 1, 2, unit="s", count=2),)))
    result = outcome.result(Gate.BENCHMARK, kernel="6.18.1", seconds=1.0)
    assert result_from(result_record(result)) == result


def test_a_workloads_own_metrics_have_guardrails() -> None:
    assert guardrails_of(WORKLOAD, {"wakeup_latency_p99_us": 0.2}) == {
        "time_s": 0.05,
        "wakeup_latency_p99_us": 0.2,
    }
