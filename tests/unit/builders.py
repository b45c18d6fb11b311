# SPDX-License-Identifier: Apache-2.0
"""Builders of values, so that a test names only what it is about."""

from __future__ import annotations

from typing import Any

from fleetsched.model.assignment import Assignment
from fleetsched.model.state import (
    ExitRecord,
    Facts,
    Held,
    KernelState,
    Notice,
    Record,
    Running,
    Sample,
    Status,
    Trial,
)

STALL = ExitRecord(1026, "ERROR_STALL", 0, "runnable task stall", "kworker/0:1[42] failed to run for 5.2s")


def assignment(policy: str = "fair", digest: str = "a", **parameters: int) -> Assignment:
    return Assignment.of(policy, "default", digest * 64, parameters)


def record(what: Assignment) -> Record:
    return Record(what, "run-1", "c" * 40, "2026-01-02T03:04:05Z", "7.2.13-cloud-amd64", "0-1")


def running(what: Assignment, enable_seq: int = 1) -> Running:
    return Running(what, what.policy, enable_seq)


def enabled(ops: str = "fair", enable_seq: int = 1, **events: int) -> KernelState:
    return KernelState("enabled", ops, enable_seq, True, tuple(sorted(events.items())))


DISABLED = KernelState("disabled", None, 0, False)


def status(**fields: Any) -> Status:
    return Status(**{"boot_id": "boot", "boottime_ms": 1000, "kernel": DISABLED, **fields})


def confirmed(what: Assignment) -> Status:
    return status(kernel=enabled(what.policy), running=running(what), last_known_good=record(what))


def held(what: Assignment) -> Held:
    return Held(what, "ejected", STALL, "2026-01-02T03:04:05Z")


def trial(what: Assignment, enable_seq: int = 2) -> Trial:
    return Trial("t1", what, "run-1", "c" * 40, what.policy, enable_seq, 1000, 60_000, 10_000)


def sample(elapsed_ms: int = 0, **fields: Any) -> Sample:
    return Sample(
        **{"elapsed_ms": elapsed_ms, "kernel": enabled("fair", 2), "trial": None, "running": None, **fields}
    )


def facts(*problems: Notice, kernel_release: str = "7.2.13-cloud-amd64", arch: str = "x86_64") -> Facts:
    return Facts(
        kernel_release=kernel_release,
        arch=arch,
        distribution="Debian GNU/Linux 13 (trixie)",
        cpus_online="0-1",
        cpu_count=2,
        memory_bytes=768 << 20,
        sched_ext=not problems,
        btf=True,
        pressure=True,
        boot_id="boot",
        problems=problems,
    )
