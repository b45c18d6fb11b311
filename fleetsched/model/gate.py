# SPDX-License-Identifier: Apache-2.0
"""What the checks of a policy say: one result a gate and kernel, and the report of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fleetsched.model.evidence import Comparison


class Gate(StrEnum):
    """The checks that a policy must pass before it may be proposed or merged, in order."""

    SCHEMA = "schema"
    COMPILE = "compile"
    INSPECT = "inspect"
    VERIFY = "verify"
    ATTACH = "attach"
    STRESS = "stress"
    SOAK = "soak"
    BENCHMARK = "benchmark"


class GateVerdict(StrEnum):
    """What a gate says of a policy. `ERROR` says nothing of it: the gate itself could not run."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is sent through the gates: a variant of a policy, as a goal runs it.

    Attributes:
        folder: the policy's.
        parameters: that it does not have by itself.
    """

    folder: Path
    variant: str = "default"
    parameters: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class GateFinding:
    """One thing that a gate found wrong, for a person and, short, for a model.

    Attributes:
        code: stable, in words with hyphens: `forbidden-kfunc`, `runnable-task-stall`.
        message: what, in one line.
        place: `file:line:column`, a program's or a map's name; empty when there is none.
        remedy: what to do about it; may be empty.
    """

    code: str
    message: str
    place: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class GateFigure:
    """One comparison that the benchmark gate made.

    Attributes:
        unit: of the metric.
        guardrail: the largest regression that is tolerated, as a share; None = the metric has no guardrail.
    """

    comparison: Comparison
    unit: str
    guardrail: float | None = None


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate said.

    Attributes:
        kernel: the release it ran on, as `uname -r` says it; empty for gates without a kernel.
        seconds: what it took when it ran; a cached result keeps its first figure.
        findings: the most important first; empty unless it failed.
        log: the end of what it printed, at most 64 KiB.
        cached: it did not run now.
        note: what is to be said in a line, passed or not; empty but for the benchmark gate.
        figures: what the benchmark gate compared.
    """

    gate: Gate
    verdict: GateVerdict
    kernel: str = ""
    seconds: float = 0.0
    findings: tuple[GateFinding, ...] = ()
    log: str = ""
    cached: bool = False
    note: str = ""
    figures: tuple[GateFigure, ...] = ()


@dataclass(frozen=True, slots=True)
class GateReport:
    """What all gates said of one variant of a policy.

    Attributes:
        digest: of its object, 64 hex digits; empty when there is none.
        results: in the order in which they ran; nothing follows a failure on the same kernel.
        parameters: that it does not have by itself.
    """

    policy: str
    variant: str
    digest: str
    results: tuple[GateResult, ...]
    parameters: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def verdict(self) -> GateVerdict:
        """Failed when one failed; else error when one could not run, or none on any kernel; else passed."""
        said = {result.verdict for result in self.results}
        for verdict in (GateVerdict.FAILED, GateVerdict.ERROR):
            if verdict in said:
                return verdict
        # What requires other kernels than were asked may come from the proposal that is judged.
        return GateVerdict.PASSED if self.left_out is None else GateVerdict.ERROR

    @property
    def left_out(self) -> GateResult | None:
        """What was skipped where no gate ran on any kernel that was asked: nobody has loaded the object."""
        on_kernels = [each for each in self.results if each.kernel]
        if any(each.verdict is not GateVerdict.SKIPPED for each in on_kernels):
            return None
        return next(iter(on_kernels), None)

    def passes(self, gate: Gate) -> bool:
        """Whether this gate passed on one kernel at least, and nothing speaks against the object."""
        passed = any(each.gate is gate and each.verdict is GateVerdict.PASSED for each in self.results)
        return passed and self.verdict is GateVerdict.PASSED

    @property
    def stopped_by(self) -> GateResult | None:
        """The first gate that failed."""
        return next((each for each in self.results if each.verdict is GateVerdict.FAILED), None)
