# SPDX-License-Identifier: Apache-2.0
"""A lesson: what was tried for a kind of work, and what came of it, for the next who tries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fleetsched.model.evidence import Scalar
from fleetsched.model.features import distance

MOST_LESSONS = 100
"""Of a goal; the oldest go."""
MOST_WHY = 200
"""Characters."""

Outcome = Literal["better", "worse", "similar", "inconclusive", "failed"]

_NEAR = 0.5  # mean difference of the features' values, of which 2 is the largest
_OPTIONAL = ("objective", "features", "parameters", "digest")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One attempt.

    Attributes:
        features: of the workload that it was tried for, by feature of `model.metrics.FEATURES`.
        digest: of the policy's object, 12 hex digits; empty when there was none.
        outcome: `failed` = a gate stopped it; the others are the final comparison's finding.
        why: in one line of at most 200 characters: the gate's finding, or the metric and its change.
        at: day, `2026-11-26`.
    """

    workload: str
    kernel: str
    policy: str
    outcome: Outcome
    why: str
    at: str
    objective: str = ""
    features: Mapping[str, float] = field(default_factory=dict, hash=False)
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    digest: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Write the file's form of it; what is empty is left out."""
        said = {
            "at": self.at,
            "workload": self.workload,
            "kernel": self.kernel,
            "policy": self.policy,
            "outcome": self.outcome,
            "why": one_line(self.why),
        }
        more = {name: getattr(self, name) for name in _OPTIONAL if getattr(self, name)}
        return said | {
            name: dict(value) if isinstance(value, Mapping) else value for name, value in more.items()
        }

    @classmethod
    def from_wire(cls, value: Mapping[str, Any]) -> Lesson:
        """Read a lesson that fits its schema."""
        return cls(**value)


def one_line(text: str) -> str:
    """Foreign text as a lesson keeps it: one line, printable, cut."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= MOST_WHY else clean[: MOST_WHY - 3] + "..."


def relevant(
    lessons: Iterable[Lesson],
    *,
    workload: str,
    objective: str,
    features: Mapping[str, float],
    most: int = 20,
) -> tuple[Lesson, ...]:
    """Choose the lessons that say something of a task, the newest first.

    Those that were measured on its workload, or were about its objective for work that is like its own, as
    far as both are known.

    Args:
        lessons: of all goals, each goal's oldest first.
        workload: the task's, by name.
        objective: the task's metric.
        features: the task's, as measured.
        most: how many.
    """
    newest = [*lessons]
    newest.reverse()  # of the same day, the later one first
    newest.sort(key=lambda lesson: lesson.at, reverse=True)
    return tuple(
        lesson
        for lesson in newest
        if lesson.workload == workload or (lesson.objective == objective and _is_near(lesson, features))
    )[:most]


def _is_near(lesson: Lesson, features: Mapping[str, float]) -> bool:
    apart = distance(lesson.features, features)
    return apart is None or apart <= _NEAR
