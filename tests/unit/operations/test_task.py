# SPDX-License-Identifier: Apache-2.0
"""What is asked of whoever works with tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fleetsched.errors import UsageError
from fleetsched.fleetrepo.load import load_fleet
from fleetsched.model.fleet import Fleet
from fleetsched.model.lesson import Lesson
from fleetsched.model.plan import Observed
from fleetsched.operations.asking import Known
from fleetsched.operations.init import init
from fleetsched.operations.task import NO_GOAL, open_task
from tests.unit.model.test_profile import profile

MANIFEST = "manifests/lab.yaml"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """A fleet repository whose goal is measured on one workload and holds out another."""
    root = tmp_path / "fleet"
    init(root)
    text = (root / MANIFEST).read_text()
    assert text.count("kind: WorkloadGoal") == 1
    head, goal = text.split("kind: WorkloadGoal")
    spec = "spec:\n  evaluation: {workloads: [message-wakeups], holdOut: [c-build]}\n"
    (root / MANIFEST).write_text(head + "kind: WorkloadGoal" + goal.replace("spec:\n", spec, 1))
    return load_fleet(root)


def test_without_a_goal_the_catalogue_is_what_can_be_chosen() -> None:
    asked = open_task(None, None, kernel="7.3", workload=None)
    assert (asked.goal, asked.kernel, asked.workload, asked.profile) == (NO_GOAL, "7.3", "", None)
    assert {"fair", "deadline", "interactive"} <= asked.policies.keys()


def test_a_goal_brings_its_own_workload_and_policies(fleet: Fleet) -> None:
    asked = open_task(fleet, "lab-fairness", kernel="6.18", workload=None)
    assert (asked.goal.name, asked.workload) == ("lab-fairness", "message-wakeups")
    assert asked.policies["fair"].folder == fleet.root / "policies" / "fair"
    assert "deadline" in asked.policies  # of the catalogue


def test_a_goal_brings_its_lessons_and_what_its_own_hosts_do(fleet: Fleet) -> None:
    lesson = Lesson("message-wakeups", "6.18", "fair", "worse", "p99 +40 %", "2026-01-02")
    other = replace(lesson, workload="pgbench", objective="operations_per_second")
    with_lessons = replace(fleet, lessons={"lab-fairness": (lesson, other)})
    asked = open_task(with_lessons, "lab-fairness", kernel="6.18", workload=None, profile=profile())
    assert asked.lessons == (lesson,)
    assert asked.profile is None  # web-1 is no host of the goal
    assert open_task(None, None, kernel="6.18", workload=None, profile=profile()).profile == profile()


def test_a_workload_is_taken_instead_of_the_goals(fleet: Fleet) -> None:
    assert open_task(fleet, "lab-fairness", kernel="6.18", workload="other").workload == "other"


@pytest.mark.parametrize(
    ("goal", "workload", "message"),
    [
        ("lab-fairnes", None, 'no goal "lab-fairnes"; did you mean "lab-fairness"?'),
        ("lab-fairness", "c-build", "goal lab-fairness holds out workload c-build"),
    ],
)
def test_what_cannot_be_asked(fleet: Fleet, goal: str, workload: str | None, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_task(fleet, goal, kernel="6.18", workload=workload)
    assert raised.value.message.startswith(message)


def test_hosts_that_could_not_be_observed_are_named_where_hosts_were_asked() -> None:
    looks = {"a": Observed(helper_missing=True), "b": Observed(error="b: no route to host"), "c": Observed()}
    assert [*Known(looks, profile()).unseen(["a", "b", "c", "unknown"])] == [
        "hosts without a helper, whose work is not known: 1 "
        "(`fleetsched helper install`, or the first policy's `apply`, brings it)",
        "hosts that could not be asked: 1",
    ]
    assert [*Known(looks, profile()).unseen(["c"])] == []
    assert [*Known(looks).unseen(["a", "b"])] == []  # nobody was to count
