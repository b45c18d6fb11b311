# SPDX-License-Identifier: Apache-2.0
"""The seam: a place where workloads run under one scheduler or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fleetsched.errors import HelperError
from fleetsched.model.evidence import Arm, Environment
from fleetsched.model.observation import Observation
from fleetsched.model.workload import Workload

WARM_UPS = 1
"""Blocks that do not count."""


class EndedError(HelperError):
    """A policy was refused or ejected, and with it ended the experiment.

    Args:
        arm: the arm's name.
        block: in which block, from 0, the warm-up.
    """

    def __init__(self, cause: HelperError, arm: Arm, block: int) -> None:
        when = "in the warm-up" if block < WARM_UPS else f"in block {block - WARM_UPS + 1}"
        super().__init__(
            f"{arm.name} {arm.policy}: {cause.message} ({when})", code=cause.code, remedy=cause.remedy
        )
        self.arm = arm
        self.block = block


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workload.

    Attributes:
        metrics: the numbers of its output and of the observation, by metric, in the metric's unit.
        observation: what the helper's observer counted meanwhile; None where it was not asked or cannot.
        seconds: of the target's own clock.
    """

    metrics: Mapping[str, float] = field(hash=False)
    observation: Observation | None
    seconds: float


class Target(Protocol):
    """A machine of the lab, or a real host."""

    @property
    def environment(self) -> Environment:
        """What it is."""
        ...

    def prepare(self, workload: Workload) -> None:
        """Bring everything that the workload needs.

        Raises:
            LabError, HostError: that cannot be done.
        """
        ...

    def switch_to(self, arm: Arm, image: bytes | None) -> None:
        """Let this scheduler rule; None = what rules by itself. Returns when the kernel says that it does.

        Raises:
            HelperError: the policy was refused or ejected; the message says why.
        """
        ...

    def run(self, workload: Workload, *, seed: int, observe: bool) -> Run:
        """Run it once under the present scheduler. `seed`: of what is random in it.

        Raises:
            WorkloadError: it failed, took too long, or printed no number for a metric.
            HelperError: the policy was ejected meanwhile; the message says why.
        """
        ...
