# SPDX-License-Identifier: Apache-2.0
"""Whether a candidate is worth proposing, by the findings of the final comparison. Pure.

The objective has to be better, for sure, than the kernel's own scheduler's and the incumbent's on the goal's
first workload, and nowhere worse; no guardrail may be worse anywhere, and each must have been measured
somewhere, unless the goal does without; held-out workloads, which no search has seen, must not lose.

Where several candidates stand in line and the first that passes is proposed, luck has several chances:
"better" is corrected for all that stand there. "Worse" is not: an objection that is made too often costs a
proposal, one that is made too rarely lets through what a hold-out is there to stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fleetsched.errors import WorkloadError
from fleetsched.model.evidence import ALPHA, Comparison, Evidence, Finding, can_show
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.wording import counted

Role = Literal["evaluation", "hold-out"]

_BAD_FIRST = (Finding.WORSE, Finding.INCONCLUSIVE, Finding.SIMILAR, Finding.BETTER)


@dataclass(frozen=True, slots=True)
class Compared:
    """One workload of the final comparison."""

    role: Role
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the final comparison comes to.

    Attributes:
        objections: why it is not proposed, each with its numbers; none = propose it.
        finding: of the objective on the first workload, against the arm where it does worst.
        summary: that comparison, in words.
        unmeasured: metrics of guardrails that nothing measured, also where the goal accepts that.
        had_time: whether there were runs enough to show that anything is better.
    """

    objections: tuple[str, ...]
    finding: Finding
    summary: str
    unmeasured: tuple[str, ...] = ()
    had_time: bool = True

    @property
    def proposes(self) -> bool:
        """Whether the candidate is to be proposed."""
        return not self.objections


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was compared and is not proposed.

    Attributes:
        candidate: in words.
        why: the first reason, with its numbers.
    """

    candidate: str
    why: str


def judge(goal: WorkloadGoal, compared: Sequence[Compared], one_of: int = 1) -> Judgement:
    """Judge a candidate.

    Args:
        goal: with an objective.
        compared: the goal's workloads in order, then those that are held out.
        one_of: how many candidates stood in line before anything of them was compared.

    Raises:
        ValueError: the goal has no objective.
        WorkloadError: not every run of the first workload gave a number for it.
    """
    first = compared[0].evidence
    worst = min(_own(goal, first), key=lambda each: _BAD_FIRST.index(each.finding))
    unmeasured = _unmeasured(goal, compared)
    refused = [
        each.metric for each in goal.guardrails if not each.accept_unmeasured and each.metric in unmeasured
    ]
    said = (
        *objections(goal, compared, one_of),
        *(f"{metric}: a guardrail that nothing measured: not known to be kept" for metric in refused),
    )
    finding = Finding.INCONCLUSIVE if worst.finding is Finding.BETTER and said else worst.finding
    finding = Finding.WORSE if _loses(goal, compared) else finding
    return Judgement(said, finding, _words(first, worst), unmeasured, _had_time(first, one_of))


def objections(goal: WorkloadGoal, compared: Sequence[Compared], one_of: int = 1) -> tuple[str, ...]:
    """What the numbers say against a candidate; more workloads can only add to it.

    Arguments and errors are those of `judge`.
    """
    first = compared[0].evidence
    own = _own(goal, first)
    found = [
        f"{_words(first, each)}: {_not_better(first, each, one_of)}"
        for each in own
        if not each.is_better(one_of)
    ]
    for each in compared:
        found += [f"{_words(each.evidence, bad)}: {why}" for bad, why in _worse(goal, each)]
    return tuple(dict.fromkeys(found))


def _own(goal: WorkloadGoal, first: Evidence) -> list[Comparison]:
    """The objective's comparisons on the goal's first workload."""
    if goal.objective is None:
        raise ValueError(f"goal {goal.name} has no objective")
    own = [each for each in first.comparisons if each.metric == goal.objective.metric]
    if not own:
        raise WorkloadError(
            f"workload {first.workload}: not every run gave a number for {goal.objective.metric}",
            remedy=f"goal {goal.name}: see what the workload prints, or name another in "
            "spec.evaluation.workloads",
        )
    return own


def _unmeasured(goal: WorkloadGoal, compared: Sequence[Compared]) -> tuple[str, ...]:
    known = {each.metric for one in compared for each in one.evidence.comparisons}
    return tuple(each.metric for each in goal.guardrails if each.metric not in known)


def _loses(goal: WorkloadGoal, compared: Sequence[Compared]) -> bool:
    return any(True for each in compared for _ in _worse(goal, each))


def _worse(goal: WorkloadGoal, compared: Compared) -> Iterator[tuple[Comparison, str]]:
    """What is worse for sure and may not be: the objective, a guardrail, a number of what is held out."""
    assert goal.objective, "judge has looked"
    guarded = {guardrail.metric for guardrail in goal.guardrails}
    metrics = {each.metric for each in compared.evidence.comparisons}
    # A workload that does not know the objective speaks by all that it measures.
    wanted = {goal.objective.metric} if goal.objective.metric in metrics else metrics
    for each in compared.evidence.comparisons:
        if each.finding is not Finding.WORSE:
            continue
        if each.metric in guarded:
            yield each, "a guardrail is broken"
        elif each.metric in wanted:
            yield each, "held out, and worse" if compared.role == "hold-out" else "worse"


def _not_better(evidence: Evidence, comparison: Comparison, one_of: int) -> str:
    if not _had_time(evidence, one_of):
        runs = counted(len(evidence.order), "run")
        return f"not shown to be better: {runs} of each can show nothing, and there was no time for more"
    if comparison.finding is not Finding.BETTER:
        return "not shown to be better"
    return (
        f"not shown to be better for one of {one_of} candidates: p is {comparison.p_holm:.3f}, and "
        f"{ALPHA / one_of:.3f} would do"
    )


def _had_time(evidence: Evidence, one_of: int) -> bool:
    """Nothing but the budget of time ends an experiment before it can show anything."""
    return can_show(len(evidence.order), len(evidence.comparisons), one_of)


def _words(evidence: Evidence, comparison: Comparison) -> str:
    change = f"{comparison.change * 100:+.1f} %"
    return f"{comparison.metric} on {evidence.workload}, {change} against {comparison.against}"
