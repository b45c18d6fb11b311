# SPDX-License-Identifier: Apache-2.0
"""The benchmark gate: a policy costs nobody more than is tolerated, and it is said whether it is any better.

It is asked for with a workload: which one is right depends on what the policy is for. A sure loss in a
metric with a guardrail, against the kernel's own scheduler or the incumbent, fails. All else passes, and the
result says in which metrics it is better, if in any.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources

from fleetsched.bench.interface import EndedError, Target
from fleetsched.bench.measure import DEFAULT_REPEATS, ArmImage, Clock, Experiment, measure, workload_digest
from fleetsched.errors import BuildError, HelperError, LabError, WorkloadError
from fleetsched.gates.outcome import Outcome
from fleetsched.model.dossier import broken_guardrails
from fleetsched.model.evidence import (
    CANDIDATE,
    INCUMBENT,
    KERNEL_DEFAULT_ARM,
    Arm,
    Comparison,
    Evidence,
    Finding,
    Measured,
)
from fleetsched.model.gate import GateFigure, GateFinding
from fleetsched.model.workload import Workload
from fleetsched.views.evidence import evidence_text
from fleetsched.views.measures import amount, interval, number, percent

TOLERATED = 0.05
"""The largest regression of a workload's own metrics where nobody says another."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a policy is measured on.

    Attributes:
        workload: what is run.
        guardrails: the largest regression that is tolerated, as a share, by metric.
        incumbent: a policy to compare with, beside the kernel's own scheduler.
        repeats, seed: of the experiment.
    """

    workload: Workload
    guardrails: Mapping[str, float] = field(hash=False)
    incumbent: ArmImage | None = None
    repeats: int = DEFAULT_REPEATS
    seed: int = 1

    def identity(self, machine: str) -> str:
        """A digest of everything but the candidate that a verdict depends on, on such a machine."""
        incumbent = asdict(self.incumbent.arm) if self.incumbent else None
        parts = (
            machine,
            workload_digest(self.workload),
            sorted(self.guardrails.items()),
            incumbent,
            self.repeats,
            self.seed,
            _judge_digest(),
        )
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def guardrails_of(workload: Workload, given: Mapping[str, float]) -> dict[str, float]:
    """The guardrails of a workload: its own metrics, as far as `given` does not say otherwise."""
    return dict.fromkeys(workload.metrics, TOLERATED) | dict(given)


def benchmark(
    candidate: ArmImage, asked: Benchmark, target: Target, say: Callable[[str], None], clock: Clock
) -> Outcome:
    """Measure an object that has passed the gates before, and judge it.

    Args:
        candidate: its arm, called `candidate`.
        asked: on what, and what is tolerated.
        target: where.
        say: told of every run.
        clock: for the record.
    """
    incumbent = [asked.incumbent] if asked.incumbent else []
    experiment = Experiment(
        policy=candidate.arm.policy,
        workload=asked.workload,
        arms=(ArmImage(Arm(KERNEL_DEFAULT_ARM)), *incumbent, candidate),
        guardrails=asked.guardrails,
        repeats=asked.repeats,
        seed=asked.seed,
    )
    try:
        evidence = measure(target, experiment, say, clock)
    except EndedError as error:
        if error.arm.name == CANDIDATE:
            remedy = error.remedy or f"it ends under the load of {asked.workload.name}: see the log"
            return Outcome((GateFinding(error.code, error.message, remedy=remedy),), str(error))
        return Outcome(error=str(error))
    except (BuildError, HelperError, LabError, WorkloadError) as error:
        return Outcome(error=f"it was not measured: {error}")
    return judge(evidence)


def judge(evidence: Evidence) -> Outcome:
    """Say what an experiment means for its candidate."""
    measured = {each.metric: each for each in evidence.measured}
    figures = tuple(
        GateFigure(each, measured[each.metric].unit, measured[each.metric].guardrail)
        for each in evidence.comparisons
    )
    return Outcome(
        tuple(_lost(evidence, measured)), evidence_text(evidence), note=_note(evidence), figures=figures
    )


def _lost(evidence: Evidence, measured: Mapping[str, Measured]) -> Iterator[GateFinding]:
    for each in evidence.comparisons:
        guardrail = measured[each.metric].guardrail
        if guardrail is None or each.finding is not Finding.WORSE:
            continue
        ours, theirs = number(each.medians[0]), amount(each.medians[1], measured[each.metric].unit)
        yield GateFinding(
            "guardrail-lost",
            f"{ours} against {theirs} of {_scheduler(evidence, each.against)}, {_change(each)};"
            f" {guardrail * 100:g} % is tolerated",
            each.metric,
            "change the policy, or tolerate that much, if that is its price: --guardrail METRIC=PERCENT",
        )


def _note(evidence: Evidence) -> str:
    """In which metrics it is better than what it is compared with, in a line."""
    others = dict.fromkeys(each.against for each in evidence.comparisons)
    return "; ".join(_against(evidence, other) for other in others)


def _against(evidence: Evidence, other: str) -> str:
    better = [
        f"{each.metric} {percent(each.change)}"
        for each in evidence.comparisons
        if each.against == other and each.finding is Finding.BETTER
    ]
    name = _scheduler(evidence, other)
    broken = broken_guardrails(evidence, other)
    if better and not broken:
        return f"better than {name}: {', '.join(better)}"
    if broken:
        return f"not better than {name}: {', '.join(broken)} not shown to hold"
    return f"not better than {name}"


def _change(comparison: Comparison) -> str:
    return f"{percent(comparison.change)} ({interval(comparison)})"


def _scheduler(evidence: Evidence, arm: str) -> str:
    if arm == INCUMBENT:
        return next(each.policy for each in evidence.arms if each.name == arm)
    return "the kernel's own scheduler"


def _judge_digest() -> str:
    """The version of what measures and judges."""
    digest = hashlib.sha256((resources.files("fleetsched.gates") / "benchmark.py").read_bytes())
    files = {each.name: each for each in resources.files("fleetsched.bench").iterdir()}
    for name in sorted(files):
        if name.endswith(".py"):
            digest.update(files[name].read_bytes())
    return digest.hexdigest()
