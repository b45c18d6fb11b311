# SPDX-License-Identifier: Apache-2.0
"""The soak gate: a minute and a half of light load, for what begins late."""

from __future__ import annotations

from fleetsched.gates.course import Seen
from fleetsched.gates.ended import ended
from fleetsched.gates.outcome import Outcome
from fleetsched.gates.signs import fault_events, gaps
from fleetsched.model.gate import Gate


def soak(seen: Seen) -> Outcome:
    """Judge the last part of the course."""
    end = ended(seen, Gate.SOAK)
    findings = [] if end is None else [end]
    findings += gaps(seen.report, "soak")
    findings += fault_events(seen.report.grown("soak", "end"))
    if not findings and seen.report.part("end") is None:
        return Outcome(error="the course did not come to its end in the machine", log=seen.log)
    return Outcome(tuple(findings), seen.log)
