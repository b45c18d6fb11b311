# SPDX-License-Identifier: Apache-2.0
"""Signs that something is wrong though nobody was ejected: tasks that do not run, counters that grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleetsched.gates.report import Report
from fleetsched.model.gate import GateFinding
from fleetsched.model.health import FAULT_EVENTS

LONGEST_GAP_S = 1.0
"""A task that wakes again and again runs at least this often."""

WHO = {
    "nice": "a task of nice 19",
    "light": "a task in a cgroup of weight 1",
    "storm": "a task that forks",
    "ping": "a task that wakes another one and is woken by it",
    "regrouped": "a task that makes and removes cgroups",
    "probe": "a task that wakes every 10 ms",
    "pace": "a task that wakes every 2 ms",
    "soak-waker": "a task that wakes every 50 ms",
    "soak-storm": "a task that forks, and waits for what it forked, ten times a second",
}
"""The tasks of the course (guest/course.pl); all others are of the usual weight and never sleep."""

STARVED = "the share of a task may be small, and never nothing: bound how long any task can be passed over"


def gaps(report: Report, *parts: str) -> Iterator[GateFinding]:
    """Tasks that wake again and again, and did not run for long, in these parts of the course."""
    for part in parts:
        for task, gap in report.gaps_s.get(part, {}).items():
            if gap > LONGEST_GAP_S:
                message = f"{WHO[task]} did not run for {gap:.1f} s"
                yield GateFinding("task-starved", message, task, STARVED)


def fault_events(grown: Mapping[str, int], excused: frozenset[str] = frozenset()) -> Iterator[GateFinding]:
    """Counters that a sound policy does not move."""
    for name, count in sorted(grown.items()):
        if name in FAULT_EVENTS - excused:
            yield GateFinding(
                "fault-events",
                f"the kernel counted {name} {count} times",
                name,
                "the kernel's own comment beside that counter says what a policy does wrong then",
            )
