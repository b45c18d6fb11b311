# SPDX-License-Identifier: Apache-2.0
"""How a candidate did in one short experiment, as one number to search by. Pure.

It only steers a search: what is proposed is judged by the findings of the final comparison alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from fleetsched.errors import WorkloadError
from fleetsched.model.evidence import CANDIDATE, Evidence, Measured
from fleetsched.model.goal import Guardrail, WorkloadGoal

PENALTY = 1.0
"""Added for every guardrail that the medians break: a candidate must be e times better to make up for it."""

_PERCENTILE = re.compile(r"(?P<kind>\w+_latency)_p\d+_us")
_LEAST = 1e-9  # numbers are times, rates and counts: below this they are nothing


@dataclass(frozen=True, slots=True)
class Score:
    """How a candidate did.

    Attributes:
        change: of the objective against the better one of the other arms, as a share; below 0 = better.
        broken: guardrails that the medians break.
        strain: the largest part of a guardrail's margin that the medians use up: 1 = all, below 0 = none.
        tail: of an objective that is a percentile of the observer, the share of waits in the percentile's own
            bucket or beyond it; else 0.
    """

    change: float
    broken: tuple[str, ...] = ()
    strain: float = 0.0
    tail: float = 0.0

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
    used = _used(by_name, goal.guardrails)
    return Score(
        worsening(by_name[objective]),
        tuple(name for name, share in used.items() if share > 1),
        strain=max(used.values(), default=0.0),
        tail=_tail(evidence, by_name[objective]),
    )


def worsening(measured: Measured) -> float:
    """Say how much worse the candidate's median is than the best other arm's; below 0 = better."""
    medians = {arm: max(median(values), _LEAST) for arm, values in measured.samples.items()}
    ours = medians.pop(CANDIDATE)
    if measured.better == "minimize":
        return ours / min(medians.values()) - 1
    return max(medians.values()) / ours - 1


def _used(measured: Mapping[str, Measured], guardrails: Iterable[Guardrail]) -> dict[str, float]:
    """By guardrail that was measured, how much of its margin is used up."""
    return {
        each.metric: worsening(measured[each.metric]) / max(each.max_regression / 100, _LEAST)
        for each in guardrails
        if each.metric in measured
    }


def _tail(evidence: Evidence, objective: Measured) -> float:
    """Counted, not interpolated: where in its bucket a percentile lies, nothing says."""
    kind = _PERCENTILE.fullmatch(objective.metric)
    found = [each for each in evidence.distributions if kind and each.metric == kind["kind"]]
    if not found:
        return 0.0
    buckets, least_us = found[0].buckets[CANDIDATE], median(objective.samples[CANDIDATE])
    beyond = sum(count for end_ns, count in buckets if -(-end_ns // 1000) >= least_us)
    return beyond / sum(count for _, count in buckets)
