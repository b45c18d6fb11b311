# SPDX-License-Identifier: Apache-2.0
"""A workbench that remembers what was done on it: the candidates, what the gates said, what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fleetsched.agent.interface import Candidate, Task, Workbench
from fleetsched.agent.learning import lesson_of
from fleetsched.agent.line import in_line
from fleetsched.model.evidence import INCUMBENT, KERNEL_DEFAULT_ARM, Evidence, Finding, Scalar
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.goal import Objective, WorkloadGoal
from fleetsched.model.lesson import Lesson


class Watched:
    """Does what another workbench does, and remembers.

    Attributes:
        tried: candidates by id, in the order in which they were made, each as it was last seen.
        evidence: by the candidate's id, the newest of each.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.tried: dict[str, Candidate] = {}
        self.evidence: dict[str, Evidence] = {}
        self._reports: dict[str, GateReport] = {}

    def read(self, policy: str) -> Mapping[str, str]:
        """See `Workbench`."""
        return self._bench.read(policy)

    def headers(self) -> Mapping[str, str]:
        """See `Workbench`."""
        return self._bench.headers()

    def choose(self, policy: str, variant: str, parameters: Mapping[str, Scalar]) -> Candidate:
        """See `Workbench`."""
        return self._seen(self._bench.choose(policy, variant, parameters))

    def write(self, name: str, source: str, description: str) -> Candidate:
        """See `Workbench`."""
        return self._seen(self._bench.write(name, source, description))

    def check(self, candidate: Candidate, until: Gate) -> GateReport:
        """See `Workbench`."""
        report = self._reports[candidate.id] = self._bench.check(candidate, until)
        self.tried[candidate.id] = replace(candidate, digest=report.digest or candidate.digest)
        return report

    def benchmark(self, candidate: Candidate, repeats: int) -> Evidence:
        """See `Workbench`."""
        evidence = self.evidence[candidate.id] = self._bench.benchmark(candidate, repeats)
        return evidence

    def line(self, goal: WorkloadGoal) -> tuple[Candidate, ...]:
        """What was measured better than everything it was compared with, the widest margin first.

        Only candidates that differ (`in_line`); none when the goal has no objective.
        """
        if goal.objective is None:
            return ()
        better = {
            identity: effect
            for identity, evidence in self.evidence.items()
            if (effect := _margin(evidence, goal.objective)) is not None
        }
        widest_first = sorted(
            better, key=lambda each: (better[each], not self.tried[each].parameters), reverse=True
        )
        return in_line(self.tried[each] for each in widest_first)

    def lessons(self, task: Task, day: str) -> tuple[Lesson, ...]:
        """What a gate stopped, and why. What was measured is judged by the final comparison, not here."""
        lessons = []
        for identity, report in self._reports.items():
            stopped = report.stopped_by
            if stopped is None:
                continue
            finding = next(iter(stopped.findings), None)
            why = f"{stopped.gate}: {finding.code}: {finding.message}" if finding else str(stopped.gate)
            candidate = replace(self.tried[identity], digest=report.digest)
            lessons.append(lesson_of(task, candidate, "failed", why, day))
        return tuple(lessons)

    def _seen(self, candidate: Candidate) -> Candidate:
        self.tried[candidate.id] = candidate
        return candidate


def _margin(evidence: Evidence, objective: Objective) -> tuple[float, float] | None:
    """By how much it is better than the other arms: the smallest effect, then the smallest change.

    Cliff's delta is 1 for everything that wins every run, so it alone leaves many equal.

    Returns:
        None unless it is better than all of them.
    """
    compared = [each for each in evidence.comparisons if each.metric == objective.metric]
    against = {each.against for each in compared}
    if not against & {KERNEL_DEFAULT_ARM, INCUMBENT} or any(
        each.finding is not Finding.BETTER for each in compared
    ):
        return None
    sign = -1 if objective.direction == "minimize" else 1
    return min(each.effect for each in compared), min(sign * each.change for each in compared)
