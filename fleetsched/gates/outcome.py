# SPDX-License-Identifier: Apache-2.0
"""What a gate found, before it is known how long that took."""

from __future__ import annotations

from dataclasses import dataclass

from fleetsched.model.gate import Gate, GateFigure, GateFinding, GateResult, GateVerdict

LOG_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gate found.

    Attributes:
        findings: the most important first; none = passed.
        log: what a person may want to see beside them.
        error: why the gate could not judge; then the findings count for nothing.
        note, figures: see `GateResult`.
    """

    findings: tuple[GateFinding, ...] = ()
    log: str = ""
    error: str = ""
    note: str = ""
    figures: tuple[GateFigure, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the next gate may look."""
        return not self.findings and not self.error

    def result(self, gate: Gate, *, kernel: str = "", seconds: float = 0.0) -> GateResult:
        """The gate's result. Of a long log the end is kept."""
        if self.error:
            log = "\n".join(filter(None, (self.error, self.log)))
            return GateResult(gate, GateVerdict.ERROR, kernel, seconds, (), log[-LOG_LIMIT:])
        verdict = GateVerdict.FAILED if self.findings else GateVerdict.PASSED
        log = self.log[-LOG_LIMIT:]
        return GateResult(
            gate, verdict, kernel, seconds, self.findings, log, note=self.note, figures=self.figures
        )


def skipped(gate: Gate, why: str, kernel: str = "") -> GateResult:
    """The result of a gate that has nothing to say, and why."""
    return GateResult(gate, GateVerdict.SKIPPED, kernel, log=why)
