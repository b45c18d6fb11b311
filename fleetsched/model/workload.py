# SPDX-License-Identifier: Apache-2.0
"""Benchmarks, as their manifests say them. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.metrics import Direction
from fleetsched.model.position import BUILT_IN, Position
from fleetsched.model.tasks import Tasks

PLACEHOLDERS = {
    "cpus": "the number of CPUs",
    "seed": "a number that is the same for every scheduler and another in every block of runs",
    "cgroup": "the folder of the run's own cgroup, in which commands may make more",
}
"""What may stand in a workload's commands as `{{ NAME }}`."""


@dataclass(frozen=True, slots=True)
class WorkloadMetric:
    """One number of what a workload's command prints.

    Attributes:
        regex: where it is, in Python's words: line by line, the only group, the last match; empty = JSON.
        json_path: where it is when the output is JSON: keys, and indices as text.
        scale: the printed number times this is in `unit`.
    """

    unit: str
    better: Direction
    regex: str = ""
    json_path: tuple[str, ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Workload:
    """A benchmark. Commands are lists of words that no shell reads, with the placeholders of `PLACEHOLDERS`.

    Attributes:
        command: what is run and measured; a run counts when it exits with 0.
        metrics: numbers of what it prints, by name.
        packages: Debian packages that the commands need.
        files: text by name, written into the empty folder in which every command of a run works.
        programs: text of the C source by the program's name; commands find the compiled program by it.
        tasks: whose waits the observer's metrics are about; neither = all tasks that the commands start.
        set_up: commands before each run, in order.
        background: commands that run beside the measured one and are ended after it.
        tear_down: commands after each run, also after one that failed.
        time_limit_s: a run that takes longer is ended and counts as failed.
    """

    name: str
    command: tuple[str, ...]
    metrics: Mapping[str, WorkloadMetric] = field(hash=False)
    description: str = ""
    packages: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    programs: Mapping[str, str] = field(default_factory=dict, hash=False)
    tasks: Tasks = Tasks()
    set_up: tuple[tuple[str, ...], ...] = ()
    background: tuple[tuple[str, ...], ...] = ()
    tear_down: tuple[tuple[str, ...], ...] = ()
    time_limit_s: float = 60.0
    source: Position = field(default=BUILT_IN, compare=False)

    @property
    def is_own(self) -> bool:
        """Whether it is what a host does anyway (`own_work`), and nothing is started."""
        return not self.command


def own_work(seconds: float) -> Workload:
    """What a real host does anyway, in a window of `seconds`; its tasks are all those of the host."""
    return Workload("own-work", (), {}, "what the host does anyway", time_limit_s=seconds)
