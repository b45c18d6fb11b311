# SPDX-License-Identifier: Apache-2.0
"""Rollouts whose strategy judges how long tasks wait for a CPU, over simulated hosts."""

from __future__ import annotations

import pytest

from fleetsched.errors import ExitCode
from fleetsched.helper.simulated import Behaviour, Work
from fleetsched.model.rollout import Phase
from fleetsched.model.strategy import RolloutStrategy, RunQueueCheck, SchedulerCheck, Step
from tests.unit.rollout.test_engine import NEW, make_fleet, policy

__all__ = ["make_fleet"]


def strategy(check: RunQueueCheck) -> RolloutStrategy:
    steps = (Step("hosts", 1, 15), Step("percent", 100, 15))
    return RolloutStrategy("measured", steps, (SchedulerCheck(), check), trial_deadline_s=90)


def test_a_policy_under_which_tasks_wait_too_long_is_taken_back(make_fleet) -> None:
    fleet = make_fleet({"new": Behaviour(waits_us=(40_000,))})

    outcome = fleet.apply(policy("new", NEW), strategy(RunQueueCheck(p99_below_ms=20)))

    assert outcome.details["a"] == "runQueueLatency: p99 is 41.9 ms of 500 waits, wanted below 20 ms"
    assert outcome.exit_code is ExitCode.ROLLED_BACK
    assert fleet.running() == {"a": None, "b": None, "c": None}


def test_a_policy_is_compared_with_the_same_host_before_the_attach(make_fleet) -> None:
    fleet = make_fleet({"new": Behaviour(waits_us=(8_000,))})
    for host in fleet.hosts.values():
        host.work = [Work("web.slice", "nginx", waits_us=(4_000,))]

    outcome = fleet.apply(policy("new", NEW), strategy(RunQueueCheck(p99_max_regression=50)))

    assert outcome.details["a"] == (
        "runQueueLatency: p99 is 8.39 ms of 500 waits, before the attach it was 4.2 ms; "
        "wanted 6.29 ms at most (50 % more)"
    )
    words = [event.word for event in fleet.events if event.host == "a"]
    assert words[:4] == ["staging", "measuring", "trying", "enabled"]


@pytest.mark.parametrize("check", [RunQueueCheck(p99_below_ms=20), RunQueueCheck(p99_max_regression=10)])
def test_a_policy_under_which_nothing_waits_longer_is_confirmed(make_fleet, check: RunQueueCheck) -> None:
    fleet = make_fleet({"new": Behaviour(waits_us=(60,))})

    outcome = fleet.apply(policy("new", NEW), strategy(check))

    assert outcome.exit_code is ExitCode.OK
    assert fleet.running() == {"a": "new", "b": "new", "c": "new"}


def test_a_host_that_cannot_measure_is_not_tried(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["a"].observer_refused = "Operation not permitted"

    outcome = fleet.apply(policy("new", NEW), strategy(RunQueueCheck(p99_below_ms=20)))

    assert outcome.rollout.phases["a"] is Phase.FAILED
    assert outcome.details["a"] == (
        "a: the kernel does not take the helper's observer: Operation not permitted "
        "(leave runQueueLatency out for this host; everything else works)"
    )
    assert fleet.hosts["a"].kernel.enable_seq == 0


def test_a_host_that_can_measure_no_longer_in_its_trial_goes_back_at_once(make_fleet) -> None:
    fleet = make_fleet()

    def refuse_once_enabled(event) -> None:
        if event.word == "enabled":
            fleet.hosts[event.host].observer_refused = "Cannot allocate memory"

    fleet.report = refuse_once_enabled
    outcome = fleet.apply(policy("new", NEW), strategy(RunQueueCheck(p99_below_ms=20)))

    assert outcome.details["a"] == "a: the kernel does not take the helper's observer: Cannot allocate memory"
    assert fleet.hosts["a"].trial is None
    assert fleet.running() == {"a": None, "b": None, "c": None}


def test_a_host_on_which_nothing_waits_fails_because_nothing_is_known(make_fleet) -> None:
    fleet = make_fleet()
    fleet.hosts["a"].work.clear()

    outcome = fleet.apply(policy("new", NEW), strategy(RunQueueCheck(p99_below_ms=20)))

    assert outcome.details["a"] == "runQueueLatency: the host measured no task that waited for a CPU"
