# SPDX-License-Identifier: Apache-2.0
"""How the time of a goal's budget is divided between the search and the final comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fleetsched.agent.interface import Candidate
from fleetsched.bench.measure import Experiment, least_repeats
from fleetsched.lab.shape import MachineSpec
from fleetsched.model.controller import AgentAccess, Budget
from fleetsched.model.evidence import Evidence
from fleetsched.model.goal import Evaluation
from fleetsched.operations import workbench as operation
from fleetsched.operations.bench import workloads
from fleetsched.operations.workshop import SEARCH_SHARE, lab_workshop, least_final_s
from tests.unit.experiments import evidence
from tests.unit.workbenches import GOAL, FakeLab, task

WALL_S = 1000.0


@dataclass
class SlowLab:
    """Gates that take no time, and experiments that take `seconds` each."""

    seconds: float
    now_s: float = 0.0
    experiments: int = 0

    def run_gates(self, folders: list[Path], wanted: Any, say: Any) -> list[Any]:
        return [FakeLab().gates(Candidate("c1", folders[0].name, folders[0]), wanted.until)]

    def run_in_lab(self, experiment: Experiment, spec: MachineSpec, say: Any) -> Evidence:
        self.now_s += self.seconds
        self.experiments += 1
        return searched(self.seconds)


def searched(seconds: float, runs: int = 3) -> Evidence:
    """An experiment of the search: a warm-up and so many blocks."""
    found = evidence()
    return replace(found, seconds=seconds, order=found.order[:runs])


@pytest.mark.parametrize(
    ("evaluation", "workload_count"),
    [
        (Evaluation(), 1),
        (Evaluation(workloads=("interactive-under-hogs", "hackbench"), hold_out=("pgbench",)), 3),
    ],
)
def test_the_final_comparison_takes_as_many_blocks_as_can_show_something(
    evaluation: Evaluation, workload_count: int
) -> None:
    asked = task(goal=replace(GOAL, evaluation=evaluation))
    block_s = 25.0
    found = least_final_s(asked, workloads(None), searched(4 * block_s))
    least = 1 + least_repeats(len(evidence().comparisons))  # with the warm-up
    assert least <= found / block_s / workload_count <= least + 2


@pytest.mark.parametrize(
    ("seconds", "experiments"),
    [
        (100.0, 6),  # where a block takes 25 s, the search has its share
        (280.0, 2),  # where it takes 70 s, the third experiment would begin within the share
        (700.0, 1),  # nothing can be shown in this budget at all: no time is lost to the search
    ],
)
def test_the_search_ends_in_time_for_a_final_comparison_that_can_show_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, experiments: int
) -> None:
    lab = SlowLab(seconds)
    monkeypatch.setattr("fleetsched.gates.cascade.run_gates", lab.run_gates)
    monkeypatch.setattr(operation, "run_in_lab", lab.run_in_lab)
    agent = AgentAccess(budget=Budget(wall_s=WALL_S))
    shop = replace(lab_workshop(agent, tmp_path, lambda line: None), clock=lambda: lab.now_s)
    run = shop.begin("web-latency")

    draft = shop.draft(workloads(None), run, task())

    assert lab.experiments == experiments
    assert draft.ended == "wall"
    assert draft.candidate is not None
    final_s = least_final_s(task(), workloads(None), searched(seconds))
    assert (
        f"the budget of {max(min(SEARCH_SHARE * WALL_S, WALL_S - final_s), 0):.0f} s is spent"
        in draft.explanation
    )
