# SPDX-License-Identifier: Apache-2.0
"""A machine that is not there: a simulated helper, and a judge that writes what the scenario says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from fleetsched.bench.interface import Run
from fleetsched.errors import HelperError, LabError, UnreachableError, WorkloadError
from fleetsched.gates.course import ATTACH_S, STRESS_S, TAIL_S
from fleetsched.helper.client import HelperClient
from fleetsched.helper.session import NoHelper, open_helper
from fleetsched.helper.simulated import Behaviour, ManualClock, SimulatedHost
from fleetsched.helper.simulated.transport import SimulatedConnection
from fleetsched.model.evidence import Arm, Environment
from fleetsched.model.workload import Workload

SOUND = {
    **dict.fromkeys(("hog-1", "hog-2", "hog-3"), 1500),
    "nice": 109,
    "light": 95,
    "storm": 184,
    "ping": 600,
    "regrouped": 7,
    "probe": 380,
}


def report(
    ops: str = "fair",
    *,
    at_s: float = 60.0,
    last: str = "end",
    did: dict[str, int] | None = None,
    gaps: dict[str, float] | None = None,
    events: dict[str, int] | None = None,
    more: str = "",
) -> str:
    """What the judge writes of a policy that came up at `at_s` and went on until `last`.

    Args:
        ops: its name.
        at_s: on the machine's clock.
        last: the last part.
        did: steps by task, where they are not those of a sound policy.
        gaps: of tasks under stress.
        events: counters that grow while CPUs come and go.
        more: other lines.
    """
    hotplug_s = at_s + ATTACH_S + STRESS_S * 0.55
    times = {
        "attach": at_s,
        "stress": at_s + ATTACH_S,
        "hotplug": hotplug_s,
        "tail": at_s + ATTACH_S + STRESS_S,
        "soak": at_s + ATTACH_S + STRESS_S + TAIL_S,
        "end": at_s + 200,
    }
    lines = ["ready 50.0", more]
    for name, time in times.items():
        lines.append(f"part {name} {time} enabled {ops} 1")
        grown = events if events and name in ("tail", "soak", "end") else {}
        lines += [f"event {name} {event} {count}" for event, count in (grown or {}).items()]
        if name == "stress":
            lines += [f"did stress {task} {count}" for task, count in (SOUND | (did or {})).items()]
            lines += [f"gap stress {task} {gap}" for task, gap in (gaps or {"probe": 0.02}).items()]
        if name == last:
            break
    return "\n".join(lines)


@dataclass
class FakeMachine:
    """One that a scenario drives.

    Attributes:
        behaviours: what policies do, by name.
        write: the judge's report, of the name of the scheduler and when it came up.
        hangs: how often it ceases to answer while a policy runs.
        slow: whether it is as slow without one.
        resets: how often it was reset.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    write: Callable[[str, float], str] = lambda ops, at_s: report(ops, at_s=at_s)
    hangs: int = 0
    slow: bool = False
    clock_s: float = 0.0
    resets: int = 0
    console: str = "the kernel's last words"

    def __post_init__(self) -> None:
        self.host = self._fresh()

    def _fresh(self) -> SimulatedHost:
        return SimulatedHost("machine", clock=ManualClock(), behaviours=self.behaviours)

    def clock(self) -> float:
        """Seconds of the computer that it runs on."""
        self.clock_s += 0.25
        return self.clock_s

    def run(self, script: str, *, timeout_s: float) -> str:
        if "cat /run/course/report" in script:
            attached = next(entry for entry in self.host.disk.history if entry["event"] == "attached")
            return self.write(
                attached["assignment"]["policy"].replace("-", "_"), attached["boottime_ms"] / 1000
            )
        if "perl -e" in script and self.slow:
            self.clock_s += 100
        return ""

    def helper(self) -> HelperClient:
        client = open_helper(SimulatedConnection(self.host, []), "machine")
        assert not isinstance(client, NoHelper)
        if self.hangs:
            self.hangs -= 1
            # What a starved machine does to a client.
            client.watch = self._lost  # type: ignore[method-assign]
        return client

    def _lost(self, **_: object) -> Iterator[object]:
        raise UnreachableError("machine did not answer `watch` within 60 s")

    def reset(self) -> None:
        self.resets += 1
        self.host = self._fresh()


@dataclass
class FakeMachines:
    """Where they come from.

    Attributes:
        machine: the one that everybody gets.
        missing: kernels that cannot be had.
        opened: kernels of the machines that were opened, in order.
    """

    machine: FakeMachine = field(default_factory=FakeMachine)
    missing: frozenset[str] = frozenset()
    opened: list[str] = field(default_factory=list)

    def identify(self, kernel: str, say: Callable[[str], None]) -> tuple[str, str]:
        if kernel in self.missing:
            raise LabError(f"no Debian cloud kernel {kernel}")
        return f"{kernel}.1+deb13-cloud-amd64", f"machine with {kernel}"

    @contextmanager
    def open(self, kernel: str, say: Callable[[str], None]) -> Iterator[FakeMachine]:
        self.opened.append(kernel)
        self.machine.host = self.machine._fresh()
        yield self.machine


@dataclass
class FakeTarget:
    """Where a workload has one metric, `time_s`, of which every arm has its own.

    Attributes:
        times: by the arm's name; every run of it adds a little, by its seed.
        ended: the arm that the kernel ends in the first block.
        broken: whether the workload fails.
    """

    times: Mapping[str, float]
    ended: str = ""
    broken: bool = False
    arm: str = ""

    @property
    def environment(self) -> Environment:
        return Environment("6.18.1+deb13", "x86_64", 1, "flat", 768, "tcg", "icount")

    def prepare(self, workload: Workload) -> None:
        pass

    def switch_to(self, arm: Arm, image: bytes | None) -> None:
        assert (image is None) is (arm.policy == "")
        self.arm = arm.name

    def run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        if self.broken:
            raise WorkloadError("workload w: it ended with 1")
        if self.arm == self.ended:
            raise HelperError("it did not stay: runnable task stall", code="ejected")
        return Run({"time_s": self.times[self.arm] + (seed * 7919 % 100) / 1e3}, None, 1.0)


@dataclass
class FakeTargets:
    """Where they come from.

    Attributes:
        opened: kernels of those that were opened, in order.
    """

    target: FakeTarget
    opened: list[str] = field(default_factory=list)

    def identify(self, kernel: str, workload: Workload, say: Callable[[str], None]) -> str:
        return f"machine with {kernel}"

    @contextmanager
    def open(self, kernel: str, workload: Workload, say: Callable[[str], None]) -> Iterator[FakeTarget]:
        self.opened.append(kernel)
        yield self.target
