# SPDX-License-Identifier: Apache-2.0
"""Goals, as their manifests say them. Shares are percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetsched.model.metrics import Direction
from fleetsched.model.position import BUILT_IN, Position
from fleetsched.model.tasks import Tasks

KERNEL_DEFAULT = "kernel-default"
"""The policy name that means: on purpose none, the kernel's own scheduler."""


@dataclass(frozen=True, slots=True)
class PolicyBinding:
    """The policy that a goal is bound to.

    Attributes:
        parameters: those that the goal sets; the others keep the policy's defaults.
    """

    name: str
    variant: str = "default"
    parameters: Mapping[str, int] = field(default_factory=dict, hash=False)
    source: Position = field(default=BUILT_IN, compare=False)

    @property
    def is_kernel_default(self) -> bool:
        """True when the goal asks for the kernel's own scheduler."""
        return self.name == KERNEL_DEFAULT


@dataclass(frozen=True, slots=True)
class Objective:
    """What a goal wants less or more of."""

    metric: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What must not get worse by more than a share (percent).

    Attributes:
        accept_unmeasured: propose also when nothing measured it, and say so; else nothing is proposed then.
    """

    metric: str
    max_regression: float
    accept_unmeasured: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The workloads that a goal's proposals are measured on; `hold_out` only in the final comparison."""

    workloads: tuple[str, ...] = ()
    hold_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadGoal:
    """What matters on a group, the bound policy and how it is rolled out.

    Attributes:
        depends_on: names of goals that must be done first.
        policy: None = unbound: nothing is planned for its hosts yet.
        rollout: name of a strategy of the fleet; always one that exists.
    """

    name: str
    host_group: str
    rollout: str
    policy: PolicyBinding | None = None
    description: str = ""
    tasks: Tasks = Tasks()
    objective: Objective | None = None
    guardrails: tuple[Guardrail, ...] = ()
    evaluation: Evaluation = Evaluation()
    depends_on: tuple[str, ...] = ()
    source: Position = field(default=BUILT_IN, compare=False)
