# SPDX-License-Identifier: Apache-2.0
"""What a goal's proposals are measured on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleetsched.errors import InputError
from fleetsched.fleetrepo.workloads import shipped_workloads
from fleetsched.model.evaluation import (
    DEFAULT_WORKLOADS,
    check_guardrails,
    check_measures,
    gives,
    kernel_for,
    workloads_for,
)
from fleetsched.model.goal import Evaluation, Guardrail, Objective, WorkloadGoal
from fleetsched.model.metrics import METRICS

GOAL = WorkloadGoal("web", "web", "default", objective=Objective("request_latency_p99_us", "minimize"))


def test_every_metric_that_can_be_measured_here_has_a_workload_that_measures_it() -> None:
    workloads = shipped_workloads()
    assert DEFAULT_WORKLOADS.keys() == {name for name, metric in METRICS.items() if metric.source != "psi"}
    for metric in DEFAULT_WORKLOADS:
        goal = replace(GOAL, objective=Objective(metric, METRICS[metric].better))
        (chosen,) = workloads_for(goal, workloads)
        assert gives(workloads[chosen], metric)


def test_a_goals_own_workloads_come_first() -> None:
    named = replace(
        GOAL, evaluation=Evaluation(("nginx-under-compression", "hackbench"), ("message-wakeups",))
    )
    assert workloads_for(named, shipped_workloads()) == ("nginx-under-compression", "hackbench")


def test_a_metric_of_a_workload_alone_is_measured_on_that() -> None:
    goal = replace(GOAL, objective=Objective("share_accuracy", "maximize"))
    assert workloads_for(goal, shipped_workloads()) == ("cgroup-tenants",)


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (
            replace(GOAL, objective=None),
            "goal web has no objective, so nothing can be measured for it\n  write spec.objective",
        ),
        (
            replace(GOAL, objective=Objective("cpu_some_avg10", "minimize")),
            "goal web: no workload measures cpu_some_avg10\n  name one in spec.evaluation.workloads",
        ),
        (
            replace(GOAL, evaluation=Evaluation(("hackbench",))),
            "goal web: workload hackbench gives no number for request_latency_p99_us\n"
            "  name one first in spec.evaluation.workloads that does: cgroup-isolation, ",
        ),
    ],
)
def test_what_cannot_be_measured_says_what_to_write(goal: WorkloadGoal, said: str) -> None:
    with pytest.raises(InputError) as caught:
        workloads_for(goal, shipped_workloads())
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("releases", "kernel"),
    [
        ([], "6.18"),
        (["6.19.6+deb14-cloud-amd64", "7.3.1-cloud-amd64", "7.3.2-cloud-amd64"], "7.3"),
        (["6.1.0-18-amd64", "6.1"], "6.18"),
        (["7.30.1"], "6.18"),
    ],
)
def test_the_kernel_is_that_of_most_hosts(releases: list[str], kernel: str) -> None:
    assert kernel_for(releases, ("6.18", "6.19", "7.3")) == kernel


GUARDED = replace(GOAL, objective=Objective("completion_time_s", "minimize"))
RATE, PRESSURE = Guardrail("requests_per_second", 5.0), Guardrail("cpu_some_avg10", 5.0)


@pytest.mark.parametrize(
    "goal",
    [
        replace(GUARDED, guardrails=(Guardrail("wakeup_latency_p99_us", 5.0),)),
        replace(GUARDED, guardrails=(RATE,), evaluation=Evaluation(("hackbench",), ("message-wakeups",))),
        replace(GUARDED, guardrails=(replace(PRESSURE, accept_unmeasured=True),)),
    ],
    ids=["by the observer", "held out", "accepted"],
)
def test_a_guardrail_is_measured_somewhere_or_the_goal_does_without(goal: WorkloadGoal) -> None:
    check_guardrails(goal, shipped_workloads())


@pytest.mark.parametrize(
    ("guardrail", "remedy"),
    [
        (RATE, "name one that does in spec.evaluation.workloads (message-wakeups, nginx-under-compression)"),
        (PRESSURE, "no workload does"),
    ],
)
def test_a_guardrail_that_nothing_measures_is_refused_before_anything_is_measured(
    guardrail: Guardrail, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_guardrails(replace(GUARDED, guardrails=(guardrail,)), shipped_workloads())
    assert str(caught.value) == (
        f"goal web: none of its workloads measures the guardrail {guardrail.metric}, so nobody could say "
        f"that it is kept\n  {remedy}; or write `unmeasured: accept` beside it: proposals say then "
        "that nobody knows"
    )


def test_a_guardrail_that_a_workload_does_not_measure_is_refused_where_it_is_named_by_hand() -> None:
    hackbench = shipped_workloads()["hackbench"]
    check_measures(hackbench, ["completion_time_s", "wakeup_latency_p99_us"])
    with pytest.raises(InputError) as caught:
        check_measures(hackbench, ["completion_times"])
    assert caught.value.message == (
        "workload hackbench does not measure the guardrail 'completion_times'; "
        'did you mean "completion_time_s"?'
    )
