# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.agent.interface import Candidate, Task
from fleetsched.agent.watched import Watched
from fleetsched.model.evidence import Evidence, Scalar
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.goal import Objective, WorkloadGoal
from fleetsched.model.lesson import Lesson
from fleetsched.model.profile import Profile
from fleetsched.model.suitability import rank
from tests.unit.experiments import evidence, metric

GOAL = WorkloadGoal("web", "web", "default", objective=Objective("wakeup_latency_p99_us", "minimize"))
STALL = GateFinding("runnable-task-stall", "hog[7] failed to run for 2.4s " + "x" * 300)


class Bench:
    """Measures what it is told: candidates are named by the median that they reach against 1000."""

    def read(self, policy: str) -> Mapping[str, str]:
        return {"README.md": policy}

    def headers(self) -> Mapping[str, str]:
        return {"policy.bpf.h": ""}

    def choose(self, policy: str, variant: str, parameters: Mapping[str, Scalar]) -> Candidate:
        return Candidate(policy, policy, Path(policy), variant, parameters)

    def write(self, name: str, source: str, description: str) -> Candidate:
        return Candidate(name, name, Path(name), generated=True)

    def check(self, candidate: Candidate, until: Gate) -> GateReport:
        failed = GateResult(until, GateVerdict.FAILED, "6.18", findings=(STALL,))
        passed = GateResult(until, GateVerdict.PASSED, "6.18")
        result = failed if candidate.generated else passed
        return GateReport(candidate.policy, candidate.variant, "d" * 64, (result,))

    def benchmark(self, candidate: Candidate, repeats: int) -> Evidence:
        return evidence((metric("wakeup_latency_p99_us", float(candidate.policy), 1000, incumbent=800),))


def measured(*medians: int) -> Watched:
    watched = Watched(Bench())
    for median in medians:
        watched.benchmark(watched.choose(str(median), "default", {}), 10)
    return watched


@pytest.mark.parametrize(
    ("medians", "best"),
    [
        ((), None),
        ((1000,), None),
        ((900,), None),  # better than the kernel's own scheduler, and worse than the incumbent
        ((400,), "400"),
        ((900, 400, 1000), "400"),
    ],
)
def test_the_best_is_better_than_everything_it_was_compared_with(
    medians: tuple[int, ...], best: str | None
) -> None:
    found = measured(*medians).best(GOAL)
    assert (found.id if found else None) == best


def test_without_an_objective_nothing_is_best() -> None:
    assert measured(400).best(replace(GOAL, objective=None)) is None


def test_a_failed_gate_is_a_lesson_of_bounded_length() -> None:
    watched = Watched(Bench())
    watched.check(watched.choose("fair", "default", {"slice_us": 1}), Gate.STRESS)
    watched.check(watched.write("mine", "int x;", "mine"), Gate.STRESS)
    profile = Profile(("a",), 10.0, {"wake_rate": 900.0})
    task = Task(GOAL, profile, rank("web", None, [], ()), {}, workload="pgbench")
    (lesson,) = watched.lessons(task, "2026-11-26")
    assert lesson == Lesson(
        workload="pgbench",
        kernel="6.18",
        policy="mine",
        outcome="failed",
        why=lesson.why,
        at="2026-11-26",
        objective="wakeup_latency_p99_us",
        features={"wake_rate": 900.0},
        digest="d" * 12,
    )
    assert lesson.why.startswith("stress: runnable-task-stall: hog[7] failed to run for 2.4s xxx")
    assert len(lesson.why) == 200


def test_candidates_are_remembered_with_their_digest() -> None:
    watched = Watched(Bench())
    watched.check(watched.choose("fair", "default", {}), Gate.COMPILE)
    assert [(each.policy, each.digest) for each in watched.tried.values()] == [("fair", "d" * 64)]
    assert watched.read("fair") == {"README.md": "fair"}
    assert list(watched.headers()) == ["policy.bpf.h"]
