# SPDX-License-Identifier: Apache-2.0
"""What is planned, once done, gives what is wanted, and nothing is planned then, whatever the fleet."""

from __future__ import annotations

from hypothesis import given, settings

from fleetsched.model.desired import desired_of
from fleetsched.model.plan import Action, Claim, HostPlan, Observed, plan_hosts
from fleetsched.model.state import Notice
from tests.unit.builders import DISABLED, STALL, enabled, facts, held, record, running, status, trial
from tests.unit.random_fleets import (
    ASSIGNMENTS,
    FOREIGN,
    Machine,
    World,
    carried_out,
    to_become,
    worlds,
)


def seen(machine: Machine) -> Observed:
    """What one look at a machine gives."""
    if not machine.reachable:
        return Observed(error="no answer")
    if not machine.helper:
        return Observed(helper_missing=True, kernel_release="6.18.1", arch="x86_64")
    ops = FOREIGN if machine.foreign else machine.runs.policy if machine.runs else None
    return Observed(
        status(
            kernel=enabled(ops) if ops else DISABLED,
            running=running(machine.runs) if machine.runs else None,
            foreign=FOREIGN if machine.foreign else None,
            trial=trial(machine.runs) if machine.on_trial and machine.runs else None,
            last_known_good=record(machine.recorded) if machine.recorded else None,
            voided=record(ASSIGNMENTS[0]) if machine.voided else None,
            voided_exit=STALL if machine.voided else None,
            held=tuple(map(held, machine.held)),
        ),
        facts() if machine.able else facts(Notice("isolcpus", "cannot", "do")),
    )


def plans_of(world: World) -> dict[str, HostPlan]:
    observed = {name: seen(machine) for name, machine in world.machines.items()}
    return {plan.host: plan for plan in plan_hosts(desired_of(world.fleet), observed)}


@settings(max_examples=200)
@given(worlds())
def test_planned_and_done_every_host_is_as_wanted_and_nothing_is_left(world: World) -> None:
    plans = plans_of(world)
    after = {name: carried_out(plans[name], machine) for name, machine in world.machines.items()}

    assert after == {name: to_become(world, name) for name in world.machines}

    again = plans_of(World(world.fleet, after))
    assert [plan.host for plan in again.values() if plan.changes and not plan.problem] == []
    for name, machine in world.machines.items():
        if after[name] == machine:
            assert again[name] == plans[name]  # nothing was done to it, so the same is said of it


@settings(max_examples=200)
@given(worlds())
def test_host_that_is_not_brought_to_what_its_goal_wants_has_a_reason(world: World) -> None:
    for name, plan in plans_of(world).items():
        end = to_become(world, name)
        wanted = plan.desired.assignment
        if plan.desired.claim is Claim.GOAL and (end.runs, end.recorded) != (wanted, wanted):
            assert plan.reason
            assert plan.problem or plan.drifted or plan.action in (Action.HELD, Action.UNKNOWN)
        if plan.desired.claim is Claim.UNBOUND:
            assert plan.reason
