# SPDX-License-Identifier: Apache-2.0
"""A lesson: what was tried for a kind of work, and what came of it, for the next who tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleetsched.model.evidence import Scalar


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
    outcome: Literal["better", "worse", "similar", "inconclusive", "failed"]
    why: str
    at: str
    objective: str = ""
    features: Mapping[str, float] = field(default_factory=dict, hash=False)
    parameters: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    digest: str = ""
