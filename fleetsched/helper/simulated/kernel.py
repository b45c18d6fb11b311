# SPDX-License-Identifier: Apache-2.0
"""The simulated kernel's sched_ext: what /sys/kernel/sched_ext would say."""

from __future__ import annotations

from typing import Any


class SimulatedKernel:
    """At most one scheduler at a time, whoever attached it."""

    def __init__(self, *, sched_ext: bool) -> None:
        self.sched_ext = sched_ext
        self.ops: str | None = None
        self.enable_seq = 0
        self.events: dict[str, int] = {}

    def enable(self, ops: str) -> None:
        """A scheduler comes up; its counters start anew, and attaching itself costs one bypass."""
        self.ops = ops
        self.enable_seq += 1
        self.events = {"SCX_EV_BYPASS_ACTIVATE": 1, "SCX_EV_SELECT_CPU_FALLBACK": 0}

    def disable(self) -> None:
        """The kernel's own scheduler is back."""
        self.ops = None
        self.events = {}

    def to_wire(self) -> dict[str, Any]:
        """Write the protocol's form of it."""
        state = "enabled" if self.ops else "disabled"
        return {
            "state": state if self.sched_ext else "absent",
            "ops": self.ops,
            "enable_seq": self.enable_seq,
            "switch_all": self.ops is not None,
            "events": dict(self.events),
        }
