# SPDX-License-Identifier: Apache-2.0
"""What is proposed is better for sure, and loses nothing that matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fleetsched.errors import WorkloadError
from fleetsched.model.evidence import Comparison, Finding
from fleetsched.model.goal import Guardrail, Objective, WorkloadGoal
from fleetsched.model.judgement import Compared, Role, judge
from tests.unit.experiments import evidence

P99, RATE, OTHER = "wakeup_latency_p99_us", "requests_per_second", "completion_time_s"
GOAL = WorkloadGoal(
    "web", "web", "default", objective=Objective(P99, "minimize"), guardrails=(Guardrail(RATE, 5.0),)
)
BETTER, WORSE, SIMILAR, UNSURE = Finding.BETTER, Finding.WORSE, Finding.SIMILAR, Finding.INCONCLUSIVE

Said = tuple[str, str, Finding]


def compared(*said: Said, workload: str = "hackbench", role: Role = "evaluation") -> Compared:
    comparisons = [
        Comparison(metric, against, (80.0, 100.0), -0.2, (-0.3, -0.1), 0.01, 0.02, 0.9, finding)
        for metric, against, finding in said
    ]
    return Compared(role, replace(evidence(workload=workload), comparisons=tuple(comparisons)))


DEFAULT, INCUMBENT = "kernel-default", "incumbent"
KEPT: Said = (RATE, DEFAULT, SIMILAR)
GOOD = compared((P99, DEFAULT, BETTER), (P99, INCUMBENT, BETTER), (RATE, DEFAULT, UNSURE))


@pytest.mark.parametrize(
    ("all_compared", "objections", "finding"),
    [
        ([GOOD], [], BETTER),
        (
            [compared((P99, DEFAULT, BETTER), (P99, INCUMBENT, SIMILAR), KEPT)],
            [f"{P99} on hackbench, -20.0 % against incumbent: not shown to be better"],
            SIMILAR,
        ),
        (
            [compared((P99, DEFAULT, UNSURE), KEPT)],
            [f"{P99} on hackbench, -20.0 % against kernel-default: not shown to be better"],
            UNSURE,
        ),
        (
            [compared((P99, DEFAULT, BETTER), (RATE, DEFAULT, WORSE))],
            [f"{RATE} on hackbench, -20.0 % against kernel-default: a guardrail is broken"],
            WORSE,
        ),
        ([compared((P99, DEFAULT, BETTER), (OTHER, DEFAULT, WORSE), KEPT)], [], BETTER),
        ([GOOD, compared((P99, DEFAULT, SIMILAR), workload="second")], [], BETTER),
        (
            [GOOD, compared((P99, DEFAULT, WORSE), workload="second")],
            [f"{P99} on second, -20.0 % against kernel-default: worse"],
            WORSE,
        ),
        (
            [GOOD, compared((P99, INCUMBENT, WORSE), workload="held", role="hold-out")],
            [f"{P99} on held, -20.0 % against incumbent: held out, and worse"],
            WORSE,
        ),
        (
            [GOOD, compared((OTHER, DEFAULT, WORSE), workload="held", role="hold-out")],
            [f"{OTHER} on held, -20.0 % against kernel-default: held out, and worse"],
            WORSE,
        ),
        (
            [
                GOOD,
                compared((P99, DEFAULT, SIMILAR), (OTHER, DEFAULT, WORSE), workload="held", role="hold-out"),
            ],
            [],
            BETTER,
        ),
    ],
)
def test_only_what_is_better_for_sure_is_proposed(
    all_compared: Sequence[Compared], objections: list[str], finding: Finding
) -> None:
    judged = judge(GOAL, all_compared)
    assert list(judged.objections) == objections
    assert judged.finding is finding
    assert judged.proposes == (not objections)


@pytest.mark.parametrize(
    ("one_of", "objections"),
    [
        (2, []),
        (
            3,
            [
                f"{P99} on hackbench, -20.0 % against {against}: not shown to be better for one of 3 "
                "candidates: p is 0.020, and 0.017 would do"
                for against in (DEFAULT, INCUMBENT)
            ],
        ),
    ],
)
def test_of_several_candidates_each_has_to_be_surer(one_of: int, objections: list[str]) -> None:
    judged = judge(GOAL, [GOOD], one_of)
    assert list(judged.objections) == objections
    assert judged.finding is (UNSURE if objections else BETTER)


@pytest.mark.parametrize(
    ("runs", "one_of", "is_enough"),
    [
        (4, 1, False),  # two comparisons, and 70 ways to deal 8 runs to two arms: 2 * 2 / 70 = 5.7 %
        (5, 1, True),
        (5, 3, True),  # 3 * 2 * 2 / 252 = 4.8 %
        (5, 4, False),
    ],
)
def test_runs_that_can_show_nothing_are_said_to_be_too_few(runs: int, one_of: int, is_enough: bool) -> None:
    two = compared((P99, DEFAULT, UNSURE), KEPT)
    short = replace(two, evidence=replace(two.evidence, order=two.evidence.order[:runs]))
    judged = judge(GOAL, [short], one_of)
    assert judged.had_time == is_enough
    (objection,) = judged.objections
    words = f"{P99} on hackbench, -20.0 % against kernel-default: not shown to be better"
    why = f": {runs} runs of each can show nothing, and there was no time for more"
    assert objection == (words if is_enough else words + why)


def test_what_is_worse_is_an_objection_however_many_candidates_there_are() -> None:
    held = compared((P99, DEFAULT, WORSE), workload="held", role="hold-out")
    objections = judge(GOAL, [GOOD, held], 3).objections
    assert objections[-1] == f"{P99} on held, -20.0 % against kernel-default: held out, and worse"


@pytest.mark.parametrize(("accepted", "proposes"), [(False, False), (True, True)])
def test_a_guardrail_that_nothing_measured_is_not_held_to_be_kept(accepted: bool, proposes: bool) -> None:
    goal = replace(GOAL, guardrails=(*GOAL.guardrails, Guardrail("cpu_some_avg10", 5.0, accepted)))
    judged = judge(goal, [GOOD])
    assert (judged.proposes, judged.unmeasured) == (proposes, ("cpu_some_avg10",))
    if not proposes:
        said = "cpu_some_avg10: a guardrail that nothing measured: not known to be kept"
        assert (judged.objections, judged.finding) == ((said,), UNSURE)
    elsewhere = compared(("cpu_some_avg10", DEFAULT, SIMILAR), workload="held", role="hold-out")
    assert judge(goal, [GOOD, elsewhere]).unmeasured == ()


def test_without_the_objectives_numbers_there_is_no_judgement() -> None:
    with pytest.raises(WorkloadError, match=f"^workload hackbench: not every run gave a number for {P99}"):
        judge(GOAL, [compared((RATE, DEFAULT, BETTER))])
    with pytest.raises(ValueError, match="has no objective"):
        judge(replace(GOAL, objective=None), [GOOD])
