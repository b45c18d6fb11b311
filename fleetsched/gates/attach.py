# SPDX-License-Identifier: Apache-2.0
"""The attach gate: the policy comes up, the kernel says so, and it goes on while not much happens."""

from __future__ import annotations

from fleetsched.gates.course import Seen
from fleetsched.gates.ended import ended, exit_finding
from fleetsched.gates.outcome import Outcome
from fleetsched.gates.signs import fault_events, gaps
from fleetsched.model.gate import Gate
from fleetsched.model.state import ExitRecord


def attach(seen: Seen, ops: str) -> Outcome:
    """Judge the first part of the course.

    Args:
        seen: of an object that the verifier took.
        ops: the name that the kernel should show.
    """
    if seen.refusal is not None:
        record = ExitRecord.from_wire(seen.refusal.detail.get("exit"))
        return Outcome((exit_finding(record, seen.refusal.message),), f"{seen.refusal}\n{seen.log}")
    end = ended(seen, Gate.ATTACH)
    if end is not None:
        return Outcome((end,), seen.log)
    if seen.lost_in is not None:
        return Outcome(log=seen.log)
    first = seen.report.part("attach")
    if first is None or (first.state, first.ops) != ("enabled", ops):
        found = "nothing" if first is None else f"{first.ops} ({first.state})"
        return Outcome(error=f"expected {ops} to be enabled, the kernel shows {found}", log=seen.log)
    findings = [*gaps(seen.report, "attach"), *fault_events(seen.report.grown("attach", "stress"))]
    return Outcome(tuple(findings), seen.log)
