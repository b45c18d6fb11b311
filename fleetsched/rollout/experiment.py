# SPDX-License-Identifier: Apache-2.0
"""A real host as a place where workloads run under one scheduler or another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from fleetsched.bench.interface import Run
from fleetsched.bench.metrics import observed_numbers
from fleetsched.bench.on_host import HostRuns
from fleetsched.errors import HelperError, HostError, WorkloadError
from fleetsched.model.assignment import Assignment
from fleetsched.model.evidence import INCUMBENT, KERNEL_DEFAULT_ARM, Arm, Environment
from fleetsched.model.state import Facts
from fleetsched.model.workload import Workload
from fleetsched.rollout.session import HostSession
from fleetsched.rollout.unconfirmed import Order, UnconfirmedTrials

_TOP = 64
_TRIAL_MARGIN_S = 60.0
"""How long a trial outlives the longest run: its end is asked for, which takes a while on a busy host."""


@contextmanager
def host_target(session: HostSession, order: Order, pause: Callable[[float], None]) -> Iterator[HostTarget]:
    """A host for runs; after the block it runs what it ran before, and the lease is given back.

    Args:
        session: the way to the host.
        order: how the host knows the experiment; its deadline is the longest time that a run can take.
        pause: waits for so many seconds.

    Raises:
        RefusedError: the host is no place for experiments now; nothing was changed.
        LeaseHeldError: another run has the host; nothing was changed.
        HostError: it cannot be asked; `not-restored`: it does not run its last known good afterwards.
    """
    trials = UnconfirmedTrials(session, replace(order, deadline_s=order.deadline_s + _TRIAL_MARGIN_S), pause)
    runs: HostRuns | None = None
    try:
        target = HostTarget(session, trials, trials.open(), order.deadline_s)
        runs = target.runs
        yield target
    finally:
        try:
            trials.close()
        finally:
            if runs is not None:
                with contextlib.suppress(HostError, WorkloadError):  # of less weight than what is under way
                    runs.remove()


class HostTarget:
    """A target (`bench.interface.Target`) over one real host.

    Attributes:
        environment: what the host is.
        runs: of workloads there.
    """

    def __init__(self, session: HostSession, trials: UnconfirmedTrials, facts: Facts, limit_s: float) -> None:
        self.environment = Environment(
            kernel_release=facts.kernel_release,
            arch=facts.arch,
            cpus=facts.cpu_count,
            topology=f"CPUs {facts.cpus_online}",
            memory_mib=max(1, facts.memory_bytes >> 20),
            accelerator="none",
            clock="real",
            host=session.host.name,
        )
        self.runs = HostRuns(session.connection, self.environment)
        self._session = session
        self._trials = trials
        self._can_observe = facts.observer
        self._limit_s = limit_s

    @property
    def resting_arm(self) -> Arm:
        """What rules without a trial: the last known good, else the kernel's own scheduler."""
        known = self._trials.known_good
        if known is None:
            return Arm(KERNEL_DEFAULT_ARM)
        return Arm(INCUMBENT, known.policy, known.variant, known.digest, dict(known.parameters))

    def prepare(self, workload: Workload) -> None:
        """Bring the workload's programs.

        Raises:
            RefusedError: the key is restricted, so that nothing can be started there.
            HelperError: `no-observer`: there is nothing to run, and the host cannot count.
            BuildError: a program does not compile.
            WorkloadError, HostError: the host does not take them.
        """
        if not workload.is_own:
            self.runs.prepare(workload)
        elif not self._can_observe:
            raise HelperError(
                f"{self.environment.host}: its helper cannot count how long tasks wait",
                code="no-observer",
                remedy="measure with --workload instead",
            )

    def switch_to(self, arm: Arm, image: bytes | None) -> None:
        """Put this arm on trial for the next run; no image = what rules without a trial."""
        if image is None:
            self._trials.begin(None, None)
            return
        parameters = {name: int(value) for name, value in arm.parameters.items()}
        assignment = Assignment.of(arm.policy, arm.variant or "default", arm.digest, parameters)
        self._trials.begin(assignment, image)

    def run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        """Run it once; afterwards the host runs its last known good."""
        try:
            run = self._run(workload, seed=seed, observe=observe)
        except WorkloadError:
            self._trials.check_ruling()  # a policy that was ejected is the better reason
            raise
        self._trials.check_ruling()
        self._trials.end()
        return run

    def _run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        if not workload.is_own:
            return self.runs.run(workload, seed=seed, observe=observe, limit_s=self._limit_s)
        observation = self._session.helper().observe(for_s=workload.time_limit_s, top=_TOP)
        return Run(observed_numbers(workload, observation), observation, observation.elapsed_ms / 1000)
