# SPDX-License-Identifier: Apache-2.0
"""The backend without a language model, over a lab that knows which parameters are best."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleetsched.agent.budget import Meter
from fleetsched.agent.catalogue_backend import FEW, CatalogueBackend
from fleetsched.agent.interface import Candidate, Draft, LabLostError, Task
from fleetsched.agent.workbench import Means
from fleetsched.errors import BuildError, HelperError, LabError, WorkloadError
from fleetsched.model.controller import Budget
from fleetsched.model.evidence import Evidence, Measured
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.lesson import Lesson
from fleetsched.model.policy import Policy
from tests.unit.workbenches import FakeLab, digest, task, workbench

DAY = "2026-01-02"
DEFAULT_US = 1000.0
BEST_SLICE_US = 900
NAMES = ("interactive", "deadline", "fair", "throughput", "batch")


@dataclass
class Lab(FakeLab):
    """`interactive` is best, the more so the nearer its slice is to `BEST_SLICE_US`; others lose a little.

    Attributes:
        ejected: policies that do not live through an experiment.
        slices: of `interactive`, in the order in which they were measured.
    """

    ejected: tuple[str, ...] = ()
    slices: list[int] = field(default_factory=list)

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        if candidate.policy in self.ejected:
            raise HelperError("candidate did not stay: runnable task stall", code="ejected")
        found = super().measure(candidate, repeats, seed, budget_s)
        ours = DEFAULT_US * 1.05
        if candidate.policy == "interactive":
            slice_us = int(candidate.parameters.get("slice_us", 3000))
            self.slices.append(slice_us)
            ours = DEFAULT_US * (0.4 + 0.2 * abs(math.log(slice_us / BEST_SLICE_US)))
        samples = {"kernel-default": (DEFAULT_US,) * 3, "candidate": (ours,) * 3}
        metric = Measured("wakeup_latency_p99_us", "us", "minimize", samples)
        return replace(found, measured=(metric,), comparisons=())


def draft(
    folder: Path, lab: FakeLab, *, asked: Task | None = None, candidates: int = 12, seed: int = 1
) -> Draft:
    asked = asked or task(*NAMES)
    meter = Meter(Budget(candidates=candidates), clock=lambda: 0.0)
    bench = workbench(folder, lab, asked=asked, meter=meter)
    return CatalogueBackend(meter, DAY, seed).draft(asked, bench, lambda line: None)


def test_the_few_that_suit_best_are_measured_and_the_best_is_tuned(tmp_path: Path) -> None:
    lab = Lab()
    found = draft(tmp_path, lab)
    assert found.candidate is not None
    assert found.candidate.policy == "interactive"
    assert [each.policy for each in found.tried[:FEW]] == ["interactive", "deadline", "fair"]
    assert {each.policy for each in found.tried[FEW:]} == {"interactive"}
    assert lab.slices[0] == 3000
    assert found.candidate.parameters["slice_us"] == min(
        lab.slices, key=lambda each: abs(math.log(each / BEST_SLICE_US))
    )
    assert abs(math.log(int(found.candidate.parameters["slice_us"]) / BEST_SLICE_US)) < math.log(3000 / 900)
    assert (found.backend, found.ended, found.spent.candidates) == ("catalogue", "candidates", 12)
    assert len(found.evidence) == len(found.tried) == 12
    assert found.explanation.splitlines()[:2] == [
        "interactive (its defaults): -35.9 % against the better of what there is",
        "deadline (its defaults): +5.0 % against the better of what there is",
    ]


def test_runners_up_are_something_else_than_the_best_and_were_better_too(tmp_path: Path) -> None:
    found = draft(tmp_path, Lab())
    (runner_up,) = found.runners_up
    assert (runner_up.policy, runner_up.parameters) == ("interactive", {})
    assert found.line == (found.candidate, runner_up)
    assert draft(tmp_path / "alone", Lab(), asked=task("interactive"), candidates=1).runners_up == ()


def test_the_same_seed_and_the_same_measurements_give_the_same_draft(tmp_path: Path) -> None:
    first, again = Lab(), Lab()
    assert draft(tmp_path / "1", first).candidate == draft(tmp_path / "2", again).candidate
    assert first.slices == again.slices
    other = Lab()
    draft(tmp_path / "3", other, seed=2)
    assert other.slices != first.slices


def test_what_does_not_beat_the_kernels_own_scheduler_is_not_drafted(tmp_path: Path) -> None:
    found = draft(tmp_path, Lab(), asked=task("deadline", "fair"), candidates=4)
    assert found.candidate is None
    assert found.explanation.splitlines()[-1] == "Nothing beat what there is, so nothing is drafted."


def test_where_nothing_suits_nothing_is_tried(tmp_path: Path) -> None:
    found = draft(tmp_path, Lab(), asked=task("throughput", "batch"))
    assert (found.candidate, found.tried, found.ended) == (None, (), "finished")
    assert "No policy that can be measured here suits better" in found.explanation


def test_what_a_gate_stops_is_a_lesson_and_the_next_is_tried(tmp_path: Path) -> None:
    stall = GateFinding("runnable-task-stall", "a task\x1b did not run for 5 s")
    found = draft(tmp_path, Lab(stops={"c1": (Gate.STRESS, stall)}), candidates=4)
    assert found.lessons == (
        Lesson(
            "message-wakeups",
            "6.18",
            "interactive",
            "failed",
            "gate stress: a task did not run for 5 s",
            DAY,
            "wakeup_latency_p99_us",
            digest=digest("interactive")[:12],
        ),
    )
    assert [each.policy for each in found.tried][1] == "deadline"


def test_who_is_ejected_while_measured_is_a_lesson(tmp_path: Path) -> None:
    found = draft(tmp_path, Lab(ejected=("interactive",)), candidates=3)
    assert [(lesson.policy, lesson.outcome) for lesson in found.lessons] == [("interactive", "failed")]
    assert found.candidate is None


class _Broken(FakeLab):
    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        raise WorkloadError("workload message-wakeups: no number for wakeup_latency_p99_us")


def test_a_workload_that_fails_is_no_lesson_about_the_policy(tmp_path: Path) -> None:
    found = draft(tmp_path, _Broken())
    assert (found.lessons, found.candidate, len(found.tried)) == ((), None, FEW)
    assert "no number for wakeup_latency_p99_us" in found.explanation


class _Silent(Lab):
    """A lab where a run with `interactive` prints no number for the objective."""

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        found = super().measure(candidate, repeats, seed, budget_s)
        other = replace(found.measured[0], metric="requests_per_second")
        return replace(found, measured=(other,)) if candidate.policy == "interactive" else found


def test_a_measurement_without_the_objective_is_left_out_and_the_next_is_tried(tmp_path: Path) -> None:
    found = draft(tmp_path, _Silent())
    assert [each.policy for each in found.tried[:2]] == ["interactive", "deadline"]
    assert "gave no number for wakeup_latency_p99_us" in found.explanation
    assert (found.error, found.lessons) == (None, ())


@dataclass
class _Dying(Lab):
    """A lab whose machines die in these measurements, counted from 1."""

    deaths: tuple[int, ...] = ()
    asked: int = 0

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        self.asked += 1
        if self.asked in self.deaths:
            raise LabError("the machine does not come up")
        return super().measure(candidate, repeats, seed, budget_s)


def test_a_machine_that_dies_is_tried_once_more(tmp_path: Path) -> None:
    found = draft(tmp_path, _Dying(deaths=(1,)), candidates=3)
    assert (found.ended, found.error, len(found.evidence)) == ("candidates", None, 3)
    assert found.explanation.splitlines()[0] == (
        "The lab failed, and is tried once more: the machine does not come up"
    )


def test_a_lab_that_is_lost_ends_it_with_the_best_so_far_and_the_lessons(tmp_path: Path) -> None:
    stall = GateFinding("runnable-task-stall", "a task did not run for 5 s")
    lab = _Dying(deaths=(2, 3), stops={"c2": (Gate.STRESS, stall)})
    found = draft(tmp_path, lab)
    assert found.candidate is not None
    assert (found.candidate.policy, found.ended) == ("interactive", "lab")
    assert str(found.error) == "the lab failed 2 times in a row: the machine does not come up"
    assert [(lesson.policy, lesson.outcome) for lesson in found.lessons] == [("deadline", "failed")]


def test_without_a_lab_there_is_no_draft_and_it_says_why(tmp_path: Path) -> None:
    found = draft(tmp_path, _Dying(deaths=(1, 2)))
    assert (found.candidate, found.ended, len(found.tried)) == (None, "lab", 1)
    assert isinstance(found.error, LabLostError)


class _NoMachine(FakeLab):
    def gates(self, candidate: Candidate, until: Gate) -> GateReport:
        self.checked.append((candidate.id, until))
        broken = GateResult(Gate.VERIFY, GateVerdict.ERROR, "6.18", log="no QEMU here\nmore")
        return GateReport(candidate.policy, candidate.variant, digest(candidate.policy), (broken,))


class _OtherKernel(Lab):
    def gates(self, candidate: Candidate, until: Gate) -> GateReport:
        found = super().gates(candidate, until)
        if candidate.policy != "interactive":
            return found
        skipped = GateResult(
            Gate.VERIFY, GateVerdict.SKIPPED, "6.18.2", log="needs kernel >=7.0, runs 6.18.2"
        )
        return replace(found, results=(*found.results[:3], skipped))


def test_who_is_for_another_kernel_is_no_lesson_and_the_next_is_tried(tmp_path: Path) -> None:
    found = draft(tmp_path, _OtherKernel(), candidates=3)
    assert found.explanation.splitlines()[0] == (
        "interactive (its defaults): no gate has loaded it: needs kernel >=7.0, runs 6.18.2"
    )
    assert (found.error, found.lessons) == (None, ())
    assert len(found.evidence) == len(found.tried) - 1 == 2


def test_gates_that_cannot_run_are_a_lab_that_is_lost(tmp_path: Path) -> None:
    lab = _NoMachine()
    found = draft(tmp_path, lab)
    assert len(lab.checked) == 2
    assert str(found.error).splitlines()[0] == (
        "the lab failed 2 times in a row: gate verify could not run: no QEMU here"
    )


def test_a_full_disk_is_a_lab_that_is_lost(tmp_path: Path) -> None:
    class Full(Lab):
        def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
            raise OSError(28, "No space left on device", "/var/tmp/overlay")

    found = draft(tmp_path, Full())
    assert found.ended == "lab"
    assert "No space left on device: /var/tmp/overlay" in str(found.error)


@dataclass
class _Interrupted(Lab):
    """A lab in which somebody wants the run to end, in the third measurement."""

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        if len(self.measured) == 2:
            raise KeyboardInterrupt
        return super().measure(candidate, repeats, seed, budget_s)


def test_an_interruption_ends_it_with_what_is_known_and_drafts_nothing(tmp_path: Path) -> None:
    stalls = GateFinding("runnable-task-stall", "a task did not run for 5 s")
    found = draft(tmp_path, _Interrupted(stops={"c2": (Gate.STRESS, stalls)}))
    assert (found.ended, found.line, found.error) == ("interrupted", (), None)
    assert [each.policy for each in found.tried] == ["interactive", "deadline", "fair", "interactive"]
    assert len(found.evidence) == 2
    assert [(each.policy, each.outcome) for each in found.lessons] == [("deadline", "failed")]
    assert found.explanation.splitlines()[-2:] == [
        "The search was interrupted, so nothing is drafted.",
        "The best of the search: interactive (its defaults).",
    ]


class _DoesNotCompile(Lab):
    def means(self) -> Means:
        def compiled(policy: Policy, variant: str) -> str:
            if policy.name == "interactive":
                raise BuildError("policy interactive does not compile")
            return super(_DoesNotCompile, self).means().digest(policy, variant)

        return replace(super().means(), digest=compiled)


def test_a_policy_that_does_not_compile_here_is_left_out(tmp_path: Path) -> None:
    found = draft(tmp_path, _DoesNotCompile(), candidates=2)
    assert [each.policy for each in found.tried] == ["deadline", "fair"]
    assert found.explanation.splitlines()[0] == "interactive: policy interactive does not compile"


def test_what_failed_before_is_left_out_and_what_did_well_is_asked_early(tmp_path: Path) -> None:
    failed = Lesson("message-wakeups", "6.18", "deadline", "failed", "stalls", DAY)
    good = replace(failed, policy="interactive", outcome="better", parameters={"slice_us": 950})
    asked = task(*NAMES)
    lab = Lab()
    bench = workbench(tmp_path / "before", lab, asked=asked)
    known = replace(failed, digest=bench.choose("deadline", "default", {}).digest[:12])
    found = draft(tmp_path / "now", lab, asked=replace(asked, lessons=(good, known)), candidates=6)
    assert "deadline (its defaults): left out, it failed before: stalls" in found.explanation
    assert lab.slices[:2] == [3000, 950]
    other = replace(asked, lessons=(replace(known, kernel="6.16"),), kernel="6.18")
    assert "left out" not in draft(tmp_path / "other", lab, asked=other, candidates=3).explanation


def test_time_that_is_used_up_ends_it_with_the_best_so_far(tmp_path: Path) -> None:
    seconds = iter(range(0, 100_000, 60))
    asked = task(*NAMES)
    meter = Meter(Budget(wall_s=900, candidates=100), clock=lambda: float(next(seconds)))
    bench = workbench(tmp_path, Lab(), asked=asked, meter=meter)
    found = CatalogueBackend(meter, DAY).draft(asked, bench, lambda line: None)
    assert found.ended == "wall"
    assert found.candidate is not None
    assert found.candidate.policy == "interactive"
    assert "The search ended early: the budget of 900 s is spent." in found.explanation


@dataclass
class _Even(Lab):
    """All parameters of `interactive` end in the same bucket."""

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        found = super().measure(candidate, repeats, seed, budget_s)
        samples = {"kernel-default": (DEFAULT_US,) * 3, "candidate": (512.0,) * 3}
        return replace(found, measured=(replace(found.measured[0], samples=samples),))


def test_among_equals_the_defaults_come_first_and_it_says_so(tmp_path: Path) -> None:
    found = draft(tmp_path, _Even(), asked=task("interactive"), candidates=6)
    assert found.candidate is not None
    assert (found.candidate.policy, found.candidate.parameters) == ("interactive", {})
    assert found.explanation.splitlines()[-1] == (
        "The best of the search: interactive (its defaults). Others did as well in the objective: 5; among "
        "equals came first the one with its defaults, then the one that uses up less of the guardrails, then "
        "the one with fewer waits in the same bucket or beyond."
    )
