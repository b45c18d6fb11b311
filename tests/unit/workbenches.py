# SPDX-License-Identifier: Apache-2.0
"""Workbenches to build tests with: real candidates, and gates and measurements that a test scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.agent.budget import Meter
from fleetsched.agent.interface import Candidate, Task
from fleetsched.agent.workbench import Means, RunWorkbench
from fleetsched.gates.cascade import Wanted, run_gates
from fleetsched.model.controller import Budget
from fleetsched.model.evidence import Evidence
from fleetsched.model.gate import Gate, GateFinding, GateReport, GateResult, GateVerdict
from fleetsched.model.goal import Objective, WorkloadGoal
from fleetsched.model.policy import Policy
from fleetsched.model.suitability import rank
from fleetsched.operations.catalogue import catalogue
from tests.unit.experiments import evidence

OBJECTIVE = Objective("wakeup_latency_p99_us", "minimize")
GOAL = WorkloadGoal("web-latency", "web", "default", objective=OBJECTIVE)
UP_TO_STRESS = (Gate.SCHEMA, Gate.COMPILE, Gate.INSPECT, Gate.VERIFY, Gate.ATTACH, Gate.STRESS)
RELEASE = "6.18.12-cloud-amd64"
SOURCE = """#include <fleetsched/policy.bpf.h>

char _license[] SEC("license") = "GPL";
"""


def task(*names: str, goal: WorkloadGoal = GOAL) -> Task:
    """A task over these policies of the catalogue; none = all."""
    known = catalogue()
    policies = {name: known[name] for name in names or known}
    suitability = rank(goal.name, goal.objective, policies.values(), [])
    return Task(goal, None, suitability, policies, workload="message-wakeups")


@dataclass
class FakeLab:
    """What `Means` need, without a machine: gates up to `inspect` are real where `real`.

    Attributes:
        stops: by the candidate's id, the gate that stops it, and what it finds.
        checked: (candidate, last gate) of every check.
        measured: (candidate, repeats, seed, seconds) of every measurement.
    """

    stops: dict[str, tuple[Gate, GateFinding]] = field(default_factory=dict)
    real: bool = False
    checked: list[tuple[str, Gate]] = field(default_factory=list)
    measured: list[tuple[str, int, int, float]] = field(default_factory=list)

    def gates(self, candidate: Candidate, until: Gate) -> GateReport:
        self.checked.append((candidate.id, until))
        if self.real and until in (Gate.COMPILE, Gate.INSPECT):
            (report,) = run_gates([candidate.folder], Wanted(("6.18",), until, candidate.variant), print)
            return report
        results = tuple(self._results(candidate.id, until))
        return GateReport(candidate.policy, candidate.variant, digest(candidate.policy), results)

    def measure(self, candidate: Candidate, repeats: int, seed: int, budget_s: float) -> Evidence:
        self.measured.append((candidate.id, repeats, seed, budget_s))
        return evidence(policy=candidate.policy, digest=candidate.digest)

    def means(self) -> Means:
        return Means(self.gates, self.measure, _digest)

    def _results(self, identity: str, until: Gate) -> Sequence[GateResult]:
        results = []
        for gate in UP_TO_STRESS[: UP_TO_STRESS.index(until) + 1]:
            kernel = RELEASE if gate in UP_TO_STRESS[3:] else ""
            stopped, finding = self.stops.get(identity, (None, None))
            if gate is stopped and finding is not None:
                log = "0: R1=ctx()\n1: (61) r0 = *(u32 *)(r1 +0)\n"
                return [*results, GateResult(gate, GateVerdict.FAILED, kernel, 1.0, (finding,), log)]
            results.append(GateResult(gate, GateVerdict.PASSED, kernel, 1.0))
        return results


def digest(policy: str) -> str:
    """What the fake compiler makes of a policy."""
    return policy.encode().hex().ljust(64, "0")[:64]


def _digest(policy: Policy, variant: str) -> str:
    return digest(f"{policy.name}/{variant}")


def workbench(
    folder: Path,
    lab: FakeLab | None = None,
    *,
    asked: Task | None = None,
    budget: Budget | None = None,
    meter: Meter | None = None,
) -> RunWorkbench:
    """A workbench over a fake lab."""
    return RunWorkbench(
        asked or task(),
        folder,
        (lab or FakeLab()).means(),
        meter or Meter(budget or Budget()),
        backend="anthropic",
        model="a-model",
    )
