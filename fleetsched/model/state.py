# SPDX-License-Identifier: Apache-2.0
"""What a host says about itself through the helper: facts, kernel truth, records, trials.

The wire form is in docs/helper-protocol.md. Durations are milliseconds, points in time are RFC 3339
text as the host wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetsched.model.assignment import Assignment
from fleetsched.model.observation import Latency
from fleetsched.model.program import Program

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """A named problem or warning with what to do about it."""

    code: str
    message: str
    remedy: str = ""

    @classmethod
    def from_wire(cls, value: Wire) -> Notice:
        """Read the protocol's form of it."""
        return cls(value["code"], value["message"], value.get("remedy", ""))


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host is: kernel, processors, and whether sched_ext can be used (`problems` empty).

    Attributes:
        signatures: whether it takes only signed assignments.
        group: the HostGroup that it believes to belong to; None when it was told none.
        observer: whether it can measure how long tasks wait for a CPU.
    """

    kernel_release: str
    arch: str
    distribution: str
    cpus_online: str
    cpu_count: int
    memory_bytes: int
    sched_ext: bool
    btf: bool
    pressure: bool
    boot_id: str
    problems: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()
    signatures: bool = False
    group: str | None = None
    observer: bool = False

    @classmethod
    def from_wire(cls, value: Wire) -> Facts:
        """Read the protocol's form of it."""
        return cls(
            kernel_release=value["kernel_release"],
            arch=value["arch"],
            distribution=value["distribution"],
            cpus_online=value["cpus_online"],
            cpu_count=value["cpu_count"],
            memory_bytes=value["memory_bytes"],
            sched_ext=value["sched_ext"],
            btf=value["btf"],
            pressure=value["pressure"],
            boot_id=value["boot_id"],
            problems=tuple(map(Notice.from_wire, value["problems"])),
            warnings=tuple(map(Notice.from_wire, value["warnings"])),
            # Helpers of before knew none of these.
            signatures=value.get("signatures", False),
            group=value.get("group"),
            observer=value.get("observer", False),
        )


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """Why the kernel let a policy go, from the policy's own exit map.

    `kind` >= 1024 is a fault (facts: enum scx_exit_kind, stable from 6.12 to 7.3). `trace` is where the
    kernel was when it found the fault, the innermost call first, at most eight; empty without a record.
    """

    kind: int
    kind_name: str
    code: int
    reason: str
    message: str
    trace: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, value: Wire | None) -> ExitRecord | None:
        """Read the protocol's form of it; None stays None."""
        if value is None:
            return None
        trace = tuple(value.get("trace", ()))
        return cls(value["kind"], value["kind_name"], value["code"], value["reason"], value["message"], trace)

    @property
    def is_fault(self) -> bool:
        """Whether the kernel ejected the policy for something that it did."""
        return self.kind >= 1024

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.message else self.reason


@dataclass(frozen=True, slots=True)
class KernelState:
    """What /sys/kernel/sched_ext said at one moment. `state` is `absent` without sched_ext."""

    state: str
    ops: str | None
    enable_seq: int
    switch_all: bool
    events: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_wire(cls, value: Wire) -> KernelState:
        """Read the protocol's form of it."""
        return cls(
            state=value["state"],
            ops=value["ops"],
            enable_seq=value["enable_seq"],
            switch_all=value["switch_all"],
            events=tuple(sorted(value["events"].items())),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A last known good: what was confirmed, by which run, from which revision."""

    assignment: Assignment
    run: str
    revision: str
    confirmed_at: str
    kernel_release: str
    cpus: str
    program: Program | None = None

    @classmethod
    def from_wire(cls, value: Wire | None) -> Record | None:
        """Read the protocol's form of it; None stays None."""
        if value is None:
            return None
        return cls(
            assignment=Assignment.from_wire(value["assignment"]),
            run=value["run"],
            revision=value["revision"],
            confirmed_at=value["confirmed_at"],
            kernel_release=value["kernel_release"],
            cpus=value["cpus"],
            program=Program.from_wire(value.get("program")),
        )


@dataclass(frozen=True, slots=True)
class Running:
    """What this helper attached and the kernel still runs."""

    assignment: Assignment
    ops: str
    enable_seq: int
    events_baseline: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_wire(cls, value: Wire | None) -> Running | None:
        """Read the protocol's form of it; None stays None."""
        if value is None:
            return None
        return cls(
            Assignment.from_wire(value["assignment"]),
            value["ops"],
            value["enable_seq"],
            tuple(sorted(value["events_baseline"].items())),
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy attached but not yet confirmed."""

    id: str
    assignment: Assignment
    run: str
    revision: str
    ops: str
    enable_seq: int
    started_ms: int
    deadline_in_ms: int
    confirm_in_ms: int

    @classmethod
    def from_wire(cls, value: Wire | None) -> Trial | None:
        """Read the protocol's form of it; None stays None."""
        if value is None:
            return None
        return cls(
            id=value["id"],
            assignment=Assignment.from_wire(value["assignment"]),
            run=value["run"],
            revision=value["revision"],
            ops=value["ops"],
            enable_seq=value["enable_seq"],
            started_ms=value["started_ms"],
            deadline_in_ms=value["deadline_in_ms"],
            confirm_in_ms=value["confirm_in_ms"],
        )


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """How the newest trial ended: confirmed, ejected, expired, reverted or lost."""

    id: str
    assignment: Assignment
    outcome: str
    exit: ExitRecord | None
    ended_ms: int

    @classmethod
    def from_wire(cls, value: Wire | None) -> EndedTrial | None:
        """Read the protocol's form of it; None stays None."""
        if value is None:
            return None
        return cls(
            value["id"],
            Assignment.from_wire(value["assignment"]),
            value["outcome"],
            ExitRecord.from_wire(value["exit"]),
            value["ended_ms"],
        )


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment that failed on this host and is not tried again."""

    assignment: Assignment
    why: str
    exit: ExitRecord | None
    at: str

    @classmethod
    def from_wire(cls, value: Wire) -> Held:
        """Read the protocol's form of it."""
        return cls(
            Assignment.from_wire(value["assignment"]),
            value["why"],
            ExitRecord.from_wire(value["exit"]),
            value["at"],
        )


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Who holds the lease of a host."""

    owner: str
    expires_in_ms: int


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that matters for a plan, from one host at one moment."""

    boot_id: str
    boottime_ms: int
    kernel: KernelState
    running: Running | None = None
    foreign: str | None = None
    trial: Trial | None = None
    last_trial: EndedTrial | None = None
    last_known_good: Record | None = None
    previous: Record | None = None
    voided: Record | None = None
    voided_exit: ExitRecord | None = None
    held: tuple[Held, ...] = ()
    lease: HeldBy | None = None

    @classmethod
    def from_wire(cls, value: Wire) -> Status:
        """Read the protocol's form of it."""
        voided, lease = value["voided"], value["lease"]
        return cls(
            boot_id=value["boot_id"],
            boottime_ms=value["boottime_ms"],
            kernel=KernelState.from_wire(value["kernel"]),
            running=Running.from_wire(value["running"]),
            foreign=value["foreign"],
            trial=Trial.from_wire(value["trial"]),
            last_trial=EndedTrial.from_wire(value["last_trial"]),
            last_known_good=Record.from_wire(value["last_known_good"]),
            previous=Record.from_wire(value["previous"]),
            voided=Record.from_wire(voided["record"]) if voided else None,
            voided_exit=ExitRecord.from_wire(voided["exit"]) if voided else None,
            held=tuple(map(Held.from_wire, value["held"])),
            lease=HeldBy(lease["owner"], lease["expires_in_ms"]) if lease else None,
        )


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one operator-written check on the host said."""

    status: str
    exit_code: int | None
    output: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a host during a watch.

    Attributes:
        cpu_some_avg10: pressure in percent; None when it was not asked for or the kernel has no PSI.
        run_queue: how long tasks waited since the sample before, without `max_us` and `buckets`; None when it
            was not asked for, or when nothing waited.
    """

    elapsed_ms: int
    kernel: KernelState
    trial: Trial | None
    running: Running | None
    cpu_some_avg10: float | None = None
    checks: tuple[tuple[str, CheckResult], ...] = ()
    run_queue: Latency | None = None

    @classmethod
    def from_wire(cls, value: Wire) -> Sample:
        """Read the protocol's form of it."""
        pressure = value["pressure"]
        return cls(
            elapsed_ms=value["elapsed_ms"],
            kernel=KernelState.from_wire(value["kernel"]),
            trial=Trial.from_wire(value["trial"]),
            running=Running.from_wire(value["running"]),
            cpu_some_avg10=pressure["cpu_some_avg10"] if pressure else None,
            checks=tuple(
                (name, CheckResult(c["status"], c["exit_code"], c["output"]))
                for name, c in sorted(value["checks"].items())
            ),
            run_queue=Latency.from_wire(value.get("run_queue")),
        )


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a host's own history."""

    at: str
    boot_id: str
    boottime_ms: int
    event: str
    assignment: Assignment | None
    run: str | None
    exit: ExitRecord | None
    detail: str

    @classmethod
    def from_wire(cls, value: Wire) -> HistoryEntry:
        """Read the protocol's form of it."""
        assignment = value["assignment"]
        return cls(
            at=value["at"],
            boot_id=value["boot_id"],
            boottime_ms=value["boottime_ms"],
            event=value["event"],
            assignment=Assignment.from_wire(assignment) if assignment else None,
            run=value["run"],
            exit=ExitRecord.from_wire(value["exit"]),
            detail=value["detail"],
        )
