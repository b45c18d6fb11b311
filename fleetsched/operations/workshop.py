# SPDX-License-Identifier: Apache-2.0
"""Who drafts for a goal, and where drafts are measured: the chosen backend, and this computer's lab."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Backend, Candidate, Draft, Task, Workbench
from fleetsched.bench.interface import WARM_UPS
from fleetsched.fleetrepo.secret import resolve_secret
from fleetsched.model.controller import AgentAccess, Budget
from fleetsched.model.evaluation import final_workloads
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.workload import Workload
from fleetsched.operations.workbench import Lab, open_workbench

Workloads = Mapping[str, Workload]
BackendName = Literal["catalogue", "anthropic"]

_KEY = "ANTHROPIC_API_KEY"  # where the controller's file names no other place

SEARCH_SHARE = 0.6
"""Of the time of a goal's budget, at most; what is left is for the final comparison (`least_final_s`)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One goal's run.

    Attributes:
        folder: what it leaves: candidates, evidence, transcript, lessons.
        budget: of the search, whose time is a share of the whole; `meter` counts what is used of it.
        day: today, `2026-11-26`.
    """

    folder: Path
    budget: Budget
    meter: Meter
    day: str


@dataclass(frozen=True, slots=True)
class Workshop:
    """Who drafts and where drafts are measured. A test has its own.

    Attributes:
        backend: its name; `model` the language model's, if it has one.
        runs: the folder in which each goal's run gets one.
        budget: of each goal.
        draft: work on a task until there is a draft or a budget is used up; with the workloads, by name.
        gates: send a candidate through them, up to stress.
        measure: a candidate on the task's workload: repeats, seed, seconds; with the workloads, by name.
        say: told what is done.
        clock: seconds of a clock that never goes back.
        utc: the time of day.
    """

    backend: BackendName
    runs: Path
    budget: Budget
    draft: Callable[[Workloads, Run, Task], Draft]
    gates: Callable[[Workloads, Task, Candidate], GateReport]
    measure: Callable[[Workloads, Task, Candidate, int, int, float], Evidence]
    say: Callable[[str], None]
    model: str = ""
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)

    def begin(self, goal: str) -> Run:
        """Begin a goal's run in a folder of its own.

        Raises:
            OSError: it cannot be made.
        """
        now = self.utc()
        folder = self.runs / f"{now:%Y%m%dT%H%M%SZ}-propose-{goal}"
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        budget = replace(self.budget, wall_s=self.budget.wall_s * SEARCH_SHARE)
        return Run(folder, budget, Meter(budget, self.clock), f"{now:%Y-%m-%d}")


_SPARE = 1  # a block, for the machine's start and the gates


def least_final_s(task: Task, known: Workloads, searched: Evidence) -> float:
    """How long a final comparison takes in which anything can be shown, in seconds.

    How slow a machine is shows in its experiments only: each block of the final comparison is taken to last
    as long as those of the search did.

    Args:
        task: with a goal that has an objective.
        known: workloads, by name.
        searched: an experiment of the search.
    """
    from fleetsched.bench.measure import least_repeats

    block_s = searched.seconds / (WARM_UPS + len(searched.order))
    count = len(final_workloads(task.goal, known))
    return block_s * (WARM_UPS + least_repeats(len(searched.comparisons)) + _SPARE) * count


def lab_workshop(
    agent: AgentAccess, runs: Path, say: Callable[[str], None], backend: BackendName | None = None
) -> Workshop:
    """The workshop of this computer.

    Args:
        agent: of the controller's own file.
        runs: where each goal's run gets its folder.
        say: told what takes long.
        backend: another than the controller's file names.
    """
    name = backend or agent.backend
    model = agent.model if name == "anthropic" else ""

    def draft(known: Workloads, run: Run, task: Task) -> Draft:
        folder, meter = run.folder, run.meter

        def learn(evidence: Evidence) -> None:
            meter.end_by(agent.budget.wall_s - least_final_s(task, known, evidence))

        bench: Workbench = open_workbench(
            None, task, folder, meter, say, backend=name, model=model, known=known, learn=learn
        )
        return _backend(name, agent, run).draft(task, bench, say)

    def measure(
        known: Workloads, task: Task, candidate: Candidate, repeats: int, seed: int, budget_s: float
    ) -> Evidence:
        return Lab(known, task, say).measure(candidate, repeats, seed, budget_s)

    def gates(known: Workloads, task: Task, candidate: Candidate) -> GateReport:
        return Lab(known, task, say).gates(candidate, Gate.STRESS)

    return Workshop(name, runs, agent.budget, draft, gates, measure, say, model)


def _backend(name: BackendName, agent: AgentAccess, run: Run) -> Backend:
    if name == "anthropic":
        from fleetsched.agent.anthropic.backend import AnthropicBackend

        key = resolve_secret(agent.key) if agent.key is not None else os.environ.get(_KEY, "")
        return AnthropicBackend(replace(agent, budget=run.budget), key, run.folder, run.meter, run.day)
    from fleetsched.agent.catalogue_backend import CatalogueBackend

    return CatalogueBackend(run.meter, run.day)
