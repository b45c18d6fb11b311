# SPDX-License-Identifier: Apache-2.0
"""`fleetsched bench --on HOST`: measure a policy on a real host, where the controller's file allows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetsched.errors import InputError, RefusedError
from fleetsched.lab.state import load
from fleetsched.model.evaluation import check_measures
from fleetsched.model.evidence import (
    CANDIDATE,
    INCUMBENT,
    KERNEL_DEFAULT_ARM,
    Accelerator,
    Arm,
    Evidence,
)
from fleetsched.model.goal import KERNEL_DEFAULT
from fleetsched.model.inventory import Host
from fleetsched.model.suggest import suggestion
from fleetsched.model.workload import own_work
from fleetsched.operations.bench import (
    DEFAULT,
    Request,
    arm_image,
    clock,
    experiment_of,
    find_workload,
)
from fleetsched.operations.fleet import FleetAccess, may_skip_review
from fleetsched.operations.policies import find_policy, parameters_of
from fleetsched.operations.running import new_run_id, owner_of
from fleetsched.rollout.session import HostSession

if TYPE_CHECKING:
    from fleetsched.bench.measure import ArmImage


def bench_on(
    access: FleetAccess,
    host: str,
    request: Request,
    say: Callable[[str], None],
    *,
    seconds: float | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Evidence:
    """Measure a policy on a host: each run of it is a trial that is never confirmed.

    Where the host has a last known good, that takes the place of the kernel's own scheduler.

    Args:
        access: the fleet.
        host: its name in the inventory.
        request: what is measured; kernel, topology and CPUs are the host's.
        say: told of every run.
        seconds: instead of the workload, the host's own work is watched for so long, 1 to 60.
        pause: waits for so many seconds.

    Raises:
        InputError: no such host, policy, variant, parameter or workload, or the host runs just that.
        RefusedError: the controller's file does not allow it, or the host is in no state for it.
        LeaseHeldError: another run has the host.
        EndedError: a policy was refused or ejected.
        WorkloadError: the workload failed.
        BuildError: a policy or a program of the workload does not compile.
        HostError: the host cannot be asked, or was left with something else than its last known good.
    """
    from fleetsched.bench.measure import measure
    from fleetsched.bench.script import MOST_OBSERVED_S
    from fleetsched.rollout.experiment import host_target
    from fleetsched.rollout.unconfirmed import Order

    found = _allowed(access, host)
    workload = find_workload(access.root, request.workload) if seconds is None else own_work(seconds)
    check_measures(workload, request.guardrails)
    policy = find_policy(access.root, request.policy)
    candidate = arm_image(CANDIDATE, policy, request.variant, parameters_of(policy, request.parameters))
    others = []
    if request.against not in (DEFAULT, KERNEL_DEFAULT):
        others = [arm_image(INCUMBENT, find_policy(access.root, request.against))]
    run = f"bench-{new_run_id()}"
    longest_s = workload.time_limit_s + (0 if workload.is_own else MOST_OBSERVED_S)
    order = Order(owner_of(run), run, access.revision.label, longest_s)
    session = HostSession(found, access.transport, access.helper_files)
    try:
        with host_target(session, order, pause, _accelerator(found)) as target:
            arms = _arms(target.resting_arm, others, candidate, host)
            return measure(target, experiment_of(request, policy.name, workload, arms), say, clock())
    finally:
        session.close()


def _allowed(access: FleetAccess, name: str) -> Host:
    fleet, listed = access.fleet, access.controller.experiments
    if name not in fleet.inventory.hosts:
        raise InputError(f"no host {name!r} in the inventory{suggestion(name, fleet.inventory.hosts)}")
    host = fleet.inventory.hosts[name]
    if not any(group in fleet.groups and host in fleet.hosts(group) for group in listed):
        raise RefusedError(
            f"refused: {name} is no host for experiments: no HostGroup that holds it is listed for them",
            remedy="list its group under `experiments` in the controller's own file, or measure in a machine "
            "of the lab, without --on",
        )
    return host


def _accelerator(host: Host) -> Accelerator:
    """What runs the host: a lab's are machines of this computer, and their evidence has to say so."""
    if not may_skip_review([host]):
        return "none"
    lab = load(Path(host.ssh_options["userknownhostsfile"]).expanduser().resolve().parent.name)
    return "kvm" if lab and lab.accelerator == "kvm" else "tcg"


def _arms(resting: Arm, others: list[ArmImage], candidate: ArmImage, host: str) -> list[ArmImage]:
    from fleetsched.bench.measure import ArmImage

    if resting.name != KERNEL_DEFAULT_ARM and others:
        raise InputError(
            f"{host} runs {resting.policy}, which is what its experiments compare with",
            remedy="leave --against out",
        )
    if (resting.digest, dict(resting.parameters)) == (candidate.arm.digest, dict(candidate.arm.parameters)):
        raise InputError(f"{host} runs exactly this already: there is nothing to compare")
    return [ArmImage(resting), *others, candidate]
