# SPDX-License-Identifier: Apache-2.0
"""What no single document can tell: names that lead nowhere, hosts with two goals, times that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleetsched.documents.node import Node, shown
from fleetsched.errors import InputError, Problem
from fleetsched.fleetrepo.decode import health_check
from fleetsched.fleetrepo.measured import goal_problems, known_metrics, workload_problems
from fleetsched.fleetrepo.parameters import check_value
from fleetsched.fleetrepo.programs import lock_mismatch, renewal
from fleetsched.fleetrepo.requirements import contradictory, unmeetable
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import KERNEL_DEFAULT, WorkloadGoal
from fleetsched.model.health import first_look_s
from fleetsched.model.strategy import RolloutStrategy
from fleetsched.model.suggest import suggestion

# Between the end of a bake and the confirmation of a host: questions to it, and a busy controller.
CONFIRM_MARGIN_S = 30.0
# A host grants leases of an hour at most (`ttl_ms` in docs/helper-protocol.md), and a run takes one that
# outlives its trial by as much (LEASE_MARGIN_S of the engine).
LONGEST_LEASE_S = 3600.0
LEASE_MARGIN_S = 30.0
LONGEST_DEADLINE_S = LONGEST_LEASE_S - LEASE_MARGIN_S


@dataclass(frozen=True, slots=True)
class Declared:
    """The documents by name, and the names of those that are there but wrong.

    A reference to what is there but wrong is no further mistake.
    """

    groups: Mapping[str, Node] = field(default_factory=dict)
    goals: Mapping[str, Node] = field(default_factory=dict)
    strategies: Mapping[str, Node] = field(default_factory=dict)
    workloads: Mapping[str, Node] = field(default_factory=dict)
    broken: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def is_broken(self, kind: str, name: str) -> bool:
        """Say whether a document of that kind and name is there but wrong."""
        return name in self.broken.get(kind, frozenset())


def cross_problems(fleet: Fleet, declared: Declared) -> Iterator[Problem]:
    """Check a fleet whose documents are right, each by itself."""
    yield from _patterns(fleet)
    for name, node in declared.groups.items():
        yield from unmeetable(fleet.groups[name].requires, node)
    metrics = known_metrics(fleet.workloads)
    for name, goal in fleet.goals.items():
        node = declared.goals[name]
        yield from _references(fleet, declared, goal, node)
        yield from goal_problems(goal, node, metrics)
        yield from _evaluation(fleet, declared, goal, node)
        yield from _policy(fleet, declared, goal, node)
    yield from _circles(fleet, declared)
    yield from _two_goals(fleet, declared)
    for name, node in declared.workloads.items():
        yield from workload_problems(fleet.workloads[name], node, metrics)
    for name, node in declared.strategies.items():
        yield from _strategy(fleet.strategies[name], node)


def _patterns(fleet: Fleet) -> Iterator[Problem]:
    for group in fleet.groups.values():
        try:
            fleet.hosts(group.name)
        except InputError as error:
            yield group.hosts_source.problem(error.message)


def _references(fleet: Fleet, declared: Declared, goal: WorkloadGoal, node: Node) -> Iterator[Problem]:
    if goal.host_group not in fleet.groups and not declared.is_broken("HostGroup", goal.host_group):
        near = suggestion(goal.host_group, fleet.groups)
        yield node.at("spec", "hostGroup").problem(f"no HostGroup {shown(goal.host_group)}{near}")
    if goal.rollout not in fleet.strategies and not declared.is_broken("RolloutStrategy", goal.rollout):
        place = node.get("spec", "rollout")
        if place is not None:  # the repository's default is checked where it is written
            near = suggestion(goal.rollout, fleet.strategies)
            yield place.problem(f"no RolloutStrategy {shown(goal.rollout)}{near}")

    for index, name in enumerate(goal.depends_on):
        if name not in fleet.goals and not declared.is_broken("WorkloadGoal", name):
            near = suggestion(name, fleet.goals)
            yield node.at("spec", "dependsOn", index).problem(f"no goal {shown(name)}{near}")


def _evaluation(fleet: Fleet, declared: Declared, goal: WorkloadGoal, node: Node) -> Iterator[Problem]:
    place = node.at("spec", "evaluation")
    for field_name, names in (
        ("workloads", goal.evaluation.workloads),
        ("holdOut", goal.evaluation.hold_out),
    ):
        for index, name in enumerate(names):
            where = place.at(field_name, index)
            if name not in fleet.workloads and not declared.is_broken("Workload", name):
                yield where.problem(f"no Workload {shown(name)}{suggestion(name, fleet.workloads)}")
            if field_name == "holdOut" and name in goal.evaluation.workloads:
                yield where.problem(f"{shown(name)} is in `workloads`, too: it would not be held out")


def _circles(fleet: Fleet, declared: Declared) -> Iterator[Problem]:
    for circle in _circles_among({name: goal.depends_on for name, goal in fleet.goals.items()}):
        first = circle.index(min(circle))
        named = [*circle[first:], *circle[: first + 1]]
        node = declared.goals[named[0]]
        place = node.at("spec", "dependsOn", fleet.goals[named[0]].depends_on.index(named[1]))
        yield place.problem(f"goals depend on each other in a circle: {' > '.join(named)}")


def _circles_among(needs: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Find the circles that a walk along the needs runs into. Without recursion: chains may be long."""
    done: set[str] = set()
    for start in needs:
        path: dict[str, Iterator[str]] = {} if start in done else {start: iter(needs[start])}
        while path:
            last = next(reversed(path))
            following = next(path[last], None)
            if following is None:
                del path[last]
                done.add(last)
            elif following in path:
                names = list(path)
                yield names[names.index(following) :]
            elif following in needs and following not in done:
                path[following] = iter(needs[following])


def _policy(fleet: Fleet, declared: Declared, goal: WorkloadGoal, node: Node) -> Iterator[Problem]:
    binding = goal.policy
    if binding is None:
        return
    place = node.at("spec", "policy")
    if binding.is_kernel_default:
        for extra in ("variant", "parameters"):
            if extra in place.value:
                yield place.key(extra).problem(f"`{KERNEL_DEFAULT}` has no {extra}: remove it")
        return
    if binding.name not in fleet.policies:
        if not declared.is_broken("Policy", binding.name):
            near = suggestion(binding.name, [*fleet.policies, KERNEL_DEFAULT])
            yield place.at("name").problem(f"no policy {shown(binding.name)}{near}")
        return
    policy = fleet.policies[binding.name]
    for name, value in place.at("parameters").items() if "parameters" in place.value else ():
        if name in policy.parameters:
            yield from check_value(name, value, policy.parameters[name])
        else:
            near = suggestion(name, policy.parameters)
            message = f"policy {shown(policy.name)} has no parameter {shown(name)}{near}"
            yield place.at("parameters").key(name).problem(message)
    if binding.variant not in policy.variants:
        near = suggestion(binding.variant, policy.variants)
        yield place.at("variant").problem(
            f"policy {shown(policy.name)} has no variant {shown(binding.variant)}{near}"
        )
    else:
        yield from _lock(fleet, declared, goal, place)
    yield from _bakes(fleet, goal, node)
    group = fleet.groups.get(goal.host_group)
    if group is not None:
        yield from contradictory(group, policy, place.at("name"))


def _lock(fleet: Fleet, declared: Declared, goal: WorkloadGoal, place: Node) -> Iterator[Problem]:
    binding = goal.policy
    assert binding is not None  # the caller has looked
    lock = fleet.locks.get(binding.name)
    policy = fleet.policies[binding.name]
    renew = f"run `{renewal(policy)}`"
    if lock is None:
        if not declared.is_broken("PolicyLock", binding.name):
            yield place.at("name").problem(f"policy {shown(binding.name)} is not locked: {renew}")
    elif binding.variant not in lock.variants:
        yield place.at("name").problem(f"the lock has no variant {shown(binding.variant)}: {renew}")
    elif mismatch := lock_mismatch(policy, lock):
        yield place.at("name").problem(f"{mismatch}: {renew}")


def _bakes(fleet: Fleet, goal: WorkloadGoal, node: Node) -> Iterator[Problem]:
    """The watchdog may take up to 1.5 times its time-out to speak: a shorter bake would not hear it."""
    strategy = fleet.strategies.get(goal.rollout)
    if strategy is None or goal.policy is None:
        return
    least = 2 * fleet.policies[goal.policy.name].timeout_s
    shortest = min(step.bake_s for step in strategy.steps)
    if shortest < least:
        place = node.get("spec", "rollout") or node.at("spec", "policy", "name")
        yield place.problem(
            f"strategy {shown(strategy.name)} bakes for {shortest:g}s; policy {shown(goal.policy.name)} "
            f"needs {least:g}s or more (twice its time-out)"
        )


def _two_goals(fleet: Fleet, declared: Declared) -> Iterator[Problem]:
    claimed: dict[str, WorkloadGoal] = {}
    for goal in fleet.goals.values():
        shared: dict[str, list[str]] = {}
        for name in _hosts(fleet, goal):
            first = claimed.setdefault(name, goal)
            if first is not goal:
                shared.setdefault(first.name, []).append(name)
        place = declared.goals[goal.name].at("spec", "hostGroup")
        for first_name, hosts in shared.items():
            several = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            first_goal = f"goal {shown(first_name)} ({fleet.goals[first_name].source})"
            yield place.problem(f"host {shown(hosts[0])}{several} already belongs to {first_goal}")


def _hosts(fleet: Fleet, goal: WorkloadGoal) -> list[str]:
    if goal.host_group not in fleet.groups:
        return []
    try:
        return [host.name for host in fleet.hosts(goal.host_group)]
    except InputError:
        return []  # named where the pattern is written


def _strategy(strategy: RolloutStrategy, node: Node) -> Iterator[Problem]:
    steps = node.at("spec", "steps")
    last = strategy.steps[-1]
    if last.kind != "percent" or last.value != 100:
        yield steps.at(len(strategy.steps) - 1).problem("the last step must be `percent: 100%`")
    reached = {"hosts": 0.0, "percent": 0.0}
    for index, step in enumerate(strategy.steps):
        if step.value <= reached[step.kind]:
            place = steps.at(index, step.kind)
            yield place.problem(f"expected more than the {reached[step.kind]:g} of the steps before")
        reached[step.kind] = max(step.value, reached[step.kind])
    shortest = min(step.bake_s for step in strategy.steps)
    longest = max(step.bake_s for step in strategy.steps)
    for check in node.at("spec", "health").children.values() if "health" in node.at("spec").value else ():
        yield from _can_fail(check, shortest)
    delay = max(check.initial_delay_s for check in strategy.health)
    least = delay + longest + CONFIRM_MARGIN_S
    place = node.get("spec", "trialDeadline") or node.at("metadata", "name")
    if strategy.trial_deadline_s <= least:
        most = (
            f", and {LONGEST_DEADLINE_S:g}s at most: shorten the bake" if least >= LONGEST_DEADLINE_S else ""
        )
        yield place.problem(
            f"trialDeadline of {strategy.trial_deadline_s:g}s: expected more than {least:g}s "
            f"(initialDelay {delay:g}s + longest bake {longest:g}s + {CONFIRM_MARGIN_S:g}s){most}"
        )
    elif strategy.trial_deadline_s > LONGEST_DEADLINE_S:
        yield place.problem(
            f"trialDeadline of {strategy.trial_deadline_s:g}s: expected {LONGEST_DEADLINE_S:g}s or less "
            f"(a host grants leases of {LONGEST_LEASE_S:g}s at most, and one outlives its trial by "
            f"{LEASE_MARGIN_S:g}s)"
        )


def _can_fail(node: Node, shortest: float) -> Iterator[Problem]:
    """A check that needs longer than the shortest bake to fail would pass whatever happens."""
    check = health_check(node.value)
    needed = first_look_s(check) + (check.failures - 1) * check.interval_s
    if needed > shortest:
        yield node.problem(
            f"this check can fail after {needed:g}s at the earliest (initialDelay, then an interval between "
            f"failures), but the shortest bake is {shortest:g}s"
        )
