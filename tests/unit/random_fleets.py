# SPDX-License-Identifier: Apache-2.0
"""Random fleets: manifests and machines, and what is to become of each machine, said without the planner."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import strategies as st

from fleetsched.model.assignment import Assignment
from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import PolicyBinding, WorkloadGoal
from fleetsched.model.group import HostGroup
from fleetsched.model.inventory import Host, Inventory
from fleetsched.model.lock import PolicyLock
from fleetsched.model.plan import Action, HostPlan
from fleetsched.model.policy import Parameter, Policy
from fleetsched.model.strategy import FailureBudget, Percent, RolloutStrategy, Step

FOREIGN = "scx_rusty"
OBJECTS = {hashlib.sha256(name).hexdigest(): name for name in (b"fair", b"batch", b"older")}
DIGESTS = {data.decode(): digest for digest, data in OBJECTS.items()}
GROUPS = ("a", "b", "c")
BINDINGS = (
    None,
    PolicyBinding("kernel-default"),
    PolicyBinding("fair"),
    PolicyBinding("fair", parameters={"slice_us": 9}),
    PolicyBinding("batch"),
)
EVERYBODY = FailureBudget(Percent(100), Percent(100))
STRATEGY = RolloutStrategy("s", (Step("hosts", 1, 15), Step("percent", 100, 15)), failure_budget=EVERYBODY)


def assigned(policy: str, slice_us: int = 5) -> Assignment:
    return Assignment.of(policy, "default", DIGESTS[policy], {"slice_us": slice_us})


ASSIGNMENTS = (assigned("fair"), assigned("fair", 9), assigned("batch"), assigned("older"))


@dataclass(frozen=True)
class Machine:
    """Everything about a host that decides what becomes of it. Without a helper nothing else is there."""

    group: str | None = None
    reachable: bool = True
    helper: bool = True
    able: bool = True
    recorded: Assignment | None = None
    runs: Assignment | None = None
    foreign: bool = False
    on_trial: bool = False
    held: tuple[Assignment, ...] = ()
    voided: bool = False


@dataclass(frozen=True)
class World:
    """A fleet's manifests and its machines."""

    fleet: Fleet
    machines: Mapping[str, Machine]


@st.composite
def machines(draw: st.DrawFn, *, trials: bool) -> Machine:
    group = draw(st.sampled_from([None, *GROUPS]))
    reachable = draw(st.sampled_from([True, True, True, True, False]))
    if draw(st.sampled_from([False, False, False, True])):
        return Machine(group, reachable, helper=False)
    able = draw(st.sampled_from([True, True, True, False]))
    recorded = draw(st.none() | st.sampled_from(ASSIGNMENTS))
    foreign = draw(st.sampled_from([False, False, False, True]))
    on_trial = trials and not foreign and draw(st.sampled_from([False, False, True]))
    runs = None if foreign else draw(st.sampled_from(ASSIGNMENTS if on_trial else [recorded, None]))
    voided = recorded is None and draw(st.booleans())
    held = draw(st.lists(st.sampled_from(ASSIGNMENTS), max_size=1))
    # A host does not hold what it runs well: whatever ejected it would have taken it away.
    kept = tuple(each for each in held if each not in (recorded, runs))
    return Machine(group, reachable, True, able, recorded, runs, foreign, on_trial, kept, voided)


@st.composite
def worlds(draw: st.DrawFn, *, trials: bool = True) -> World:
    """A fleet of a few hosts; a group may have a goal or none, of any kind."""
    found = {f"host-{n}": draw(machines(trials=trials)) for n in range(draw(st.integers(1, 7)))}
    flags = st.booleans()
    groups = {name: HostGroup(name, name, heal=draw(flags), prune=draw(flags)) for name in GROUPS}
    goals = {
        f"goal-{name}": WorkloadGoal(f"goal-{name}", name, "s", draw(st.sampled_from(BINDINGS)))
        for name in GROUPS
        if draw(st.sampled_from([True, True, False]))
    }
    parameters = {"slice_us": Parameter("u64", 5, 1, 10)}
    members = {group: tuple(name for name, each in found.items() if each.group == group) for group in GROUPS}
    fleet = Fleet(
        Path(),
        inventory=Inventory({name: Host(name, name) for name in found}, {"all": tuple(found), **members}),
        groups=groups,
        goals=goals,
        strategies={"s": STRATEGY},
        policies={name: Policy(name, Path(), "", parameters=parameters) for name in DIGESTS},
        locks={name: PolicyLock(name, {"default": digest}, "", "") for name, digest in DIGESTS.items()},
    )
    return World(fleet, found)


def carried_out(plan: HostPlan, machine: Machine) -> Machine:
    """What an action does to a machine."""
    wanted = plan.desired.assignment
    if plan.problem:
        return machine
    if plan.action in (Action.ATTACH, Action.REPLACE, Action.HEAL):
        return replace(machine, helper=True, recorded=wanted, runs=wanted, on_trial=False, voided=False)
    if plan.action is Action.REMOVE:
        return replace(machine, recorded=None, runs=None, on_trial=False)
    return machine


def to_become(world: World, name: str) -> Machine:
    """What is to become of a machine: the rules for people, one after the other."""
    machine = world.machines[name]
    goal = world.fleet.goals.get(f"goal-{machine.group}")
    if not machine.reachable:
        return machine  # unknown
    if goal is None:
        prune = machine.group is None or world.fleet.groups[machine.group].prune
        return replace(machine, recorded=None, runs=None, on_trial=False) if prune else machine
    if goal.policy is None or machine.foreign:
        return machine  # unbound; or somebody else's, which a person has to stop first
    wanted = world.fleet.assignment(goal)
    if wanted is None:
        return replace(machine, recorded=None, runs=None, on_trial=False)
    if machine.recorded == wanted == machine.runs and not machine.on_trial:
        return machine
    drifted = machine.recorded == wanted and not machine.on_trial
    if drifted and not world.fleet.groups[goal.host_group].heal:
        return machine
    if not machine.able or wanted in held_in(world, goal):
        return machine
    return replace(machine, helper=True, recorded=wanted, runs=wanted, on_trial=False, voided=False)


def held_in(world: World, goal: WorkloadGoal) -> set[Assignment]:
    """What failed on any reachable host of a goal."""
    return {
        held
        for machine in world.machines.values()
        if machine.group == goal.host_group and machine.reachable
        for held in machine.held
    }
