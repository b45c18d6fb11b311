# SPDX-License-Identifier: Apache-2.0
"""Several goals in one run: their order, what waits, and what a run says of hosts that it never touched."""

from __future__ import annotations

from fleetsched.errors import ExitCode
from fleetsched.helper.simulated import SimulatedHost
from fleetsched.model.rollout import Phase
from fleetsched.model.run import HostResult
from fleetsched.operations.apply import look_ahead
from fleetsched.operations.plan import EVERY_HOST, Selection, plan
from fleetsched.views.run import outlook_text, run_text, verdict
from tests.unit.operations.controller import Controller

TWO_GOALS = """
---
apiVersion: fleetsched/v1
kind: HostGroup
metadata: {name: rest}
spec: {hosts: lab-3}
---
apiVersion: fleetsched/v1
kind: WorkloadGoal
metadata: {name: a-second}
spec:
  hostGroup: rest
  policy: {name: fair}
  rollout: lab
  dependsOn: [lab-fairness]
"""


def with_two_goals(controller: Controller) -> None:
    controller.edit("manifests/lab.yaml", "  hosts: lab #", "  hosts: lab:!lab-3 #")
    file = controller.root / "manifests" / "second.yaml"
    file.write_text(TWO_GOALS.removeprefix("\n---\n"), encoding="utf-8")


def test_goal_comes_after_the_one_that_it_depends_on(controller: Controller) -> None:
    with_two_goals(controller)
    assert [result.host for result in controller.apply().hosts] == ["lab-1", "lab-2", "lab-3"]
    assert set(controller.ops().values()) == {"fair"}


def test_goal_waits_for_one_that_cannot_be_done(controller: Controller) -> None:
    with_two_goals(controller)
    del controller.hosts["lab-2"]  # out of reach
    applied = controller.apply()
    assert applied.hosts[-1] == HostResult("lab-3", "a-second", Phase.WAITING, "waits for goal lab-fairness")
    assert controller.ops()["lab-3"] is None


def outlook(controller: Controller, only: Selection = EVERY_HOST) -> tuple[list[str], ExitCode]:
    """What `apply --check` says, as a person reads it."""
    access = controller.access()
    with plan(access, only) as planned:
        outlooks, code = look_ahead(planned.plan, access.fleet)
        return outlook_text(outlooks).splitlines()[1:], code


def test_goal_waits_when_the_run_leaves_out_hosts_of_the_one_that_it_depends_on(
    controller: Controller,
) -> None:
    with_two_goals(controller)
    controller.apply(Selection("lab-1"))

    applied = controller.apply(Selection("lab-1:lab-3"))

    assert (applied.exit_code, applied.tried) == (ExitCode.PAUSED, False)
    assert [result.detail for result in applied.hosts] == [
        "waits for goal lab-fairness, some of whose hosts this run leaves out"
    ]
    assert controller.apply().exit_code is ExitCode.OK


def test_goal_waits_for_one_without_a_policy(controller: Controller) -> None:
    with_two_goals(controller)
    controller.edit(
        "manifests/lab.yaml", "  policy:\n    name: fair\n    parameters: {slice_us: 5000}", "  #"
    )

    applied = controller.apply()

    assert (applied.exit_code, verdict(applied)) == (
        ExitCode.PAUSED,
        "nothing was changed: goals wait for others",
    )


def test_hosts_that_cannot_within_the_budget_do_not_stop_the_goals_that_follow(
    controller: Controller,
) -> None:
    with_two_goals(controller)
    controller.edit("manifests/second.yaml", "  dependsOn: [lab-fairness]\n", "")
    controller.edit("manifests/lab.yaml", "failed: 0", "failed: 1")
    controller.hosts["lab-1"] = SimulatedHost("lab-1", sched_ext=False)

    applied = controller.apply()

    assert controller.ops() == {"lab-1": None, "lab-2": "fair", "lab-3": "fair"}
    assert (applied.exit_code, verdict(applied)) == (
        ExitCode.ROLLED_BACK,
        "done, except for 1 host that cannot",
    )


def test_run_that_touched_nothing_says_so(controller: Controller) -> None:
    with_two_goals(controller)
    controller.hosts["lab-1"] = SimulatedHost("lab-1", sched_ext=False)

    applied = controller.apply()

    assert (applied.exit_code, applied.tried, applied.not_started) == (
        ExitCode.ROLLED_BACK,
        False,
        ("a-second",),
    )
    assert run_text(applied).splitlines()[1:-1] == [
        "RECAP",
        "  lab-1: cannot: the kernel 6.18.15+deb13-cloud-amd64 has no sched_ext (boot a",
        "      kernel built with CONFIG_SCHED_CLASS_EXT (6.12 or later))",
        "  lab-2: not started: not touched",
        "  goal a-second: not started",
        "",
        f"Run {applied.run}: FAILED, nothing was changed: more hosts cannot than",
        "  the failure budget allows.",
    ]


def test_check_tells_the_steps_of_every_goal(controller: Controller) -> None:
    with_two_goals(controller)

    assert outlook(controller) == (
        [
            "  goal lab-fairness:",
            "    step 1: lab-1, each watched for 15 s",
            "    step 2: lab-2, each watched for 15 s",
            "  goal a-second:",
            "    step 1: lab-3, each watched for 15 s",
        ],
        ExitCode.OK,
    )


def test_check_tells_what_would_not_start(controller: Controller) -> None:
    with_two_goals(controller)
    controller.hosts["lab-2"] = SimulatedHost("lab-2", sched_ext=False)

    assert outlook(controller) == (
        [
            "  goal lab-fairness:",
            "    not started: more hosts cannot, or do not answer, than the failure budget",
            "      allows: lab-2",
            "  goal a-second:",
            "    not started: waits for goal lab-fairness",
        ],
        ExitCode.ROLLED_BACK,
    )


def test_check_of_a_fleet_as_wanted_has_nothing_to_tell(controller: Controller) -> None:
    controller.apply()
    assert outlook(controller) == ([], ExitCode.OK)
