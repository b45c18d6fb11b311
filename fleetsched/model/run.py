# SPDX-License-Identifier: Apache-2.0
"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import ExitCode
from fleetsched.model.plan import HostPlan
from fleetsched.model.rollout import Batch, Phase


@dataclass(frozen=True, slots=True)
class HostResult:
    """How one host came out of a run. `tried`: its work was begun; else nothing on it was changed."""

    host: str
    goal: str | None
    phase: Phase
    detail: str
    tried: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """How a run ended.

    Attributes:
        run: its name, on hosts and in the journal.
        journal: the file that tells every event of it.
        not_started: goals that were left alone because an earlier one failed.
    """

    run: str
    exit_code: ExitCode
    hosts: tuple[HostResult, ...]
    journal: Path
    not_started: tuple[str, ...] = ()

    @property
    def tried(self) -> bool:
        """Whether work was begun on any host; else nothing was changed."""
        return any(host.tried for host in self.hosts)

    def within(self, *phases: Phase) -> int:
        """How many hosts ended in any of these phases."""
        return sum(host.phase in phases for host in self.hosts)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would do for one goal.

    Attributes:
        goal: None = for hosts that no goal claims.
        batches: the hosts of each step, in order.
        obstacle: why it would not start; empty when it would.
    """

    goal: str | None
    batches: tuple[Batch, ...]
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Undo:
    """What a rollback would do: the run to undo, and each host with what it goes back to."""

    run: str
    hosts: tuple[HostPlan, ...]
