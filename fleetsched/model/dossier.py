# SPDX-License-Identifier: Apache-2.0
"""Everything that is known of one policy: what it says of itself, what gates said, what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetsched.model.evidence import KERNEL_DEFAULT_ARM, Comparison, Evidence, Finding, Measured
from fleetsched.model.gate import GateReport
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Policy


@dataclass(frozen=True, slots=True)
class Dossier:
    """One policy.

    Attributes:
        lock: None = it is not locked: nothing can be said of an object.
        evidence: of the objects that the lock has, by workload and kernel.
        stale: names of files of evidence about other objects.
        gates: what gates said of the objects that the lock has, a report a variant.
        gates_commit: the commit on which they said it; empty = unknown.
    """

    policy: Policy
    lock: PolicyLock | None
    evidence: tuple[Evidence, ...] = ()
    stale: tuple[str, ...] = ()
    gates: tuple[GateReport, ...] = ()
    gates_commit: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One comparison with the kernel's own scheduler, with what it was measured in."""

    evidence: Evidence
    measured: Measured
    comparison: Comparison

    @property
    def guardrails_held(self) -> bool:
        """Whether every guardrail of the same experiment held against the same arm."""
        return not broken_guardrails(self.evidence, self.comparison.against)


def outcomes(dossier: Dossier, *findings: Finding) -> Iterator[Outcome]:
    """List what was found against the kernel's own scheduler, in the order of the evidence."""
    for evidence in dossier.evidence:
        by_name = {metric.metric: metric for metric in evidence.measured}
        for comparison in evidence.comparisons:
            if comparison.against == KERNEL_DEFAULT_ARM and comparison.finding in findings:
                yield Outcome(evidence, by_name[comparison.metric], comparison)


def broken_guardrails(evidence: Evidence, against: str) -> tuple[str, ...]:
    """Name the guardrails that were not shown to hold: worse, or not measured well enough to say."""
    guarded = {metric.metric for metric in evidence.measured if metric.guardrail is not None}
    return tuple(
        comparison.metric
        for comparison in evidence.comparisons
        if comparison.against == against
        and comparison.metric in guarded
        and comparison.finding not in (Finding.BETTER, Finding.SIMILAR)
    )
