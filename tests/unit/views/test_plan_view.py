# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.model.manifests import Fleet, HostGroup, PolicyBinding, WorkloadGoal
from fleetsched.model.plan import Claim, Desired, Observed, Plan, plan_hosts
from fleetsched.model.state import Notice
from fleetsched.views.plan import WIDTH, plan_records, plan_text
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
    "old-1": Observed(confirmed(FAIR), facts()),
}
HELD = {
    "web-1": Observed(status(held=(held(FAIR),)), facts()),
    "web-2": Observed(confirmed(assignment("batch")), facts()),
}
UNCHANGED = {"web-1": Observed(confirmed(FAIR), facts())}


def make(observed: dict[str, Observed], *objections: str) -> Plan:
    desired = {host: Desired(Claim.PRUNED) if host == "old-1" else WANTED for host in observed}
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


def test_json_opens_with_its_version_and_ends_with_the_sums() -> None:
    records = list(plan_records(make(EVERY_ACTION)))

    assert records[0] == {"type": "version", "format": "fleetsched-plan", "version": "1.0"}
    assert records[2]["host"] == "web-1"
    assert records[2]["desired"] == FAIR.to_wire()
    assert records[-1]["counts"]["install-helper"] == 1
    assert json.loads(json.dumps(records)) == records
