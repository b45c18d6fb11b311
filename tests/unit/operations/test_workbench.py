# SPDX-License-Identifier: Apache-2.0
"""What is judged and measured for a task in this computer's lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Candidate, Task
from fleetsched.bench.measure import Experiment
from fleetsched.errors import InputError
from fleetsched.gates.cascade import Wanted
from fleetsched.lab.shape import MachineSpec
from fleetsched.model.controller import Budget
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate, GateReport, GateResult, GateVerdict
from fleetsched.model.goal import Guardrail, Objective, PolicyBinding, WorkloadGoal
from fleetsched.operations import workbench as operation
from fleetsched.operations.workbench import open_workbench
from tests.unit.experiments import evidence
from tests.unit.workbenches import task

GOAL = WorkloadGoal(
    "web-latency",
    "web",
    "default",
    policy=PolicyBinding("deadline", parameters={"slice_us": 2000}),
    objective=Objective("wakeup_latency_p99_us", "minimize"),
    guardrails=(Guardrail("requests_per_second", 5.0),),
)


class Lab:
    """Stands for gates and machines, and remembers what they were asked."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.experiments: list[tuple[Experiment, MachineSpec]] = []

    def run_gates(self, folders: list[Path], wanted: Wanted, say: Any) -> list[GateReport]:
        self.wanted.append(wanted)
        passed = GateResult(Gate.STRESS, GateVerdict.PASSED, "6.18.12")
        return [GateReport(folders[0].name, "default", "", (passed,))]

    def run_in_lab(self, experiment: Experiment, spec: MachineSpec, say: Any) -> Evidence:
        self.experiments.append((experiment, spec))
        return evidence(policy=experiment.policy)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    fake = Lab()
    monkeypatch.setattr("fleetsched.gates.cascade.run_gates", fake.run_gates)
    monkeypatch.setattr(operation, "run_in_lab", fake.run_in_lab)
    return fake


def measured(folder: Path, asked: Task) -> Candidate:
    bench = open_workbench(None, asked, folder, Meter(Budget(), lambda: 0.0), print, backend="catalogue")
    candidate = bench.choose("fair", "default", {"slice_us": 2500})
    bench.check(candidate, Gate.STRESS)
    bench.benchmark(candidate, 6)
    return candidate


def test_a_candidate_is_measured_against_the_kernels_scheduler_and_the_goals_policy(
    tmp_path: Path, lab: Lab
) -> None:
    candidate = measured(tmp_path, task(goal=GOAL))
    assert lab.wanted == [Wanted(("6.18",), Gate.STRESS, "default", parameters={"slice_us": 2500})]
    ((experiment, spec),) = lab.experiments
    assert spec == MachineSpec(kernel="6.18", cpus=1, icount=True)
    assert [(each.arm.name, each.arm.policy) for each in experiment.arms] == [
        ("kernel-default", ""),
        ("incumbent", "deadline"),
        ("candidate", "fair"),
    ]
    assert experiment.arms[1].arm.parameters["slice_us"] == 2000
    assert experiment.arms[2].arm.parameters == {"slice_us": 2500, "credit_us": 5000}
    assert experiment.arms[2].arm.digest == candidate.digest
    assert experiment.guardrails == {"requests_per_second": 0.05}
    assert (experiment.repeats, experiment.seed, experiment.budget_s) == (6, 1, 1800.0)


@pytest.mark.parametrize("bound", [None, PolicyBinding("kernel-default"), PolicyBinding("scx-rusty")])
def test_where_there_is_no_incumbent_to_build_there_are_two_arms(
    tmp_path: Path, lab: Lab, bound: PolicyBinding | None
) -> None:
    goal = WorkloadGoal("web-latency", "web", "default", policy=bound)
    measured(tmp_path, task(goal=goal))
    ((experiment, _),) = lab.experiments
    assert [each.arm.name for each in experiment.arms] == ["kernel-default", "candidate"]


def test_a_workload_that_there_is_not(tmp_path: Path, lab: Lab) -> None:
    with pytest.raises(InputError, match="no workload 'message-wakeup'; did you") as raised:
        measured(tmp_path, replace(task(), workload="message-wakeup"))
    assert raised.value.remedy
