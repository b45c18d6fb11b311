# SPDX-License-Identifier: Apache-2.0
"""What was tried, as the lesson that the next run reads, and in words."""

from __future__ import annotations

from fleetsched.agent.interface import Candidate, Task
from fleetsched.bench.interface import EndedError
from fleetsched.errors import HelperError
from fleetsched.model.evidence import CANDIDATE
from fleetsched.model.lesson import Lesson, Outcome, one_line
from fleetsched.secrets import redact


def lesson_of(task: Task, candidate: Candidate, outcome: Outcome, why: str, day: str) -> Lesson:
    """Say what came of a candidate.

    Args:
        task: that it was tried for.
        candidate: with its digest, where it has one.
        outcome: see `Lesson`.
        why: the gate's finding, or the metric and its change; foreign text.
        day: today, `2026-11-26`.
    """
    return Lesson(
        workload=task.workload,
        kernel=task.kernel,
        policy=candidate.policy,
        outcome=outcome,
        why=one_line(redact(why)),
        at=day,
        objective=task.goal.objective.metric if task.goal.objective else "",
        features=task.profile.features if task.profile else {},
        parameters=candidate.parameters,
        digest=candidate.digest[:12],
    )


def name_of(candidate: Candidate) -> str:
    """A candidate in words: its policy, with what is set."""
    said = ", ".join(f"{name} {str(value).lower()}" for name, value in candidate.parameters.items())
    return f"{candidate.policy} ({said or 'its defaults'})"


def is_its_fault(error: HelperError) -> bool:
    """Whether the candidate ended an experiment, and not the incumbent."""
    return not isinstance(error, EndedError) or error.arm.name == CANDIDATE
