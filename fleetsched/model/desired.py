# SPDX-License-Identifier: Apache-2.0
"""What a fleet's manifests want of each host."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter

from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import WorkloadGoal
from fleetsched.model.health import wants_run_queue
from fleetsched.model.plan import Claim, Desired
from fleetsched.model.requires import Requires


def desired_of(fleet: Fleet) -> dict[str, Desired]:
    """Say for every host of the inventory what it should run: goal by goal, then the rest."""
    wishes: dict[str, Desired] = {}
    for goal in in_order(fleet.goals):
        wish = _wish(fleet, goal)
        for host in fleet.hosts(goal.host_group):
            wishes[host.name] = wish
    kept = {
        host.name: group.name
        for group in fleet.groups.values()
        if not group.prune
        for host in fleet.hosts(group.name)
    }
    for name in fleet.inventory.hosts:
        if name not in wishes:
            claim = Claim.KEPT if name in kept else Claim.PRUNED
            wishes[name] = Desired(claim, group=kept.get(name))
    return wishes


def in_order(goals: Mapping[str, WorkloadGoal]) -> list[WorkloadGoal]:
    """Order goals so that each comes after those that it depends on, else as they are given.

    Raises:
        graphlib.CycleError: goals depend on each other in a circle.
    """
    known = {name: [other for other in goal.depends_on if other in goals] for name, goal in goals.items()}
    return [goals[name] for name in TopologicalSorter(known).static_order()]


def _wish(fleet: Fleet, goal: WorkloadGoal) -> Desired:
    group = fleet.groups[goal.host_group]
    if goal.policy is None:
        return Desired(Claim.UNBOUND, goal.name, group.name)
    if goal.policy.is_kernel_default:
        return Desired(Claim.KERNEL_DEFAULT, goal.name, group.name, heal=group.heal)
    requires: tuple[Requires, ...] = (group.requires, fleet.policies[goal.policy.name].requires)
    return Desired(
        Claim.GOAL,
        goal.name,
        group.name,
        fleet.assignment(goal),
        requires,
        group.heal,
        fleet.program(goal),
        measures_run_queue=wants_run_queue(fleet.strategies[goal.rollout].health),
    )
