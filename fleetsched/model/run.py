# SPDX-License-Identifier: Apache-2.0
"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import ExitCode
from fleetsched.model.plan import HostPlan
from fleetsched.model.rollout import Phase


@dataclass(frozen=True, slots=True)
class HostResult:
    """How one host came out of a run."""

    host: str
    goal: str | None
    phase: Phase
    detail: str


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


@dataclass(frozen=True, slots=True)
class Undo:
    """What a rollback would do: the run to undo, and each host with what it goes back to."""

    run: str
    hosts: tuple[HostPlan, ...]
