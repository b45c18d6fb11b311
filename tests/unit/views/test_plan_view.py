# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.model.fleet import Fleet
from fleetsched.model.goal import PolicyBinding, WorkloadGoal
from fleetsched.model.group import HostGroup
from fleetsched.model.plan import Claim, Desired, Observed, Plan, plan_hosts
from fleetsched.model.state import Notice
from fleetsched.views.plan import WIDTH, age_text, diff_text, plan_text
from tests.unit.builders import assignment, confirmed, enabled, facts, held, record, status

GOLDEN = Path(__file__).parent / "golden"
FAIR = assignment("fair", slice_us=3000)
WANTED = Desired(Claim.GOAL, "web-latency", "web", FAIR)
GOAL = WorkloadGoal("web-latency", "web", "careful", PolicyBinding("fair"))
FLEET = Fleet(Path(), groups={"web": HostGroup("web", "web")}, goals={"web-latency": GOAL})
NO_SCHED_EXT = Notice(
    "no-sched-ext",
    "kernel 6.12.107 has no sched_ext",
    "boot a kernel with CONFIG_SCHED_CLASS_EXT (Linux 6.12 or later), or leave the host out",
)

UNHEALED = replace(WANTED, heal=False)
EVERY_ACTION = {
    "web-1": Observed(helper_missing=True),
    "web-2": Observed(confirmed(assignment("fair", slice_us=20000)), facts()),
    "web-3": Observed(confirmed(FAIR), facts()),
    "web-4": Observed(
        error="web-4: connection to 192.0.2.4 port 22 refused", remedy="is sshd running there?"
    ),
    "web-5": Observed(status(foreign="scx_rusty", kernel=enabled("scx_rusty")), facts()),
    "web-6": Observed(status(last_known_good=record(FAIR)), facts()),
    "web-7": Observed(status(), facts(NO_SCHED_EXT)),
    "web-8": Observed(status(last_known_good=record(FAIR)), facts()),
    "old-1": Observed(confirmed(FAIR), facts()),
    "old-2": Observed(
        status(foreign="scx_rusty", kernel=enabled("scx_rusty"), last_known_good=record(FAIR)), facts()
    ),
}
HELD = {
    "web-1": Observed(status(held=(held(FAIR),)), facts()),
    "web-2": Observed(confirmed(assignment("batch")), facts()),
}
OTHERS = {"web-8": UNHEALED, "old-1": Desired(Claim.PRUNED), "old-2": Desired(Claim.PRUNED)}
UNCHANGED = {"web-1": Observed(confirmed(FAIR), facts())}


def make(observed: dict[str, Observed], *objections: str) -> Plan:
    desired = {host: OTHERS.get(host, WANTED) for host in observed}
    return Plan("3f2a91c0" * 5, plan_hosts(desired, observed), objections)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("every-action", make(EVERY_ACTION, "dirty: 2 files differ from the commit")),
        ("held", make(HELD)),
        ("unchanged", make(UNCHANGED)),
    ],
)
def test_plan_reads_as_agreed(name: str, plan: Plan) -> None:
    text = plan_text(plan, FLEET)

    assert text + "\n" == (GOLDEN / f"plan-{name}.txt").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= WIDTH


def test_hosts_of_a_goal_without_a_policy_are_not_said_to_want_one() -> None:
    unbound = Desired(Claim.UNBOUND, "web-latency", "web")
    observed = {"web-1": Observed(error="no answer"), "web-2": Observed(status(), facts())}
    plan = Plan("3f2a91c0" * 5, plan_hosts(dict.fromkeys(observed, unbound), observed))
    fleet = replace(FLEET, goals={"web-latency": replace(GOAL, policy=None)})
    assert plan_text(plan, fleet).splitlines()[2:] == [
        "Goal web-latency: no policy yet on group web, strategy careful",
        "  ? web-1: unknown",
        "      no answer",
        "    web-2: the kernel's scheduler",
        "      unbound: goal web-latency has no policy yet; `fleetsched propose",
        "      web-latency`",
        "",
        "Plan: 1 unknown, 1 unbound, 0 unchanged.",
    ]


@pytest.mark.parametrize(
    ("age_s", "said"),
    [
        (-1, "0 s"),
        (59.9, "60 s"),
        (60, "1 min"),
        (3 * 3600 + 1800, "3 h"),
        (50 * 3600, "2 d"),
    ],
)
def test_age_of_a_state_is_told_in_its_largest_unit(age_s: float, said: str) -> None:
    assert age_text("state.json", age_s) == f"State of state.json, taken {said} ago; no host was asked"


def test_control_characters_of_hosts_reach_no_terminal() -> None:
    seen = Observed(error="web-4: \x1b[2Jgone\r\nforged")
    assert "web-4: ?[2Jgone  forged" in plan_text(make({"web-4": seen}), FLEET)


def test_no_difference_is_said() -> None:
    assert diff_text([]) == "No policy changed since what the hosts have recorded."
