# SPDX-License-Identifier: Apache-2.0
"""One goal through the agent: a task, a draft, and the final comparison, which no backend has a hand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fleetsched.agent.interface import Candidate, Draft, Task
from fleetsched.agent.learning import is_its_fault, lesson_of
from fleetsched.errors import HelperError
from fleetsched.fleetrepo.evidence import evidence_text
from fleetsched.fleetrepo.lessons import lessons_text
from fleetsched.model.account import Account
from fleetsched.model.evaluation import workloads_for
from fleetsched.model.evidence import Evidence
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import GateReport, GateVerdict
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.judgement import Compared, Judgement, Role, judge
from fleetsched.model.lesson import Lesson, one_line
from fleetsched.operations.workshop import Run, Workshop

FINAL_REPEATS = 10
FINAL_SEED = 20_260_101
"""Of the final comparison: another than any search has, so that nothing can fit its own measurement."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """What came of one goal's run.

    Attributes:
        folder: of the run.
        compared: the final comparison, workload by workload; empty when there was nothing to compare.
        judgement: None when there was nothing to judge; `ended` says why.
        ended: why the final comparison was not made or not finished, in a line; empty when it was.
        lessons: what was learnt in this run.
        seconds: that all of it took.
        gates: what they said of the draft, before the final comparison.
    """

    task: Task
    draft: Draft
    folder: Path
    compared: tuple[Compared, ...] = ()
    judgement: Judgement | None = None
    ended: str = ""
    lessons: tuple[Lesson, ...] = ()
    seconds: float = 0.0
    gates: tuple[GateReport, ...] = ()

    @property
    def candidate(self) -> Candidate | None:
        """What is to be proposed; None = nothing."""
        judged = self.judgement
        return self.draft.candidate if judged is not None and judged.proposes else None

    @property
    def account(self) -> Account:
        """What the run says of itself."""
        spent = self.draft.spent
        return Account(
            goal=self.task.goal.name,
            workload=self.task.workload,
            kernel=self.task.kernel,
            backend=self.draft.backend,
            ended=self.draft.ended,
            explanation=self.draft.explanation,
            tried=len(self.draft.tried),
            measured=len(self.draft.evidence),
            seconds=self.seconds,
            usd=str(spent.usd),
            tokens=spent.tokens_in + spent.tokens_out + spent.tokens_cached,
            runs=str(self.folder),
            model=self.draft.model,
            transcript=self.draft.transcript,
            compared=self.compared,
            judgement=self.judgement,
            stopped=self.ended,
        )

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Of the final comparison."""
        return tuple(each.evidence for each in self.compared)


def draft_for(task: Task, fleet: Fleet, shop: Workshop) -> Drafted:
    """Work on a task, then compare what was drafted with what there is.

    Args:
        task: what is asked.
        fleet: whose workloads the comparison is on.
        shop: who drafts, and where it is measured.

    Raises:
        FleetschedError: there is nothing to work with: no key, no lab, a goal that nothing can measure.
    """
    began_s = shop.clock()
    run = shop.begin(task.goal.name)
    shop.say(f"goal {task.goal.name}: backend {shop.backend}, workload {task.workload}, Linux {task.kernel}")
    draft = shop.draft(fleet.workloads, run, task)
    made = Drafted(task, draft, run.folder, lessons=draft.lessons)
    if draft.candidate is None:
        made = replace(made, ended="there is no draft to compare")
    elif _is_incumbent(task, draft.candidate):
        made = replace(made, ended="the draft is what the goal has already")
    else:
        made = _judge(made, fleet, shop, run, began_s)
    made = replace(made, seconds=shop.clock() - began_s)
    (run.folder / "lessons.yaml").write_text(lessons_text((), made.lessons), encoding="utf-8")
    return made


def _is_incumbent(task: Task, candidate: Candidate) -> bool:
    bound = task.goal.policy
    if (
        bound is None
        or candidate.generated
        or (bound.name, bound.variant) != (candidate.policy, candidate.variant)
    ):
        return False
    policy = task.policies[bound.name]
    set_now = {name: int(value) for name, value in candidate.parameters.items()}
    return policy.resolve(set_now) == policy.resolve(bound.parameters)


def _judge(made: Drafted, fleet: Fleet, shop: Workshop, run: Run, began_s: float) -> Drafted:
    """Whatever the backend says of its draft: it passes the gates, and then it is compared."""
    candidate = made.draft.candidate
    assert candidate, "there is a draft"
    report = shop.gates(fleet.workloads, made.task, candidate)
    made = replace(made, gates=(report,))
    if report.verdict is not GateVerdict.PASSED:
        return replace(made, ended=f"the gates did not let it pass: {report.verdict}")
    return _compare(made, replace(candidate, digest=report.digest), fleet, shop, run, began_s)


def _compare(
    made: Drafted, candidate: Candidate, fleet: Fleet, shop: Workshop, run: Run, began_s: float
) -> Drafted:
    wanted = list(_workloads(made.task.goal, fleet))
    for left, (role, workload) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        shop.say(f"final comparison on {workload} ({role})")
        budget_s = max(0.0, shop.budget.wall_s - (shop.clock() - began_s)) / left
        task = replace(made.task, workload=workload)
        try:
            evidence = shop.measure(fleet.workloads, task, candidate, FINAL_REPEATS, FINAL_SEED, budget_s)
        except HelperError as error:
            made = replace(made, ended=f"{workload}: {one_line(error.message)}")
            lesson = lesson_of(made.task, candidate, "failed", made.ended, run.day)
            return replace(made, lessons=(*made.lessons, lesson)) if is_its_fault(error) else made
        made = replace(made, compared=(*made.compared, Compared(role, evidence)))
        (run.folder / f"final-{workload}.json").write_text(evidence_text(evidence), encoding="utf-8")
    judgement = judge(made.task.goal, made.compared)
    why = "; ".join(judgement.objections[:1]) or judgement.summary
    lesson = lesson_of(made.task, candidate, judgement.finding.value, why, run.day)
    return replace(made, judgement=judgement, lessons=(*made.lessons, lesson))


def _workloads(goal: WorkloadGoal, fleet: Fleet) -> Iterator[tuple[Role, str]]:
    for workload in workloads_for(goal, fleet.workloads):
        yield "evaluation", workload
    for workload in goal.evaluation.hold_out:
        yield "hold-out", workload
