# SPDX-License-Identifier: Apache-2.0
"""What is planned, once done, gives what is wanted, and nothing is planned then, whatever the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fleetsched.model.plan import Action, Claim, Desired, HostPlan, Observed, plan_hosts
from fleetsched.model.state import Notice, Status
from tests.unit.builders import (
    DISABLED,
    STALL,
    assignment,
    enabled,
    facts,
    held,
    record,
    running,
    status,
    trial,
)

ASSIGNMENTS = [assignment("fair"), assignment("fair", slice_us=3000), assignment("batch", "b")]
assignments = st.sampled_from(ASSIGNMENTS)
GOALS = {
    "web": Desired(Claim.GOAL, "web", "web", ASSIGNMENTS[0]),
    "db": Desired(Claim.GOAL, "db", "db", ASSIGNMENTS[2]),
    "quiet": Desired(Claim.KERNEL_DEFAULT, "quiet", "quiet"),
    "new": Desired(Claim.UNBOUND, "new", "new"),
}
wishes = st.sampled_from([*GOALS.values(), Desired(Claim.PRUNED), Desired(Claim.KEPT, group="kept")])


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    recorded = draw(st.none() | assignments)
    runs = draw(st.none() | assignments)
    foreign = draw(st.sampled_from([None, None, None, "scx_rusty"]))
    on_trial = draw(st.booleans()) if runs and not foreign else False
    ops = foreign or (runs.policy if runs else None)
    return status(
        kernel=enabled(ops) if ops else DISABLED,
        running=running(runs) if runs and not foreign else None,
        foreign=foreign,
        trial=trial(runs) if on_trial and runs else None,
        last_known_good=record(recorded) if recorded else None,
        held=tuple(map(held, draw(st.lists(assignments, max_size=2, unique=True)))),
        voided=record(draw(assignments)) if draw(st.booleans()) else None,
        voided_exit=STALL,
    )


observations = st.one_of(
    st.builds(Observed, statuses(), st.just(facts())),
    st.builds(Observed, statuses(), st.just(facts(Notice("x", "cannot", "do")))),
    st.just(Observed(helper_missing=True, kernel_release="6.18.1", arch="x86_64")),
    st.just(Observed(error="no answer")),
)
fleets = st.lists(st.tuples(wishes, observations), max_size=6).map(
    lambda hosts: {f"host-{number}": host for number, host in enumerate(hosts)}
)


def carried_out(plan: HostPlan, seen: Observed) -> Observed:
    """What an action does to a host, said once more and simply."""
    if plan.problem or plan.action not in (Action.ATTACH, Action.REPLACE, Action.HEAL, Action.REMOVE):
        return seen
    before = seen.status or status()
    wanted = plan.desired.assignment
    after = replace(
        before,
        kernel=enabled(wanted.policy) if wanted else DISABLED,
        running=running(wanted) if wanted else None,
        last_known_good=record(wanted) if wanted else None,
        trial=None,
        voided=None,
    )
    return Observed(after, seen.facts or facts())


@given(fleets)
def test_planned_and_done_the_fleet_is_as_wanted_and_nothing_is_left(
    fleet: Mapping[str, tuple[Desired, Observed]],
) -> None:
    desired = {name: wish for name, (wish, _) in fleet.items()}
    plans = plan_hosts(desired, {name: seen for name, (_, seen) in fleet.items()})

    after = {plan.host: carried_out(plan, fleet[plan.host][1]) for plan in plans}
    again = plan_hosts(desired, after)

    for first, second in zip(plans, again, strict=True):
        if first.changes and not first.problem:
            assert (second.action, second.changes) == (Action.NONE, False)
            reached = after[first.host].status
            assert reached is not None
            assert (reached.running.assignment if reached.running else None) == first.desired.assignment
        else:
            assert second == first  # nothing was done to it, so the same is said of it


@given(fleets)
def test_every_host_that_is_left_alone_has_a_reason(fleet: Mapping[str, tuple[Desired, Observed]]) -> None:
    plans = plan_hosts(
        {name: wish for name, (wish, _) in fleet.items()}, {name: seen for name, (_, seen) in fleet.items()}
    )
    for plan in plans:
        seen = fleet[plan.host][1].status
        runs = seen.running.assignment if seen and seen.running else None
        if plan.action in (Action.NONE, Action.HELD, Action.UNKNOWN) and runs != plan.desired.assignment:
            assert plan.reason
