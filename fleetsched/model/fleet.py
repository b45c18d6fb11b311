# SPDX-License-Identifier: Apache-2.0
"""Everything that one revision of the fleet repository says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleetsched.errors import Problem
from fleetsched.model.assignment import Assignment
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.group import HostGroup
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.lesson import Lesson
from fleetsched.model.lock import PolicyLock
from fleetsched.model.policy import Policy
from fleetsched.model.program import Program
from fleetsched.model.strategy import RolloutStrategy
from fleetsched.model.workload import Workload


@dataclass(frozen=True, slots=True)
class ProposalLimits:
    """How many proposals may be open at once, and be opened in 24 hours."""

    open_at_once: int = 10
    per_day: int = 10


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything of one revision, checked: every name in it leads somewhere and no host has two goals.

    Attributes:
        root: the fleet repository's folder.
        kernels: versions that policies are verified on.
        lessons: of earlier proposals, by goal, the oldest first.
        warnings: what a reader should know and what stops nothing.
    """

    root: Path
    inventory: Inventory = field(default_factory=Inventory)
    groups: Mapping[str, HostGroup] = field(default_factory=dict, hash=False)
    goals: Mapping[str, WorkloadGoal] = field(default_factory=dict, hash=False)
    strategies: Mapping[str, RolloutStrategy] = field(default_factory=dict, hash=False)
    workloads: Mapping[str, Workload] = field(default_factory=dict, hash=False)
    policies: Mapping[str, Policy] = field(default_factory=dict, hash=False)
    locks: Mapping[str, PolicyLock] = field(default_factory=dict, hash=False)
    proposal_limits: ProposalLimits = ProposalLimits()
    kernels: tuple[str, ...] = ()
    lessons: Mapping[str, tuple[Lesson, ...]] = field(default_factory=dict, hash=False)
    warnings: tuple[Problem, ...] = ()

    def hosts(self, group: str) -> list[Host]:
        """List the hosts of a host group, in a stable order."""
        return self.inventory.select(self.groups[group].hosts)

    def assignment(self, goal: WorkloadGoal) -> Assignment | None:
        """Say what the goal's hosts should run; None = the kernel's scheduler, or nothing yet (unbound)."""
        binding = goal.policy
        if binding is None or binding.is_kernel_default:
            return None
        digest = self.locks[binding.name].variants[binding.variant]
        parameters = self.policies[binding.name].resolve(binding.parameters)
        return Assignment.of(binding.name, binding.variant, digest, parameters)

    def program(self, goal: WorkloadGoal) -> Program | None:
        """Say what the goal's hosts should start; None when its policy is no program."""
        binding = goal.policy
        if binding is None or binding.is_kernel_default:
            return None
        return self.policies[binding.name].started(binding.parameters)
