# SPDX-License-Identifier: Apache-2.0
"""`fleetsched bench`: measure a policy on a workload, against the kernel's scheduler and another policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fleetsched.errors import InputError
from fleetsched.fleetrepo.evidence import write_evidence
from fleetsched.fleetrepo.load import MARKER, load_fleet
from fleetsched.fleetrepo.workloads import shipped_workloads
from fleetsched.model.evaluation import check_measures
from fleetsched.model.evidence import CANDIDATE, INCUMBENT, KERNEL_DEFAULT_ARM, Arm, Evidence
from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.policy import Policy
from fleetsched.model.suggest import suggestion
from fleetsched.model.workload import Workload
from fleetsched.operations.policies import find_policy, parameters_of

if TYPE_CHECKING:
    from fleetsched.bench.measure import ArmImage, Clock, Experiment
    from fleetsched.lab.shape import MachineSpec

_NO_PARAMETERS: Mapping[str, int] = MappingProxyType({})

DEFAULT = "default"
"""The word for the kernel's own scheduler as what a policy is compared with."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        policy: the candidate: a policy's name, or its folder.
        against: another policy beside the kernel's own scheduler; `default` = none.
        parameters: of the candidate, as text, checked against its manifest.
        guardrails: the largest regression that is tolerated, as a share, by metric.
        width: see `measure.Experiment`.
        kernel, topology, cpus: of the machine, whose clock counts instructions. No CPUs = as few as the
            topology has: several take turns, which shows in latencies (docs/benchmarks.md).
    """

    policy: str
    workload: str
    against: str = DEFAULT
    variant: str = "default"
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)
    guardrails: Mapping[str, float] = field(default_factory=dict, hash=False)
    repeats: int = 10
    budget_s: float | None = None
    width: float | None = 0.1
    seed: int = 1
    kernel: str = "6.18"
    topology: str = "flat"
    cpus: int = 0


def workloads(root: Path | None) -> dict[str, Workload]:
    """The workloads that come with fleetsched, and those of the fleet repository around, by name.

    Raises:
        ProblemsError: a file of the fleet repository is wrong.
    """
    if root is None or not (root / MARKER).is_file():
        return dict(shipped_workloads())
    return dict(sorted(load_fleet(root).workloads.items()))


def bench(root: Path | None, request: Request, say: Callable[[str], None]) -> Evidence:
    """Measure a policy in a machine of the lab.

    Args:
        root: the fleet repository around, if there is one: its policies and workloads come first.
        request: what is measured, and where.
        say: told of every run and of what takes long.

    Raises:
        InputError: no such policy, variant, parameter or workload; or one that does not measure a guardrail.
        EndedError: a policy was refused or ejected.
        WorkloadError: the workload failed.
        BuildError: a policy or a program of the workload does not compile.
        LabError: the machine does not come up or is lost.
    """
    from fleetsched.bench.measure import ArmImage
    from fleetsched.lab.shape import MachineSpec

    workload = find_workload(root, request.workload)
    check_measures(workload, request.guardrails)
    policy = find_policy(root, request.policy)
    arms = [ArmImage(Arm(KERNEL_DEFAULT_ARM))]
    if request.against not in (DEFAULT, KERNEL_DEFAULT):
        arms.append(arm_image(INCUMBENT, find_policy(root, request.against)))
    arms.append(arm_image(CANDIDATE, policy, request.variant, parameters_of(policy, request.parameters)))
    cpus = request.cpus or (1 if request.topology == "flat" else 2)
    spec = MachineSpec(kernel=request.kernel, cpus=cpus, topology=request.topology, icount=True)
    experiment = experiment_of(request, policy.name, workload, arms)
    return run_in_lab(experiment, spec, say)


def experiment_of(request: Request, policy: str, workload: Workload, arms: Sequence[ArmImage]) -> Experiment:
    """What is measured of a policy, as it was asked for."""
    from fleetsched.bench.measure import Experiment

    return Experiment(
        policy=policy,
        workload=workload,
        arms=tuple(arms),
        guardrails=request.guardrails,
        repeats=request.repeats,
        budget_s=request.budget_s,
        width=request.width,
        seed=request.seed,
    )


def run_in_lab(experiment: Experiment, spec: MachineSpec, say: Callable[[str], None]) -> Evidence:
    """Run an experiment in a machine of the lab, which is there for it alone.

    Raises:
        EndedError: a policy was refused or ejected.
        WorkloadError, BuildError, LabError: as `bench` says.
    """
    from fleetsched.bench.machine_target import machine_target, workload_spec
    from fleetsched.bench.measure import measure

    with machine_target(workload_spec(spec, experiment.workload), say) as target:
        return measure(target, experiment, say, clock())


def clock() -> Clock:
    """This machine's time."""
    from fleetsched.bench.measure import Clock

    return Clock(time.monotonic, lambda: datetime.now(UTC))


def save(root: Path | None, request: Request, evidence: Evidence) -> Path:
    """Write evidence beside its policy.

    Raises:
        InputError: the policy is that of an installation, not of a fleet repository.
        ProblemsError: the evidence contradicts itself.
    """
    return write_evidence(find_policy(root, request.policy).folder, evidence)


def find_workload(root: Path | None, name: str) -> Workload:
    """Find a workload: the fleet repository's, else one that comes with fleetsched.

    Raises:
        InputError: there is none.
        ProblemsError: a file of the fleet repository is wrong.
    """
    known = workloads(root)
    if name not in known:
        raise InputError(
            f"no workload {name!r}{suggestion(name, known)}", remedy="see `fleetsched bench --list`"
        )
    return known[name]


def arm_image(
    name: str, policy: Policy, variant: str = "default", parameters: Mapping[str, int] = _NO_PARAMETERS
) -> ArmImage:
    """Build a policy for a comparison, as its arm `name`; parameters that are not given have their defaults.

    Raises:
        InputError: it is a program, or has no such variant.
        BuildError: it does not compile, or uses what is not allowed.
    """
    from fleetsched.bench.measure import ArmImage
    from fleetsched.build.allowed import check_allowed
    from fleetsched.build.policy import compile_policy

    if policy.program is not None:
        raise InputError(f"policy {policy.name} is a program: only policies that are built here are measured")
    if variant not in policy.variants:
        near = suggestion(variant, policy.variants)
        raise InputError(f"policy {policy.name} has no variant {variant!r}{near}")
    built = compile_policy(policy.folder, policy.variants[variant])
    check_allowed(built.image, policy.name)
    return ArmImage(Arm(name, policy.name, variant, built.digest, policy.resolve(parameters)), built.image)
