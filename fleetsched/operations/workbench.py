# SPDX-License-Identifier: Apache-2.0
"""The workbench of the agent with real gates and measurements: this computer's lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Candidate, Task
from fleetsched.agent.workbench import Means, RunWorkbench
from fleetsched.errors import InputError
from fleetsched.fleetrepo.load import load_policy
from fleetsched.model.evidence import CANDIDATE, INCUMBENT, KERNEL_DEFAULT_ARM, Arm, Evidence, Scalar
from fleetsched.model.gate import Gate, GateReport
from fleetsched.model.suggest import suggestion
from fleetsched.model.workload import Workload
from fleetsched.operations.bench import arm_image, run_in_lab, workloads

if TYPE_CHECKING:
    from fleetsched.bench.measure import ArmImage


def open_workbench(
    root: Path | None,
    task: Task,
    folder: Path,
    meter: Meter,
    say: Callable[[str], None],
    *,
    backend: str,
    model: str = "",
    known: Mapping[str, Workload] | None = None,
    learn: Callable[[Evidence], None] = lambda evidence: None,
) -> RunWorkbench:
    """Make a workbench.

    Args:
        root: the fleet repository around, if there is one: its workloads come first.
        task: what is asked; its kernel and workload are where everything runs.
        folder: of the run.
        meter: of the run.
        say: told what takes long.
        backend: who writes policies, for their provenance.
        model: of language, where there is one.
        known: workloads, by name, instead of those of `root`.
        learn: told of each experiment.
    """
    lab = Lab(workloads(root) if known is None else known, task, say)

    def measure(candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        evidence = lab.measure(candidate, repeats, seed, budget_s)
        learn(evidence)
        return evidence

    return RunWorkbench(task, folder, Means(lab.gates, measure), meter, backend=backend, model=model)


class Lab:
    """Gates and measurements for one task."""

    def __init__(self, known: Mapping[str, Workload], task: Task, say: Callable[[str], None]) -> None:
        self._known, self._task, self._say = known, task, say

    def gates(self, candidate: Candidate, until: Gate) -> GateReport:
        """See `Means`."""
        from fleetsched.gates.cascade import Wanted, run_gates

        parameters = _whole(candidate.parameters)
        wanted = Wanted((self._task.kernel,), until, candidate.variant, parameters=parameters)
        (report,) = run_gates([candidate.folder], wanted, self._say)
        return report

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        """See `Means`."""
        from fleetsched.bench.measure import Experiment
        from fleetsched.lab.shape import MachineSpec

        experiment = Experiment(
            policy=candidate.policy,
            workload=self._workload(),
            arms=self._arms(candidate),
            guardrails={each.metric: each.max_regression / 100 for each in self._task.goal.guardrails},
            repeats=repeats,
            budget_s=budget_s,
            seed=seed,
        )
        return run_in_lab(experiment, MachineSpec(kernel=self._task.kernel, cpus=1, icount=True), self._say)

    def _workload(self) -> Workload:
        known, name = self._known, self._task.workload
        if name not in known:
            raise InputError(
                f"no workload {name!r}{suggestion(name, known)}", remedy="see `fleetsched bench --list`"
            )
        return known[name]

    def _arms(self, candidate: Candidate) -> tuple[ArmImage, ...]:
        from fleetsched.bench.measure import ArmImage

        arms = [ArmImage(Arm(KERNEL_DEFAULT_ARM))]
        bound = self._task.goal.policy
        incumbent = self._task.policies.get(bound.name) if bound else None
        # A program is on the hosts only: there is nothing to measure it by here.
        if bound is not None and incumbent is not None and incumbent.program is None:
            arms.append(arm_image(INCUMBENT, incumbent, bound.variant, bound.parameters))
        policy, parameters = load_policy(candidate.folder), _whole(candidate.parameters)
        return (*arms, arm_image(CANDIDATE, policy, candidate.variant, parameters))


def _whole(parameters: Mapping[str, Scalar]) -> dict[str, int]:
    """Parameters as an object has them."""
    return {name: int(value) for name, value in parameters.items()}
