# SPDX-License-Identifier: Apache-2.0
"""Which tasks of a host a measurement is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tasks:
    """Whose latency is measured: a control group's, or a command name's; neither = the whole host's."""

    cgroup: str = ""
    command: str = ""

    def __bool__(self) -> bool:
        return bool(self.cgroup or self.command)

    def includes(self, cgroup: str | None, command: str) -> bool:
        """Whether tasks of a command in a control group are among them, those of its children, too.

        Args:
            cgroup: its path, with or without the leading `/`; None when it is gone.
            command: as the kernel has it.
        """
        if self.command:
            return command == self.command
        wanted = self.cgroup.strip("/")
        return not wanted or (cgroup is not None and f"{cgroup.strip('/')}/".startswith(f"{wanted}/"))
