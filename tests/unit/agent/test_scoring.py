# SPDX-License-Identifier: Apache-2.0
"""One number of an experiment to search by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.agent.scoring import PENALTY, Score, score
from fleetsched.errors import WorkloadError
from fleetsched.model.evidence import Distribution, Measured
from fleetsched.model.goal import Guardrail, Objective
from fleetsched.model.metrics import Direction
from tests.unit.experiments import evidence
from tests.unit.workbenches import GOAL

P99 = "wakeup_latency_p99_us"


def measured(
    candidate: float,
    default: float,
    incumbent: float | None = None,
    *,
    name: str = P99,
    better: Direction = "minimize",
) -> Measured:
    samples = {"kernel-default": (default,), "candidate": (candidate,)}
    more = {} if incumbent is None else {"incumbent": (incumbent,)}
    return Measured(name, "us", better, samples | more)


@pytest.mark.parametrize(
    ("metric", "change"),
    [
        (measured(50, 100), -0.5),
        (measured(200, 100), 1.0),
        (measured(100, 100), 0.0),
        (measured(50, 100, 40), 0.25),  # the incumbent is the better one of the others
        (measured(200, 100, name=P99, better="maximize"), -0.5),
    ],
)
def test_change_is_against_the_better_of_what_there_is(metric: Measured, change: float) -> None:
    assert score(evidence([metric]), GOAL).change == pytest.approx(change)


def test_a_guardrail_that_breaks_outweighs_what_was_won() -> None:
    goal = replace(GOAL, guardrails=(Guardrail("rate", 5.0),))
    lost = score(evidence([measured(50, 100), measured(80, 100, name="rate", better="maximize")]), goal)
    kept = score(evidence([measured(90, 100), measured(96, 100, name="rate", better="maximize")]), goal)
    assert (lost.broken, kept.broken) == (("rate",), ())
    assert not lost.is_better
    assert lost.loss == pytest.approx(Score(-0.5).loss + PENALTY)
    assert kept.loss < lost.loss


def test_a_workload_that_does_not_measure_the_objective_says_what_to_write() -> None:
    goal = replace(GOAL, objective=Objective("requests_per_second", "maximize"))
    with pytest.raises(WorkloadError) as caught:
        score(evidence([measured(1, 2)]), goal)
    assert str(caught.value) == (
        "workload message-wakeups gave no number for requests_per_second\n"
        "  goal web-latency: name a workload that measures it in spec.evaluation.workloads"
    )


def test_what_is_equal_in_the_objective_is_told_apart_by_guardrails_and_by_the_tail() -> None:
    """Waits beyond a percentile's bucket are counted; where in it the percentile lies is not guessed."""
    guarded = replace(GOAL, guardrails=(Guardrail("requests_per_second", 10.0),))
    rate = Measured(
        "requests_per_second", "1/s", "maximize", {"kernel-default": (100.0,) * 3, "candidate": (96.0,) * 3}
    )
    p99 = Measured(P99, "us", "minimize", {"kernel-default": (2.0,) * 3, "candidate": (2.0,) * 3})
    waits = Distribution("wakeup_latency", {"candidate": ((1024, 90), (2048, 8), (4096, 2))})
    found = score(replace(evidence([p99, rate]), distributions=(waits,)), guarded)
    assert (found.strain, found.tail) == (pytest.approx((100 / 96 - 1) / 0.1), 1.0)
    beyond = replace(p99, samples={**p99.samples, "candidate": (3.0,) * 3})
    assert score(replace(evidence([beyond, rate]), distributions=(waits,)), guarded).tail == 0.1
    assert score(evidence([p99, rate]), guarded).tail == 0.0
