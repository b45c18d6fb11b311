# SPDX-License-Identifier: Apache-2.0
"""How a candidate did in one short experiment, as one number to search by. Pure.

It only steers a search: what is proposed is judged by the findings of the final comparison alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from fleetsched.errors import WorkloadError
from fleetsched.model.evidence import CANDIDATE, Evidence, Measured
from fleetsched.model.goal import Guardrail, WorkloadGoal

PENALTY = 1.0
"""Added for every guardrail that the medians break: a candidate must be e times better to make up for it."""

_LEAST = 1e-9  # numbers are times, rates and counts: below this they are nothing


@dataclass(frozen=True, slots=True)
class Score:
    """How a candidate did.

    Attributes:
        change: of the objective against the better one of the other arms, as a share; below 0 = better.
        broken: guardrails that the medians break.
    """

    change: float
    broken: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """The number to search by: the smaller the better, 0 = as good as what there is."""
        return math.log1p(max(self.change, _LEAST - 1)) + PENALTY * len(self.broken)

    @property
    def is_better(self) -> bool:
        """Whether it is worth a final comparison."""
        return self.change < 0 and not self.broken


def score(evidence: Evidence, goal: WorkloadGoal) -> Score:
    """Say how the candidate of an experiment did for a goal.

    Raises:
        WorkloadError: the experiment did not measure the goal's objective, or the goal has none.
    """
    by_name = {measured.metric: measured for measured in evidence.measured}
    objective = goal.objective.metric if goal.objective else ""
    if objective not in by_name:
        raise WorkloadError(
            f"workload {evidence.workload} gave no number for {objective or 'the objective'}",
            remedy=f"goal {goal.name}: name a workload that measures it in spec.evaluation.workloads",
        )
    return Score(worsening(by_name[objective]), tuple(_broken(by_name.values(), goal.guardrails)))


def worsening(measured: Measured) -> float:
    """Say how much worse the candidate's median is than the best other arm's; below 0 = better."""
    medians = {arm: max(median(values), _LEAST) for arm, values in measured.samples.items()}
    ours = medians.pop(CANDIDATE)
    if measured.better == "minimize":
        return ours / min(medians.values()) - 1
    return max(medians.values()) / ours - 1


def _broken(measured: Iterable[Measured], guardrails: Iterable[Guardrail]) -> Iterable[str]:
    tolerated = {guardrail.metric: guardrail.max_regression / 100 for guardrail in guardrails}
    for each in measured:
        if each.metric in tolerated and worsening(each) > tolerated[each.metric]:
            yield each.metric
