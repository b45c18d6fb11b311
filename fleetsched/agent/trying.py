# SPDX-License-Identifier: Apache-2.0
"""Candidates of the backend `catalogue`, one by one: through the gates, measured, written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fleetsched.agent.faults import could_not_run
from fleetsched.agent.interface import Candidate, LabLostError, Task, Workbench
from fleetsched.agent.learning import is_its_fault, lesson_of, name_of
from fleetsched.agent.line import in_line
from fleetsched.agent.scoring import Score, score
from fleetsched.errors import BuildError, HelperError, LabError, WorkloadError
from fleetsched.model.evidence import Evidence, Scalar
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.lesson import Lesson, one_line

_T = TypeVar("_T")

TIES = (
    "the one with its defaults, then the one that uses up less of the guardrails, then the one with fewer "
    "waits in the same bucket or beyond"
)
"""What decides between candidates that are equal in the objective: percentiles lie in buckets."""
REPEATS = 3
"""Runs of each arm in an experiment of the search, beside the warm-up."""


@dataclass(slots=True)
class Trying:
    """What was tried so far, and how it did.

    Attributes:
        day: today, for lessons.
        tried: candidates by id, in order.
        scores: of those that were measured, by id.
        lines: what happened, for people.
    """

    task: Task
    bench: Workbench
    day: str
    tried: dict[str, Candidate] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def best(self) -> tuple[Candidate, Score] | None:
        """Of everything measured."""
        if not self.scores:
            return None
        name = min(self.scores, key=self._order)
        return self.tried[name], self.scores[name]

    @property
    def equals(self) -> int:
        """How many others did exactly as well as the best in the objective; `TIES` decided."""
        best = self.best
        return sum(each.loss == best[1].loss for each in self.scores.values()) - 1 if best else 0

    @property
    def line(self) -> tuple[Candidate, ...]:
        """What was better than what there is, the best first, as far as it differs."""
        better = [name for name, found in self.scores.items() if found.is_better]
        return in_line(self.tried[name] for name in sorted(better, key=self._order))

    def _order(self, name: str) -> tuple[float, ...]:
        """The best has the least: see `TIES`. Of what is equal in all of it, the first that was tried."""
        found = self.scores[name]
        return found.loss, bool(self.tried[name].parameters), found.strain, found.tail

    def go(self, policy: str, parameters: Mapping[str, Scalar]) -> Score | None:
        """Try a policy with parameters, unless exactly that was tried before; None = it failed.

        Raises:
            BudgetSpentError: a budget is used up.
            LabError: there is no machine to measure on.
        """
        try:
            candidate = self.bench.choose(policy, "default", parameters)
        except BuildError as error:
            self.lines.append(f"{policy}: {one_line(error.message)}")
            return None
        if candidate.id in self.tried:
            return self.scores.get(candidate.id)
        self.tried[candidate.id] = candidate
        before = self._failed_before(candidate)
        if before is not None:
            self.lines.append(f"{name_of(candidate)}: left out, it failed before: {one_line(before.why)}")
            return None
        report = self._once_more(lambda: self._check(candidate))
        if not report.passes(Gate.STRESS):
            self._note(candidate, report.digest, _why(report), blame=report.stopped_by is not None)
            return None
        return self._measure(candidate, report.digest)

    def _measure(self, candidate: Candidate, digest: str) -> Score | None:
        try:
            evidence = self._once_more(lambda: self.bench.benchmark(candidate, REPEATS))
            found = score(evidence, self.task.goal)
        except HelperError as error:
            self._note(candidate, digest, error.message, blame=is_its_fault(error))
            return None
        except (WorkloadError, BuildError) as error:
            self._note(candidate, digest, error.message, blame=False)
            return None
        self.evidence.append(evidence)
        self.scores[candidate.id] = found
        broken = f", and breaks {', '.join(found.broken)}" if found.broken else ""
        self.lines.append(
            f"{name_of(candidate)}: {found.change * 100:+.1f} % against the better of what there is{broken}"
        )
        return found

    def _check(self, candidate: Candidate) -> GateReport:
        report = self.bench.check(candidate, Gate.STRESS)
        if why := could_not_run(report):
            raise LabError(why)
        return report

    def _once_more(self, work: Callable[[], _T]) -> _T:
        """Do work of the lab, and again when it failed: a machine may die. A lab that is lost is lost."""
        try:
            return work()
        except LabLostError:
            raise
        except LabError as error:
            self.lines.append(f"The lab failed, and is tried once more: {one_line(error.message)}")
            return work()

    def _failed_before(self, candidate: Candidate) -> Lesson | None:
        """The lesson that exactly this object, with these parameters, failed on this kernel."""
        for lesson in self.task.lessons:
            is_object = lesson.digest and candidate.digest.startswith(lesson.digest)
            is_set = dict(lesson.parameters) == dict(candidate.parameters)
            if lesson.outcome == "failed" and is_object and is_set and lesson.kernel == self.task.kernel:
                return lesson
        return None

    def _note(self, candidate: Candidate, digest: str, why: str, *, blame: bool) -> None:
        """Go on without a candidate; it is a lesson when the candidate is to blame, not this computer."""
        self.lines.append(f"{name_of(candidate)}: {one_line(why)}")
        if not blame:
            return
        judged = replace(candidate, digest=digest)
        self.lessons.append(lesson_of(self.task, judged, "failed", why, self.day))


def _why(report: GateReport) -> str:
    stopped = report.stopped_by
    if stopped is None:
        return f"no gate has loaded it: {report.left_out.log}" if report.left_out else "the gates did not run"
    finding = stopped.findings[0].message if stopped.findings else "it failed"
    return f"gate {stopped.gate}: {finding}"
