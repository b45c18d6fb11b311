# SPDX-License-Identifier: Apache-2.0
"""The stress gate: everything at once for ten seconds; nobody is ejected, and everybody gets something done.

The watchdog sees who waits. Who gets to run again and again and is stopped each time before it has done
anything waits for nobody; so here tasks tell what they got done, those of little weight, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetsched.gates.course import Seen
from fleetsched.gates.ended import ended
from fleetsched.gates.outcome import Outcome
from fleetsched.gates.report import Report
from fleetsched.gates.signs import STARVED, WHO, fault_events, gaps
from fleetsched.model.gate import Gate, GateFinding

# How often a task does something in the five and a half seconds before CPUs come and go, at the least. On
# 6.18 the kernel's own scheduler lets `light` do 95 steps and `regrouped` 7, the others more; a policy that
# lets light tasks start and at once preempts them, 0.
_LEAST = {
    **dict.fromkeys(("hog-1", "hog-2", "hog-3"), 20),
    "nice": 5,
    "light": 5,
    "storm": 8,
    "ping": 10,
    "regrouped": 1,
}

# A CPU may go between the policy's choice of it and the use of that choice.
_EXCUSED = frozenset({"SCX_EV_SELECT_CPU_FALLBACK", "SCX_EV_DISPATCH_LOCAL_DSQ_OFFLINE"})


def stress(seen: Seen) -> Outcome:
    """Judge the second part of the course."""
    end = ended(seen, Gate.STRESS)
    findings = [] if end is None else [end]
    report = seen.report
    findings += _starved(report)
    findings += gaps(report, "stress", "hotplug", "tail")
    findings += fault_events(report.grown("stress", "hotplug"))
    findings += fault_events(report.grown("hotplug", "tail"), _EXCUSED)
    if seen.lost_in is Gate.SOAK:
        return Outcome(log=seen.log)
    if not findings and report.part("soak") is None and report.part("end") is None:
        return Outcome(error="the course did not come to its end in the machine", log=seen.log)
    return Outcome(tuple(findings), seen.log)


def _starved(report: Report) -> Iterator[GateFinding]:
    for words in report.complaints:
        if words.startswith("no-fork"):
            message = f"no process can be made: {words.split(maxsplit=2)[-1]}"
            yield GateFinding(
                "no-fork", message, "ops.init_task", "ops.init_task of a new task must not fail"
            )
            break
    if report.part("hotplug") is None:
        return
    done = report.did.get("stress", {})
    for task, least in _LEAST.items():
        count = done.get(task, least)
        if count < least:
            who = WHO.get(task, "a task of the usual weight that never sleeps")
            message = f"{who} got next to nothing done: {count} steps, expected {least} at the least"
            yield GateFinding("no-progress", message, task, STARVED)
