# SPDX-License-Identifier: Apache-2.0
"""Which tasks of a host a measurement is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tasks:
    """Whose latency is measured: a control group's, or a command name's; neither = the whole host's."""

    cgroup: str = ""
    command: str = ""
