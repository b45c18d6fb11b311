# SPDX-License-Identifier: Apache-2.0
"""What a scenario may say about a policy: how its object loads, attaches, and ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit record as the kernel writes it; `kind` >= 1024 is a fault."""

    kind: int
    kind_name: str
    reason: str
    message: str = ""
    code: int = 0
    trace: tuple[str, ...] = ()

    @property
    def wants_restart(self) -> bool:
        """Whether a CPU came or went, and the kernel asks for the policy to be started again."""
        return self.kind == 66 and bool(self.code & 1 << 48)

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        record: dict[str, Any] = {
            "kind": self.kind,
            "kind_name": self.kind_name,
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }
        return record | ({"trace": list(self.trace)} if self.trace else {})


# As read from real kernels (6.16 to 7.3).
EXIT_STALL = Exit(1026, "ERROR_STALL", "runnable task stall", "kworker/0:1[9] failed to run for 5.120s")
EXIT_ERROR = Exit(
    1024,
    "ERROR",
    "runtime error",
    "ops.init() failed (-22)",
    -22,
    ("scx_root_enable_workfn+0x4ef/0x1000", "kthread_worker_fn+0xa5/0x2a0", "kthread+0xff/0x240"),
)
EXIT_BPF = Exit(1025, "ERROR_BPF", "scx_bpf_error", "gave up")
EXIT_SYSRQ = Exit(67, "SYSRQ", "disabled by sysrq-S")
EXIT_HOTPLUG = Exit(
    66,
    "UNREG_KERN",
    "unregistered from the main kernel",
    "cpu 1 going offline, exiting scheduler",
    1 << 48 | 1 << 32,
)

_BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "bool": 1}
_SIGNED_BITS = {"s32": 32, "s64": 64}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one policy does on a simulated host.

    Attributes:
        ops: its name in the kernel; None = the policy's name with `_` for `-`.
        timeout_ms: its watchdog's limit; `confirm` is refused for twice as long.
        parameters: C type (`u8 u16 u32 u64 s32 s64 bool`) by name; None = any name, as u64.
        refused: why the helper does not accept the object; empty = it does.
        program_rule: which rule a program breaks; empty = none.
        program_digest: SHA-256 of the program that is installed; empty = that of the assignment.
        load_log: the verifier's last lines; empty = the object loads.
        init_exit: how attaching fails; None = it comes up.
        follows_hotplug: it has cpu_online and cpu_offline; else the kernel ends it when a CPU comes or goes.
        ejected_after_ms: how long after each attach the kernel ejects it; None = never.
        exit: what the kernel then records.
        waits_us: how long wakeups wait for a CPU while it runs, in turn; empty = as without it.
    """

    ops: str | None = None
    timeout_ms: int = 5000
    parameters: Mapping[str, str] | None = field(default=None, hash=False)
    refused: str = ""
    program_rule: str = ""
    program_digest: str = ""
    load_log: str = ""
    init_exit: Exit | None = None
    follows_hotplug: bool = True
    ejected_after_ms: int | None = None
    exit: Exit = EXIT_STALL
    waits_us: tuple[int, ...] = ()

    def wrong_parameter(self, parameters: Mapping[str, int]) -> str:
        """Say which parameter is unknown or does not fit; empty when all do."""
        for name, value in parameters.items():
            kind = "u64" if self.parameters is None else self.parameters.get(name)
            if kind is None:
                return f'the policy has no parameter "{name}"'
            low, high = _range(kind)
            if not low <= value <= high:
                return f'{value} does not fit parameter "{name}" ({kind})'
        return ""


def _range(kind: str) -> tuple[int, int]:
    if kind in _SIGNED_BITS:
        half = 1 << (_SIGNED_BITS[kind] - 1)
        return -half, half - 1
    return 0, (1 << _BITS[kind]) - 1
