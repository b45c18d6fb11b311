# SPDX-License-Identifier: Apache-2.0
"""The final comparison, which no backend has a hand in: candidates in line, one by one, until one passes.

How many stand in line is known before the first of them is measured, and "better" is corrected for all of
them. Each is measured with a seed of its own, and nothing that was measured of one counts for another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fleetsched.agent.faults import could_not_run, lab_error
from fleetsched.agent.interface import Candidate, Task
from fleetsched.agent.learning import is_its_fault, lesson_of, name_of
from fleetsched.errors import (
    BuildError,
    FleetschedError,
    HelperError,
    InterruptedRunError,
    LabError,
    UnreachableError,
    WorkloadError,
)
from fleetsched.fleetrepo.evidence import evidence_text
from fleetsched.model.evaluation import final_workloads
from fleetsched.model.fleet import Fleet
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.judgement import Compared, Judgement, Rejected, judge, objections
from fleetsched.model.lesson import Lesson, one_line
from fleetsched.operations.workshop import Run, Workshop

FINAL_REPEATS = 10
FINAL_SEED = 20_260_101
"""Of the first in line; the others have those that follow. No search has any of them."""

_BROKEN = (LabError, WorkloadError, BuildError, UnreachableError, OSError, KeyboardInterrupt)
"""What ends a comparison and is not the candidate's fault."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate in the final comparison.

    Attributes:
        gates: what they said of it.
        compared: workload by workload; not all of them where one was enough to reject it.
        judgement: None when there was nothing to judge; `ended` says why.
        ended: why the comparison was not made or not finished, in a line; empty when it was.
        error: what a person has to look at: the lab, the workload, a policy that does not compile; or that
            somebody interrupted it.
        lessons: what was learnt of it.
    """

    candidate: Candidate
    gates: tuple[GateReport, ...] = ()
    compared: tuple[Compared, ...] = ()
    judgement: Judgement | None = None
    ended: str = ""
    lessons: tuple[Lesson, ...] = ()
    error: FleetschedError | None = None

    @property
    def passed(self) -> bool:
        """Whether it is to be proposed."""
        return self.judgement is not None and self.judgement.proposes

    @property
    def rejected(self) -> Rejected:
        """Why it is not."""
        objections = self.judgement.objections if self.judgement is not None else ()
        return Rejected(name_of(self.candidate), next(iter(objections), self.ended))


@dataclass(frozen=True, slots=True)
class Final:
    """The final comparison of one goal's run.

    Args:
        began_s: when the run began, by the shop's clock: its budget of time counts from there.
    """

    task: Task
    fleet: Fleet
    shop: Workshop
    run: Run
    began_s: float

    def attempts(self, line: Sequence[Candidate]) -> Iterator[Attempt]:
        """Compare candidates until one passes, there is no time for another, or something is broken.

        Args:
            line: in the order in which they are tried; `MOST_IN_LINE` at most.
        """
        for place, candidate in enumerate(line):
            before_s = self.shop.clock()
            attempt = self._attempt(candidate, place, len(line))
            yield attempt
            took_s = self.shop.clock() - before_s
            if attempt.passed or attempt.error is not None or self._left_s() < took_s:
                return

    def _left_s(self) -> float:
        return max(0.0, self.shop.budget.wall_s - (self.shop.clock() - self.began_s))

    def _attempt(self, candidate: Candidate, place: int, of: int) -> Attempt:
        """Whatever the backend says of its draft: it passes the gates, and then it is compared."""
        if of > 1:
            self.shop.say(f"candidate {place + 1} of {of} in line: {name_of(candidate)}")
        made = Attempt(candidate)
        try:
            report = self.shop.gates(self.fleet.workloads, self.task, candidate)
        except _BROKEN as error:
            return _broken(made, error)
        made = replace(made, gates=(report,))
        if why := could_not_run(report):
            return _broken(made, LabError(why))
        if report.left_out is not None:
            return replace(made, ended=f"no gate has loaded it: {one_line(report.left_out.log)}")
        if not report.passes(Gate.STRESS):
            return replace(made, ended=f"the gates did not let it pass: {report.verdict}")
        return self._compare(made, replace(candidate, digest=report.digest), place, of)

    def _compare(self, made: Attempt, candidate: Candidate, place: int, of: int) -> Attempt:
        shop, goal = self.shop, self.task.goal
        wanted = final_workloads(goal, self.fleet.workloads)
        for left, (role, workload) in zip(range(len(wanted), 0, -1), wanted, strict=True):
            shop.say(f"final comparison on {workload} ({role})")
            budget_s = self._left_s() / left
            task, seed = replace(self.task, workload=workload), FINAL_SEED + place
            try:
                evidence = shop.measure(self.fleet.workloads, task, candidate, FINAL_REPEATS, seed, budget_s)
            except HelperError as error:
                made = replace(made, ended=f"{workload}: {one_line(error.message)}")
                lesson = lesson_of(self.task, candidate, "failed", made.ended, self.run.day)
                return replace(made, lessons=(lesson,)) if is_its_fault(error) else made
            except _BROKEN as error:
                return _broken(made, error, f"{workload}: ")
            made = replace(made, compared=(*made.compared, Compared(role, evidence)))
            file = f"final-{workload}.json" if not place else f"final-{place + 1}-{workload}.json"
            (self.run.folder / file).write_text(evidence_text(evidence), encoding="utf-8")
            try:
                found = objections(goal, made.compared, of)
            except WorkloadError as error:
                return _broken(made, error)
            # What is rejected already need not be seen on the hold-out, while another stands in line.
            if place + 1 < of and found:
                break
        judgement = judge(goal, made.compared, of)
        why = "; ".join(judgement.objections[:1]) or judgement.summary
        lesson = lesson_of(self.task, candidate, judgement.finding.value, why, self.run.day)
        return replace(made, judgement=judgement, lessons=(lesson,))


def _broken(made: Attempt, error: FleetschedError | OSError | KeyboardInterrupt, where: str = "") -> Attempt:
    """What was compared so far stays; nothing is proposed by half a comparison."""
    if isinstance(error, KeyboardInterrupt):
        found: FleetschedError = InterruptedRunError("interrupted")
    else:
        found = lab_error(error) if isinstance(error, UnreachableError | OSError) else error
    return replace(made, ended=where + one_line(found.message), error=found)
